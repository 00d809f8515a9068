"""Networks: from an image to its named activations."""

from jaxvis.nets.geometry import Geometry, geometry, layers_table
from jaxvis.nets.layers import parameter_shapes
from jaxvis.nets.registry import NETS, build

__all__ = [
    "NETS",
    "Geometry",
    "build",
    "geometry",
    "layers_table",
    "parameter_shapes",
]
