"""`python -m jaxvis`: the same as the command `jaxvis`."""

import sys

from jaxvis.cli import main

if __name__ == "__main__":
    sys.exit(main())
