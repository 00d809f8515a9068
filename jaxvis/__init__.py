"""jaxvis shows what convolutional networks have learned, a thousand neurons at a time.

An image is `[H, W, 3]` float32 RGB in [0, 1] everywhere; networks take it as it is.
"""

import importlib
from types import ModuleType

from jaxvis.methods.dream import dream
from jaxvis.methods.maximize import maximize
from jaxvis.methods.preimage.caricature import caricature
from jaxvis.methods.preimage.invert import invert
from jaxvis.weights.load import load

__all__ = ["caricature", "dream", "invert", "load", "maximize"]
__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    """Returns `jaxvis.plot`, whose matplotlib is imported when it is first used.

    Args:
      name: of an attribute that the package does not have yet.

    Raises:
      AttributeError: for any other name.
    """
    if name == "plot":
        return importlib.import_module("jaxvis.output.plot")
    raise AttributeError(f"module 'jaxvis' has no attribute {name!r}")
