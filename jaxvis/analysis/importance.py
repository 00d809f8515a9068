"""How much a score depends on each concept of a layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvis.analysis.concepts import Concepts
from jaxvis.analysis.factors import solve_amounts
from jaxvis.attribution.masks.sobol import draw_design, estimate_total
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, choose_subject, read_score
from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Key, Params, as_key


def concept_importance(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    concepts: Concepts,
    *,
    index: Index = None,
    samples: int = 32,
    key: Key | int = 0,
    chunk: int | None = None,
) -> np.ndarray:
    """Measures how important concepts are for classes: total Sobol indices, `[..., n]`.

    The activations of the concepts' layer are taken apart into concepts, each concept is
    faded by a factor from 0 to 1, and the score is read of what they add up to.
    samples (n + 1) forward passes from the layer on are needed. The mean over images is
    what CRAFT shows of a concept.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      concepts: of `jaxvis.find_concepts` with "nmf"; others are taken apart by least squares.
      index: the class or classes; None is each image's best.
      samples: points of the design, a power of 2.
      key: of the shift of the points.
      chunk: how many forward passes a device makes together; None fits them to the memory.

    Returns:
      np.ndarray: `[..., n]`; zeros where the score never changes. The leading axes are those
      of the images and of the classes that were given as several.

    Raises:
      ValueError: as `jaxvis.sobol`.

    Source: Fel et al., CRAFT (2023), section 3.3; Jansen (1999).

    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> found = jaxvis.find_concepts(net, params, [image], "conv2_1", count=3)
    >>> jaxvis.concept_importance(net, params, image, found, index=[0, 1], samples=4).shape
    (2, 3)
    """
    subject = choose_subject(net, params, image, index=index)
    if samples < 2 or samples & (samples - 1):
        raise ValueError(f"samples is a power of 2, such as 32 or 64, not {samples}")
    directions = jnp.asarray(concepts.directions, jnp.float32)
    parts = concepts.way == "nmf"
    amounts = jnp.stack(
        [_take_apart(net, concepts.tap, parts, params, one, directions) for one in subject.images]
    )
    masks = draw_design(as_key(key), samples, len(directions))
    given: Any = (params, directions)
    taken: Any = (subject.images, amounts)
    scores = explain(
        _Fading(net, concepts.tap),
        given,
        subject._replace(images=taken),
        samples=masks,
        keep=True,
        chunk=chunk,
    )
    found = estimate_total(scores, samples)
    return np.asarray(found.reshape(*subject.lead, len(directions)), np.float32)


@dataclass(frozen=True)
class _Fading(Explanation):
    """The score of what faded concepts add up to, `[]`."""

    tap: str

    def __call__(self, params: Any, image: Any, item: Any, sample: Any) -> Any:
        whole, amounts = image
        # What the layer does not decide comes from the image.
        given, start = (whole, (amounts * sample) @ params[1]), ("input", self.tap)
        return read_score(item, self.net.apply(params[0], given, start=start, stop=item.taps))


@jit(static_argnums=(0, 1, 2))
def _take_apart(
    net: Network, tap: str, parts: bool, params: Params, image: Array, directions: Array
) -> Array:
    """Takes the activations of a layer apart into concepts, `[h, w, n]` or `[n]`."""
    values = net.apply(params, image, stop=tap)[tap]
    if parts:
        return solve_amounts(values, directions)
    return values @ jnp.linalg.pinv(directions)
