"""Defences: filters, ensembles, robust training, and certificates."""

from jaxvis.defences.filters.filtered import Filter
from jaxvis.defences.filters.jpeg import Jpeg
from jaxvis.defences.filters.jpeg_file import JpegFile
from jaxvis.defences.filters.simple import BitDepth, Blur, Median, TotalVariation
from jaxvis.defences.training.hardening import Hardening

__all__ = [
    "BitDepth",
    "Blur",
    "Filter",
    "Hardening",
    "Jpeg",
    "JpegFile",
    "Median",
    "TotalVariation",
]
