"""From the names in a file to rows of a network's table: the one naming inside."""

from weights_convert.names.extras import HARMLESS
from weights_convert.names.table import make_renamer

__all__ = ["HARMLESS", "make_renamer"]
