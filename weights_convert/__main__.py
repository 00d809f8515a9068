"""Runs `python -m weights_convert`, which is `jaxvis convert`."""

import sys

from jaxvis.cli import main

sys.exit(main(["convert", *sys.argv[1:]]))
