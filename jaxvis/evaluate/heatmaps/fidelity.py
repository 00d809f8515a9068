"""Infidelity: whether a heatmap foretells what a change of the image does to a score."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.baselines import Baseline
from jaxvis.attribution.masks.engine import hide, score_masks
from jaxvis.attribution.subject import Index
from jaxvis.compiler import jit
from jaxvis.evaluate.heatmaps.judging import Judged, choose_case
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ArrayLike, ImageLike, Key, Params, as_key

Change = Literal["square", "noise"]
"""What is taken away: a random square whole, or a random part of every pixel."""
NOISE = 0.2
"""The standard deviation of the parts that "noise" takes away."""
SQUARE = 0.25
"""The largest side of the squares, as a part of the image's shorter side."""


@dataclass(frozen=True)
class Foretold(Judged):
    """What a heatmap foretells of a change, and the score after it, `[2]`.

    Args:
      net, probable: see `Judged`.
      change: what is taken away.
    """

    change: Change

    def __call__(self, params: Params, image: Any, item: Any, sample: Any) -> Array:
        """Computes both; a sample is (the change's key, 0 for no change or 1).

        Args:
          params: the network's parameters.
          image: a `Scene`.
          item: a `Mapped`.
          sample: see above.
        """
        key, there = sample
        taken = there * draw_change(self.change, key, item.heat.shape)
        shown = hide(image, 1 - taken)
        score = self.read(item, self.net.apply(params, shown, stop=self.find_taps(item)))
        return jnp.stack([jnp.vdot(taken, item.heat), score])


def draw_change(change: Change, key: Key, size: tuple[int, int]) -> Array:
    """Draws the part of each pixel that is taken away, `[H, W]`.

    Args:
      change: "square" or "noise".
      key: of this change.
      size: (H, W) in pixels.
    """
    if change == "noise":
        return NOISE * jax.random.normal(key, size)
    of_side, *of_corners = jax.random.uniform(key, (3,))
    side = 1 + jnp.floor(of_side * max(1, round(SQUARE * min(size))))
    inside = []
    for number, length in zip(of_corners, size):
        corner = jnp.floor(number * (length - side + 1))
        places = jnp.arange(length)
        inside.append((places >= corner) & (places < corner + side))
    return (inside[0][:, None] & inside[1]).astype(jnp.float32)


def infidelity(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: ArrayLike,
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    change: Change = "square",
    samples: int = 64,
    normalise: bool = False,
    baseline: Baseline = "zero",
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Measures the squared error of what heatmaps foretell: E (<I, heat> - (S(x) - S(x_I)))^2.

    I, `[H, W]`, is the part of each pixel's difference to the baseline that is taken away,
    x_I = x - I (x - baseline). So a map in units of the score, such as gradient times
    input, foretells <I, heat>. The scores of classes are those before softmax.

    Args:
      net, params, image: what the heatmaps were made of.
      heat: `[..., H, W]`, the heatmaps.
      tap, index, position, objective: what they explain, as they were made with.
      change: "square" takes random squares away, "noise" a random part of every pixel.
      samples: how many changes.
      normalise: whether each map is first scaled to the least error; then maps that are in
        no units, such as saliency, can be compared.
      baseline: what the image becomes, see `jaxvis.attribution.masks.baselines.Baseline`.
      key: of the changes, and of the baseline "noise".
      chunk: how many changes a device takes together; None fits them to the memory.

    Returns:
      np.ndarray: `[...]`, at least 0; small is good.

    Raises:
      ValueError: as `jaxvis.evaluate.heatmaps.judging.choose_case`, or for another change.

    Source: Yeh et al., On the (in)fidelity and sensitivity of explanations (2019), Eq. 1.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> heat = jaxvis.saliency(net, params, red, index=[0, 16])
    >>> jaxvis.infidelity(net, params, red, heat, index=[0, 16], samples=8).shape
    (2,)
    """
    if change not in get_args(Change):
        raise ValueError(f"change is {' or '.join(get_args(Change))}, not {change!r}")
    check_counts(samples=samples)
    case = choose_case(
        net,
        params,
        image,
        heat,
        tap=tap,
        index=index,
        position=position,
        objective=objective,
        probable=False,
    )
    # The last sample changes nothing: it gives the score of the image.
    there = (np.arange(samples + 1) < samples).astype(np.float32)
    found = score_masks(
        Foretold(net, False, change),
        params,
        case.pair(case.heat),
        (split_key(as_key(key), samples + 1), there),
        baseline=baseline,
        key=key,
        chunk=chunk,
    )
    foretold = found[..., :-1, 0].astype(np.float64)
    fallen = found[..., -1:, 1].astype(np.float64) - found[..., :-1, 1]
    if normalise:
        products, squares = ((foretold * one).mean(-1) for one in (fallen, foretold))
        scale = np.divide(products, squares, out=np.zeros_like(squares), where=squares > 0)
        foretold = foretold * scale[..., None]
    return np.mean((foretold - fallen) ** 2, axis=-1).reshape(case.subject.lead)


@jit(static_argnums=1)
def split_key(key: Key, count: int) -> Key:
    """Splits a key, `[count]`; key i is the same however many there are.

    Args:
      key: a typed key.
      count: how many.
    """
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(count))
