"""Runs `python -m weights_convert`."""

import sys

from weights_convert.command import main

sys.exit(main())
