"""Guided Grad-CAM: the details of guided backpropagation where Grad-CAM finds a class."""

from collections.abc import Sequence

import numpy as np

from jaxvis.attribution.cam.gradient_based import grad_cam
from jaxvis.attribution.gradients import Combine
from jaxvis.attribution.guided import guided_backpropagation
from jaxvis.attribution.subject import Index
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import ImageLike, Params


def guided_grad_cam(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    combine: Combine = "max",
    layer: str | None = None,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows fine details that speak for a score: guided backpropagation times Grad-CAM.

    Guided backpropagation shows edges whatever is asked for; Grad-CAM, resized bilinearly to
    the image, keeps those of the class.

    Args:
      net, params, image: see `jaxvis.grad_cam`.
      tap, index, position, objective: what is explained, see `jaxvis.grad_cam`.
      combine: how the channels become one map, as for `jaxvis.saliency`.
      layer, chunk: see `jaxvis.grad_cam`.

    Returns:
      np.ndarray: `[..., H, W]`; for the combine "none" `[..., H, W, C]`.

    Raises:
      ValueError: as `jaxvis.grad_cam` and `jaxvis.guided_backpropagation`.

    Source: Selvaraju et al., Grad-CAM, 2017, 3.2; Lecture 21, 21.8.1.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.guided_grad_cam(net, params, image, index=[0, 3]).shape
    (2, 64, 64)
    """
    heat = grad_cam(
        net,
        params,
        image,
        tap=tap,
        index=index,
        position=position,
        objective=objective,
        layer=layer,
        chunk=chunk,
    )
    details = guided_backpropagation(
        net,
        params,
        image,
        tap=tap,
        index=index,
        position=position,
        objective=objective,
        combine=combine,
        chunk=chunk,
    )
    return details * (heat[..., None] if combine == "none" else heat)
