"""jaxvis explain, saliency, guided, cam, occlude: what in a photograph a network looks at."""

from functools import partial
from typing import Literal

import numpy as np

from jaxvis.cli.choices import BaselineName, CamMethod, ExplainMethod, GradientMethod
from jaxvis.cli.explaining import Case, find_method, open_case, write_maps
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    Count,
    NetworkFlags,
    OutputFlags,
    Text,
    flatten_flags,
)
from jaxvis.cli.target_flags import TARGET, TargetFlags
from jaxvis.evaluate.heatmaps.randomisation import model_randomisation

SAMPLED = ("smooth-grad", "var-grad", "expected-gradients", "rise", "hsic", "sobol", "lime")
"""Methods that --samples belongs to."""
LAYERED = (
    *("grad-cam", "grad-cam-plus-plus", "layer-cam", "hires-cam", "eigen-cam", "score-cam"),
    *("ablation-cam", "finer-cam", "guided-grad-cam", "lrp", "conductance"),
)
"""Methods that --layer belongs to."""


def explain(
    net: str,
    image: str,
    /,
    *,
    method: ExplainMethod = "grad-cam",
    layer: Text = None,
    samples: Count = None,
    target: TargetFlags = TARGET,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows which pixels of a photograph speak for a class, by any method.

    For example: jaxvis explain googlenet photo.jpg --method lrp --index tabby,beagle

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      method: how the heatmap is made.
      layer: where the map is taken, for the methods that take it at a layer; the last map
        if left out.
      samples: noises, masks or points of a path, for the methods that have some; the
        method's own number if left out.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network or the method.
    """
    arguments = flatten_flags(locals())
    if layer is not None and method not in LAYERED:
        raise ValueError(f"{method} takes no --layer: leave it out")
    if samples is not None and method not in (*SAMPLED, "integrated-gradients"):
        raise ValueError(f"{method} has no --samples: leave it out")
    number = "steps" if method == "integrated-gradients" else "samples"
    case = open_case(net, image, network=network, **vars(target))
    options = {"layer": layer, number: samples}
    return write_maps("explain", arguments, output, case, method, options)


def saliency(
    net: str,
    image: str,
    /,
    *,
    method: GradientMethod = "saliency",
    samples: Count = None,
    target: TargetFlags = TARGET,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows the pixels that would change a class score most, by its gradient.

    For example: jaxvis saliency googlenet photo.jpg --method smooth-grad --top 3

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      method: how gradients become a heatmap.
      samples: noises, or points of a path, where the method has some; its own number if
        left out.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network or the method.
    """
    arguments = flatten_flags(locals())
    if samples is not None and method not in (*SAMPLED, "integrated-gradients"):
        raise ValueError(f"{method} has no --samples: leave it out")
    number = "steps" if method == "integrated-gradients" else "samples"
    case = open_case(net, image, network=network, **vars(target))
    return write_maps("saliency", arguments, output, case, method, {number: samples})


def guided(
    net: str,
    image: str,
    /,
    *,
    method: Literal["guided-backpropagation", "deconvnet"] = "guided-backpropagation",
    target: TargetFlags = TARGET,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows what pattern a class or a neuron responds to, by guided backpropagation.

    Such maps may say more of the picture than of the network: each is shown with its
    likeness to the map of a network with random parameters, from 0 (another map) to 1 (the
    same map). For example: jaxvis guided vgg19 photo.jpg --tap relu4_1 --index 7

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      method: the rule at the ReLUs.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network, or a network without ReLUs.
    """
    arguments = flatten_flags(locals())
    case = open_case(net, image, network=network, **vars(target))
    notes = partial(_score_randomised, case, method)
    return write_maps("guided", arguments, output, case, method, {}, notes=notes)


def _score_randomised(case: Case, method: str, maps: np.ndarray) -> list[str]:
    """Says of each map how like it is to that of a network with random parameters."""
    scores = model_randomisation(
        case.opened.net, case.opened.params, case.photo, find_method(method), **case.what
    )
    return [f"likeness to a random network {value:.2f}" for value in scores[..., -1].ravel()]


def cam(
    net: str,
    image: str,
    /,
    *,
    method: CamMethod = "grad-cam",
    layer: Text = None,
    target: TargetFlags = TARGET,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows the regions of a photograph that speak for a class, by class activation maps.

    For example: jaxvis cam googlenet photo.jpg --index tabby,beagle --out cam.png

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      method: how the channels of the layer are weighed.
      layer: where the map is taken; the last map if left out.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network or the method.
    """
    arguments = flatten_flags(locals())
    if layer is not None and method not in LAYERED:
        raise ValueError(f"{method} takes no --layer: leave it out")
    case = open_case(net, image, network=network, **vars(target))
    return write_maps("cam", arguments, output, case, method, {"layer": layer})


def occlude(
    net: str,
    image: str,
    /,
    *,
    patch: int = 32,
    stride: int = 16,
    baseline: BaselineName = "grey",
    target: TargetFlags = TARGET,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows how much a class score falls when a patch of the photograph is hidden.

    For example: jaxvis occlude googlenet photo.jpg --patch 48 --stride 12

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      patch: pixels of a side of the patch.
      stride: pixels between neighbouring patches.
      baseline: what hides the patch.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network, or a patch larger than the image.
    """
    arguments = flatten_flags(locals())
    case = open_case(net, image, network=network, **vars(target))
    options = {"patch": patch, "stride": stride, "baseline": baseline}
    return write_maps("occlude", arguments, output, case, "occlusion", options)
