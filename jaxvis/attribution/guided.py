"""Gradients that ReLUs let through by another rule: guided backpropagation, deconvnet.

Both draw sharp pictures, and much of what they draw is in the image rather than in what the
network has learned: show them with their `jaxvis.model_randomisation`.
"""

from collections.abc import Sequence

import numpy as np

from jaxvis.attribution.gradients import Combine, Gradient, arrange, combine_channels
from jaxvis.attribution.stream import explain
from jaxvis.attribution.subject import Index, Subject, choose_subject
from jaxvis.nets.wrappers.guided import Rule, check_relus, with_guided_relus
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import ImageLike, Params


def guided_backpropagation(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    combine: Combine = "max",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows a score's gradient along positive paths: a ReLU lets only positive ones through.

    Where a ReLU's input was positive, it passes the positive part of the gradient on, and
    elsewhere nothing. A neuron of a layer in between is `tap`, `index` and `position`. The
    ReLUs of every network are found, those of one's own too.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      combine: how the channels become one map, see `combine_channels`; "none" keeps the
        colours, as the paper's figures do.
      chunk: how many scores a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`.

    Raises:
      ValueError: as `choose_subject`, and for a network without any ReLU.

    Source: Springenberg et al., Striving for simplicity: the all convolutional net, 2015;
      Lecture 21, 21.5. What it shows changes little with the weights: Adebayo et al., 2018.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.guided_backpropagation(
    ...     net, params, red, tap="relu4_2", index=[0, 3], position="centre", combine="none"
    ... )
    >>> heat.shape
    (2, 64, 64, 3)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    return _explain("guided", net, params, subject, combine, chunk)


def deconvnet(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    combine: Combine = "max",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows what a deconvolutional network makes of a score.

    It is a gradient of which every ReLU passes the positive part on, whatever its input was.
    Pooling passes it to where the maximum was.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      combine: how the channels become one map, see `combine_channels`.
      chunk: how many scores a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., H, W]`.

    Raises:
      ValueError: as `guided_backpropagation`.

    Source: Zeiler & Fergus, Visualizing and understanding convolutional networks, 2014.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.deconvnet(net, params, red, index=[0, 3]).shape
    (2, 64, 64)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    return _explain("deconvnet", net, params, subject, combine, chunk)


def _explain(
    rule: Rule,
    net: Network,
    params: Params,
    subject: Subject,
    combine: Combine,
    chunk: int | None,
) -> np.ndarray:
    check_relus(net, params, subject.size)
    method = Gradient(with_guided_relus(net, rule))
    maps = explain(method, params, subject, chunk=chunk)
    return combine_channels(arrange(maps, subject), combine)
