"""jaxvis shows what convolutional networks have learned, a thousand neurons at a time.

An image is `[H, W, 3]` float32 RGB in [0, 1] everywhere; networks take it as it is.
"""

from jaxvis.methods.caricature import caricature
from jaxvis.methods.dream import dream
from jaxvis.methods.invert import invert
from jaxvis.methods.maximize import maximize
from jaxvis.weights import load

__all__ = ["caricature", "dream", "invert", "load", "maximize"]
__version__ = "0.1.0"
