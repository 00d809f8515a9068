"""The objectives of textures and styles, with their targets and their weights by name.

Weights of statistics (Gram matrices, energies):

- "equal": 1.
- "normalised": as if the mean activation of every filter on the image were 1.
- "relative": the loss is 1 where the statistic is 0.
- "balanced": mu, so that every layer moves the image equally.
- "channels": 4 / N^2, which makes the loss the mean square over N^2, as in Gatys' code.

Weights of contents:

- "equal": 1.
- "mean": 2, which makes the loss the mean square.
- "positions": N, which makes the loss |F - F0|^2 / (2 M).
- "area": N H W / (384 512), which is "positions" for a picture of 384 x 512 pixels. Beside a
  statistic, whose pull on a pixel is the same at every size, the content then pulls as much
  at every size too.
- "relative": the loss is 1 where the code is 0.
- "balanced": omega, so that every layer moves the image equally.

"channels" and "mean" were published for networks that take images from 0 to 255. For other
networks they are divided by the fourth and the second power of the ratio of the ranges, so
that the balance of content and style is the same.
"""

from collections.abc import Callable, Mapping

import jax.numpy as jnp

from jaxvis.loss.matching.balance import (
    content_weights,
    entry_weights,
    gram_weights,
    relative_content_weights,
    relative_weights,
)
from jaxvis.loss.matching.statistics import Code, EnergyMatch, GramMatch, measure
from jaxvis.network import Network
from jaxvis.types import Array, Image, Params, Taps

STATISTICS = ("gram", "energy")
STATISTIC_WEIGHTS = ("normalised", "equal", "relative", "balanced", "channels")
CONTENT_WEIGHTS = ("equal", "mean", "balanced", "positions", "area", "relative")
AREA = 384 * 512
"""Pixels of the pictures for which "area" is "positions": those of Xia et al."""


def match_statistics(
    net: Network,
    params: Params,
    image: Image,
    taps: tuple[str, ...],
    *,
    statistic: str = "gram",
    weights: str | Mapping[str, float] = "normalised",
    masks: Mapping[str, Array] | None = None,
) -> tuple[GramMatch | EnergyMatch, ...]:
    """Builds the objectives that ask for an image's statistics, one for each tap.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1], whose statistics are wanted.
      taps: the names of the taps.
      statistic: "gram" or "energy".
      weights: one of `STATISTIC_WEIGHTS` ("energy": "equal" alone), or tap -> weight.
      masks: tap -> `[h, w]`, where in the picture they are wanted.

    Returns:
      tuple: the objectives, in the order of the taps.

    Raises:
      ValueError: for an unknown statistic or weight, a tap without a weight, or a
        layer for which the weights cannot be computed.
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic is {' or '.join(STATISTICS)}, not {statistic!r}")
    targets = measure(net, params, image, taps, kind=statistic)
    choices: dict[str, Callable[[], Mapping[str, float | Array]]] = {
        "equal": lambda: dict.fromkeys(taps, 1.0)
    }
    if statistic == "gram":
        choices |= _gram_choices(net, params, image, taps, targets)
    found = _look_up_weights(weights, choices, taps)
    match = GramMatch if statistic == "gram" else EnergyMatch
    return tuple(
        match(
            tap,
            targets[tap],
            weight=jnp.asarray(found[tap], jnp.float32),
            mask=None if masks is None else masks[tap],
        )
        for tap in taps
    )


def _gram_choices(
    net: Network, params: Params, image: Image, taps: tuple[str, ...], targets: Taps
) -> dict[str, Callable[[], Mapping[str, float | Array]]]:
    """Gives the weights of Gram matrices: name -> function that computes them."""

    def channels() -> dict[str, float]:
        scale = _input_range(params) ** 4
        return {tap: 4 / (target.shape[0] ** 2 * scale) for tap, target in targets.items()}

    return {
        "normalised": lambda: entry_weights(measure(net, params, image, taps, kind="energy")),
        "relative": lambda: relative_weights(targets),
        "balanced": lambda: gram_weights(net, params, image, taps),
        "channels": channels,
    }


def match_content(
    net: Network,
    params: Params,
    image: Image,
    taps: tuple[str, ...],
    *,
    weights: str | Mapping[str, float] = "mean",
) -> tuple[Code, ...]:
    """Builds the objectives that ask for an image's codes, one for each tap.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1].
      taps: the names of the taps.
      weights: one of `CONTENT_WEIGHTS`, or tap -> weight.

    Returns:
      tuple: the objectives, in the order of the taps.

    Raises:
      ValueError: for an unknown weight, a tap without one, or a layer that cannot be
        balanced.
    """
    targets = measure(net, params, image, taps)
    choices: dict[str, Callable[[], Mapping[str, float | Array]]] = {
        "equal": lambda: dict.fromkeys(taps, 1.0),
        "mean": lambda: dict.fromkeys(taps, 2 / _input_range(params) ** 2),
        "positions": lambda: {tap: targets[tap].shape[-1] for tap in taps},
        "area": lambda: {tap: targets[tap].shape[-1] * _count_pixels(image) / AREA for tap in taps},
        "balanced": lambda: content_weights(net, params, image, taps),
        "relative": lambda: relative_content_weights(targets),
    }
    found = _look_up_weights(weights, choices, taps)
    return tuple(
        Code(tap, targets[tap], weight=jnp.asarray(found[tap], jnp.float32)) for tap in taps
    )


def _count_pixels(image: Image) -> int:
    """Counts the pixels of an image `[H, W, 3]`."""
    return image.shape[0] * image.shape[1]


def _input_range(params: Params) -> float:
    """Gives the range of the images that the network's own layers take, over 255."""
    row = params.get("input", {})
    return float(jnp.mean(row["scale"])) / 255 if "scale" in row else 1.0


def _look_up_weights(
    weights: str | Mapping[str, float],
    choices: Mapping[str, Callable[[], Mapping[str, float | Array]]],
    taps: tuple[str, ...],
) -> Mapping[str, float | Array]:
    """Returns the weights of a name; a mapping is checked and returned as it is."""
    if isinstance(weights, str):
        if weights not in choices:
            raise ValueError(
                f"weights is one of {', '.join(choices)}, or a mapping; not {weights!r}"
            )
        return choices[weights]()
    missing = [tap for tap in taps if tap not in weights]
    if missing:
        raise ValueError(f"weights has none for {missing[0]!r}: give every tap a weight")
    return weights
