"""How a score's difference from a baseline flows through the units of one layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxvis.attribution.completeness import add_baseline
from jaxvis.attribution.gradients import Combine, arrange, combine_channels
from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.quadrature import Rule, list_places
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, choose_subject, read_score
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params


@dataclass(frozen=True)
class LayerStep(Explanation):
    """The gradient with respect to a layer, and how the layer changes along the path.

    Args:
      net: the network.
      layer: the layer's tap.
      neuron: None for the layer itself; or the place of one unit in it, whose part of the
        score's change is then followed to the image.
    """

    layer: str
    neuron: tuple[int, ...] | None = None

    def __call__(self, params: Params, image: Any, item: Algebra, sample: Any) -> Array:
        """Computes what one step adds: of the layer's shape, or `[H, W, C]` for a neuron.

        Args:
          params, item: see `Explanation`.
          image: a `Scene`.
          sample: the "place" in [0, 1], the "next" one, and the "weight".
        """
        path = image.image - image.baseline
        there = image.baseline + sample["place"] * path

        def compute(image: Array) -> Array:
            return self.net.apply(params, image, stop=self.layer)[self.layer]

        def score(units: Array) -> Array:
            start = ("input", self.layer)
            taps = self.net.apply(params, (there, units), start=start, stop=item.taps)
            return read_score(item, taps)

        if self.neuron is None:
            units, after = compute(there), compute(image.baseline + sample["next"] * path)
            return jax.grad(score)(units) * (after - units)
        neuron = self.neuron
        units, pull = jax.vjp(compute, there)
        gradient = jax.grad(score)(units)
        (found,) = pull(jax.numpy.zeros_like(units).at[neuron].set(gradient[neuron]))
        return sample["weight"] * found * path


def conductance(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    layer: str,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    neuron: tuple[int, ...] | None = None,
    baseline: Baseline = "zero",
    steps: int = 50,
    rule: Rule = "gauss-legendre",
    combine: Combine = "sum",
    chunk: int | None = None,
) -> np.ndarray:
    """Shows how much of a score's rise above a baseline flows through each unit of a layer.

    Along the path from the baseline to the image, the changes of a unit are weighed by the
    score's gradient with respect to it.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      layer: the tap of the layer.
      tap, index, position, objective: what is explained, see
        `jaxvis.attribution.subject.choose_subject`.
      neuron: (y, x, channel) or (channel,) of one unit of the layer; then what flows through
        it is followed to the image.
      baseline, steps, rule: see `jaxvis.integrated_gradients`.
      combine: how the channels of a map become one, see `combine_channels`; "none" gives
        each unit of the layer.
      chunk: how many steps or scores a device takes together; None fits the memory.

    Returns:
      np.ndarray: `[..., h, w]` of the layer's map, `[..., d]` of a layer without one; with
      `neuron` `[..., H, W]` of the image.

    Raises:
      ValueError: as `choose_subject`; for a layer that is the image, or a network that cannot
        be entered there; for a neuron outside the layer.

    Source: Dhamdhere, Sundararajan & Yan, How important is a neuron?, 2019.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.conductance(net, params, red, layer="relu4_2", index=[0, 3]).shape
    (2, 8, 8)
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    _check_layer(net, params, layer, neuron, subject.size)
    samples = _list_steps(rule, steps, layer=neuron is None)
    ready = net.prepare(params, size=subject.size)
    whole = add_baseline(subject, baseline)
    method = LayerStep(net, layer, neuron)
    found = arrange(explain(method, ready, whole, samples=samples, chunk=chunk), subject)
    is_map = found.ndim - len(subject.lead) == 3
    return combine_channels(found, combine) if is_map else found


def _list_steps(rule: Rule, steps: int, *, layer: bool) -> dict[str, np.ndarray]:
    """Returns the places, the next ones, and the weights, `[steps]` each."""
    places, weights = list_places(rule, steps + layer)
    nexts = places[1:] if layer else places
    found = {"place": places[:steps], "next": nexts, "weight": weights[:steps]}
    return {name: values.astype(np.float32) for name, values in found.items()}


def _check_layer(
    net: Network,
    params: Params,
    layer: str,
    neuron: tuple[int, ...] | None,
    size: tuple[int, int],
) -> None:
    net.check_taps(layer)
    if layer == "input":
        raise ValueError("layer='input' is the image: use jaxvis.integrated_gradients")
    shape = net.shape(params, layer, size=size)
    if neuron is None:
        return
    inside = len(neuron) == len(shape) and all(0 <= i < n for i, n in zip(neuron, shape))
    if not inside:
        words = "(y, x, channel)" if len(shape) == 3 else "(channel,)"
        raise ValueError(f"neuron is {words} within {shape} of {layer!r}, not {neuron!r}")
