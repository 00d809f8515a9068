"""Networks: from an image to its named activations."""

from jaxvis.nets.adapters import from_function, from_linen, from_nnx
from jaxvis.nets.layer_list import from_layers
from jaxvis.nets.random import random_params
from jaxvis.nets.registry import NETS, build
from jaxvis.nets.table.forward import parameter_shapes
from jaxvis.nets.table.geometry import Geometry, geometry, layers_table

__all__ = [
    "NETS",
    "Geometry",
    "build",
    "from_function",
    "from_layers",
    "from_linen",
    "from_nnx",
    "geometry",
    "layers_table",
    "parameter_shapes",
    "random_params",
]
