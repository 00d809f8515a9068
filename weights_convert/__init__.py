"""Checkpoints of other programs -> one naming -> files that `jaxvis.load` reads."""

from weights_convert.conversion import convert

__all__ = ["convert"]
