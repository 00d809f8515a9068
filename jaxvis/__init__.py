"""jaxvis shows what convolutional networks have learned, a thousand neurons at a time.

An image is `[H, W, 3]` float32 RGB in [0, 1] everywhere; networks take it as it is. A
network of grey images has `net.channels == 1`: what methods make for it is `[H, W, 1]`, and
photographs become their luminance.
Everything that a user needs is one dot away and listed in `jaxvis.__all__`:

- networks: `load`, `from_nnx`, `from_linen`, `from_equinox`, `from_keras`,
  `from_torch`, `from_onnx`, `from_function`, `from_layers`, `check`,
- images: `read_image`, `write_image`,
- methods: `maximize`, `dream`, `facets`, `invert`, `caricature`, `texture`, `style`,
  `feature_maps`, `generate`, `latent`, `stylize`, `fast_style`,
- heatmaps: `saliency`,
- what methods are made of: `objectives`, `canvases` (`Canvas` for one of your own),
  `views`, `priors`, `optimizers`, `recipes`, `Status`, `Interrupted`,
- figures: `plot`,
- devices and compilation: `use_cores`, `jit`, `compiles_wrongly`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxvis import recipes
    from jaxvis.attribution.gradients import saliency
    from jaxvis.compiler import compiles_wrongly, jit
    from jaxvis.devices import use_cores
    from jaxvis.loss import canvas as canvases
    from jaxvis.loss import objectives, priors, views
    from jaxvis.methods.check.check import check
    from jaxvis.methods.coupled.generate import generate
    from jaxvis.methods.coupled.latent import latent
    from jaxvis.methods.dream import dream
    from jaxvis.methods.facets.visualize import facets
    from jaxvis.methods.fast_style.stylize import stylize
    from jaxvis.methods.fast_style.train import fast_style
    from jaxvis.methods.maximize import maximize
    from jaxvis.methods.preimage.caricature import caricature
    from jaxvis.methods.preimage.invert import invert
    from jaxvis.methods.style.feature_maps import feature_maps
    from jaxvis.methods.style.style import style
    from jaxvis.methods.style.texture import texture
    from jaxvis.nets.adapters import from_function, from_linen, from_nnx
    from jaxvis.nets.frameworks.equinox import from_equinox
    from jaxvis.nets.frameworks.keras import from_keras
    from jaxvis.nets.frameworks.onnx_file import from_onnx
    from jaxvis.nets.frameworks.torch_export import from_torch
    from jaxvis.nets.layer_list import from_layers
    from jaxvis.network import Network
    from jaxvis.optimize import rules as optimizers
    from jaxvis.output import plot
    from jaxvis.output.io import read_image, write_image
    from jaxvis.types import Canvas, Interrupted, Run, Status
    from jaxvis.weights.load import load

__all__ = [
    "Canvas",
    "Interrupted",
    "Network",
    "Run",
    "Status",
    "canvases",
    "caricature",
    "check",
    "compiles_wrongly",
    "dream",
    "facets",
    "fast_style",
    "feature_maps",
    "from_equinox",
    "from_function",
    "from_keras",
    "from_layers",
    "from_linen",
    "from_nnx",
    "from_onnx",
    "from_torch",
    "generate",
    "invert",
    "jit",
    "latent",
    "load",
    "maximize",
    "objectives",
    "optimizers",
    "plot",
    "priors",
    "read_image",
    "recipes",
    "saliency",
    "style",
    "stylize",
    "texture",
    "use_cores",
    "views",
    "write_image",
]
__version__ = "0.1.0"

_MODULES = {
    "canvases": "jaxvis.loss.canvas",
    "objectives": "jaxvis.loss.objectives",
    "optimizers": "jaxvis.optimize.rules",
    "plot": "jaxvis.output.plot",
    "priors": "jaxvis.loss.priors",
    "recipes": "jaxvis.recipes",
    "views": "jaxvis.loss.views",
}
_PLACES = {
    "Canvas": "jaxvis.types",
    "Interrupted": "jaxvis.types",
    "Network": "jaxvis.network",
    "Run": "jaxvis.types",
    "Status": "jaxvis.types",
    "caricature": "jaxvis.methods.preimage.caricature",
    "check": "jaxvis.methods.check.check",
    "compiles_wrongly": "jaxvis.compiler",
    "dream": "jaxvis.methods.dream",
    "facets": "jaxvis.methods.facets.visualize",
    "fast_style": "jaxvis.methods.fast_style.train",
    "feature_maps": "jaxvis.methods.style.feature_maps",
    "from_equinox": "jaxvis.nets.frameworks.equinox",
    "from_function": "jaxvis.nets.adapters",
    "from_keras": "jaxvis.nets.frameworks.keras",
    "from_layers": "jaxvis.nets.layer_list",
    "from_linen": "jaxvis.nets.adapters",
    "from_nnx": "jaxvis.nets.adapters",
    "from_onnx": "jaxvis.nets.frameworks.onnx_file",
    "from_torch": "jaxvis.nets.frameworks.torch_export",
    "generate": "jaxvis.methods.coupled.generate",
    "invert": "jaxvis.methods.preimage.invert",
    "jit": "jaxvis.compiler",
    "latent": "jaxvis.methods.coupled.latent",
    "load": "jaxvis.weights.load",
    "maximize": "jaxvis.methods.maximize",
    "read_image": "jaxvis.output.io",
    "saliency": "jaxvis.attribution.gradients",
    "style": "jaxvis.methods.style.style",
    "stylize": "jaxvis.methods.fast_style.stylize",
    "texture": "jaxvis.methods.style.texture",
    "use_cores": "jaxvis.devices",
    "write_image": "jaxvis.output.io",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import jaxvis` is quick.

    Args:
      name: of an attribute that the package does not have yet.

    Raises:
      AttributeError: for a name that is not public.
    """
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _PLACES:
        found = getattr(importlib.import_module(_PLACES[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'jaxvis' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Lists the public names, for completion in a notebook."""
    return [*__all__, "__version__"]
