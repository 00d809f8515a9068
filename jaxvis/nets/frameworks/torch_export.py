"""A PyTorch module as a Network: its exported graph, in the words of JAX.

`torch.export` traces the module once, with all the Python in it, down to a fixed set of ATen
operations, and says for every operation in which submodule it was called. `torch.fx` on its
own keeps calls of modules and methods as they are, and cannot trace a branch that depends on
a shape. Nothing of PyTorch is kept in the network.
"""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any, Unpack

from jaxvis.nets.adapted import Names
from jaxvis.nets.frameworks.build import Builder, Reading, build
from jaxvis.nets.frameworks.torch_reader import list_decompositions, read_program
from jaxvis.nets.preprocessing import ImageOptions, Preprocessing
from jaxvis.network import Network
from jaxvis.types import Params


def from_torch(
    module: Any,
    *,
    input_size: tuple[int, int],
    taps: Names = None,
    scores: str | None = None,
    name: str | None = None,
    **images: Unpack[ImageOptions],
) -> tuple[Network, Params]:
    """Returns a PyTorch module as (net, params); every submodule's output is a tap.

    The module's graph is exported in evaluation mode, and its operations run in JAX: torch is
    needed for this call alone. Equal modules give equal nets, which do not compile again.

    Args:
      module: a `torch.nn.Module` that takes one tensor `[1, C, H, W]`. It is left as it was.
      input_size: (H, W) in pixels of its native image. Other sizes work too, but for
        modules that are made for one size, such as a vision transformer.
      taps: names of the outputs to keep, or a mapping from tap names of your own to those
        names; None keeps all. They are paths of submodules, "layer1.0.conv1"; further calls
        of one are "layer1.0.relu_1" and so on. What the module returns is "output",
        "output.0" and so on for a tuple, and a dict names its taps by its own keys.
      scores: the tap of the class scores before softmax; None takes the first output that is
        a vector of several numbers.
      name: the network's name; None takes the class's name.
      **images: mean, std, range and channels, as in `from_nnx`.

    Returns:
      (net, params): the taps of maps are `[h, w, c]`. params is a nested dict of float32
      arrays by the module's own names, but that of a convolution has "kernel"
      `[kh, kw, in / groups, out]` and that of a linear layer "kernel" `[in, out]` in place
      of "weight".

    Raises:
      ImportError: where torch is not installed.
      ValueError: for a module that cannot be exported, or that has operations that are not
        known here, all of which are named; and for an unknown tap.

    >>> import torch
    >>> import jaxvis
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    >>> net, params = jaxvis.from_torch(module, input_size=(16, 16))
    >>> net.shape(params, "output")
    (14, 14, 8)
    """
    torch = _import_torch()
    if "layout" in images:
        raise ValueError("from_torch takes no layout: torch's images are always [C, H, W]")
    size = (int(input_size[0]), int(input_size[1]))
    expected = replace(Preprocessing(**images), layout="CHW")
    own_name = name or type(module).__name__
    found = _read(torch, module, own_name, (1, *expected.shape_of(size)))
    larger = (size[0] + OTHER[0], size[1] + OTHER[1])
    try:
        other = _read(torch, module, own_name, (1, *expected.shape_of(larger)))
        fixed = other[0].nodes != found[0].nodes
    except ValueError:
        fixed = True
    reading = Reading(own_name, *found, fixed=fixed, size=size, images=expected)
    return build(reading, taps, scores)


OTHER = (33, 17)
"""Pixels by which a second image is larger. If the graph for it is the same, it holds no sizes
of the image; an odd number also shows pads that depend on whether a size is even."""


def _read(
    torch: ModuleType, module: Any, name: str, shape: tuple[int, ...]
) -> tuple[Builder, dict[str, Any], tuple[str, ...]]:
    return read_program(_export(torch, module, name, shape), name)


def _import_torch() -> ModuleType:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "from_torch needs PyTorch, which is not installed: pip install torch"
        ) from error


def _export(torch: ModuleType, module: Any, name: str, shape: tuple[int, ...]) -> Any:
    """Returns the exported program, whose operations are known ones wherever possible."""
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"from_torch takes a torch.nn.Module, not a {type(module).__name__}")
    first = next(iter(module.parameters()), torch.zeros(()))
    example = torch.zeros(shape, dtype=first.dtype, device=first.device)
    with _evaluate(module), warnings.catch_warnings(), torch.no_grad():
        # The warnings of torch about its own workings; those of the module's code are heard.
        warnings.filterwarnings("ignore", module=r"torch\b")
        warnings.filterwarnings("ignore", message=".*treespec", category=FutureWarning)
        try:
            program = torch.export.export(module, (example,))
            return program.run_decompositions(list_decompositions(torch))
        except Exception as error:  # whatever a user's own code raises
            failure = error
    reason = " ".join(str(failure).split())[:300] or type(failure).__name__
    raise ValueError(
        f"{name} cannot be exported for an image {list(shape)}; check input_size and channels, "
        f"and that torch.export.export(module, (image,)) works. It said: {reason}"
    ) from failure


@contextmanager
def _evaluate(module: Any) -> Iterator[None]:
    """Within it, a module is in evaluation mode."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
