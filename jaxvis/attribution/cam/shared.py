"""What all class activation maps share: entering a network at a layer, and the final map."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.cam.layers import choose_layer, compute_behind, list_reads
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Subject, choose_subject
from jaxvis.compiler import jit
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params, Taps

Size = Literal["image", "layer"]
"""The size of a map: that of the image, bilinearly resized, or the layer's own `[h, w]`."""
FLAT = 1e-6
"""A map whose values differ by less than this share of the largest is flat."""


@dataclass(frozen=True)
class LayerMethod(Explanation):
    """A method that looks at one layer and at what follows it.

    Args:
      net: the network.
      layer: the tap with the maps `[h, w, c]`.
      alone: whether it is given the layer's maps in place of the image, which is possible
        where no branch leads around the layer.
    """

    layer: str
    alone: bool = False

    def enter(
        self, params: Params, image: Array, item: Algebra
    ) -> tuple[Array, Callable[[Array], Taps]]:
        """Computes the maps of the layer `[h, w, c]`, and a function from maps to taps.

        Args:
          params: the network's parameters.
          image: `[H, W, C]`, or the maps themselves where the method is `alone`.
          item: the objective, whose taps the function computes.
        """
        net, layer = self.net, self.layer
        if self.alone:
            return image, lambda maps: net.apply(params, maps, start=layer, stop=item.taps)
        names = (layer, *_find_partner(net, layer))
        found = net.apply(params, image, stop=item.taps and (*item.taps, *names))

        def leave(maps: Array) -> Taps:
            values = (image, maps, *(found[name] for name in names[1:]))
            return found | net.apply(params, values, start=("input", *names), stop=item.taps)

        return found[layer], leave


@dataclass(frozen=True)
class ReadLayer(LayerMethod):
    """The maps of the layer themselves."""

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the maps `[h, w, c]`.

        Args:
          params, image, item, sample: see `Explanation`; the last two are not looked at.
        """
        del item, sample
        return self.net.apply(params, image, stop=self.layer)[self.layer]


def _find_partner(net: Network, layer: str) -> tuple[str, ...]:
    """Returns the class token that belongs to the map of the patches, where there is one."""
    sequence = [row.inputs[0] for row in net.rows if row.name == layer and row.op == "patches"]
    return tuple(row.name for row in net.rows if row.op == "token" and row.inputs[0] in sequence)


def choose_all(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    layer: str | None,
    size: Size,
    **what: Any,
) -> tuple[Subject, str]:
    """Chooses what is explained and the layer of the map; everything is checked.

    Args:
      net, params: the network.
      image: `[H, W, C]`, or several `[N, H, W, C]`.
      layer, size: see `jaxvis.attribution.cam.gradient_based.grad_cam`.
      **what: tap, index, position and objective, see `choose_subject`.

    Raises:
      ValueError: as `choose_subject` and `choose_layer`, or for another size.
    """
    if size not in ("image", "layer"):
        raise ValueError(f"size is 'image' or 'layer', not {size!r}")
    subject = choose_subject(net, params, image, **what)
    reads = list_reads(net, params, take_one(subject), subject.size)
    return subject, choose_layer(net, params, layer=layer, tap=reads, size=subject.size)


def take_one(subject: Subject) -> Algebra:
    """Gives the objective of the first score, leaves `[...]`.

    Args:
      subject: what is explained.
    """
    place = (0, 0) if subject.paired else 0
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[place], subject.items)


def read_layer(net: Network, params: Params, subject: Subject, layer: str) -> np.ndarray:
    """Computes the maps of a layer for all images, `[N, h, w, c]`.

    Args:
      net, params: the network.
      subject: its images are looked at.
      layer: the tap.
    """
    first = jax.tree.map(lambda leaf: leaf[:, :1] if subject.paired else leaf[:1], subject.items)
    each = subject._replace(items=first, indices=subject.indices[..., :1])
    return explain(ReadLayer(net, layer), params, each)[:, 0]


def explain_layer(
    method: LayerMethod,
    params: Params,
    subject: Subject,
    *,
    samples: Any = None,
    chunk: int | None = None,
) -> np.ndarray:
    """Explains every score of every image at a layer, streamed in chunks.

    Where several scores or samples share an image, the layer is computed once for all of
    them, if the network can be entered there.

    Args:
      method: what is computed.
      params: the network's parameters.
      subject: the images and the scores.
      samples, chunk: see `explain`. The results of the samples are kept.

    Returns:
      np.ndarray: `[N, K, ...]`, or `[N, K, S, ...]` of the samples.
    """
    several = subject.scores > 1 or samples is not None
    if several and _can_enter(method, params, subject):
        maps = read_layer(method.net, params, subject, method.layer)
        subject = subject._replace(images=jnp.asarray(maps))
        method = replace(method, alone=True)
    keep = samples is not None
    return explain(method, params, subject, samples=samples, keep=keep, chunk=chunk)


def _can_enter(method: LayerMethod, params: Params, subject: Subject) -> bool:
    """Says whether all that is read can be computed from the layer alone."""
    item, net = take_one(subject), method.net
    if item.taps is None or _find_partner(net, method.layer):
        return False
    image = jax.ShapeDtypeStruct((*subject.size, net.channels), "float32")
    try:
        maps = compute_behind.eval_shape(net, (), (method.layer,), params, image, ())
        values = maps[method.layer]
        jax.eval_shape(
            lambda params, maps: net.apply(params, maps, start=method.layer, stop=item.taps),
            params,
            values,
        )
    except ValueError:  # a branch leads around the layer, or the network has one entry alone
        return False
    return True


def finish_maps(
    maps: np.ndarray, subject: Subject, lead: tuple[int, ...], size: Size, normalize: bool
) -> np.ndarray:
    """Brings maps into the size and the range that were asked for.

    Args:
      maps: `[..., h, w]` of the layer.
      subject: its images have the size that "image" means.
      lead: the leading axes of the result.
      size: of the result.
      normalize: whether each map is stretched over [0, 1]; a flat map becomes zeros.

    Returns:
      np.ndarray: `[*lead, H, W]`, or `[*lead, h, w]`.
    """
    flat = maps.reshape(-1, *maps.shape[-2:])
    if size == "image":
        flat = np.asarray(resize_maps(flat, subject.size))
    if normalize:
        flat = stretch(flat)
    return flat.reshape(*lead, *flat.shape[-2:])


@jit(static_argnums=1)
def resize_maps(maps: Array, size: tuple[int, int]) -> Array:
    """Resizes maps `[n, h, w]` bilinearly.

    Args:
      maps: the maps.
      size: (H, W) of the result.
    """
    return jax.image.resize(maps, (len(maps), *size), "linear")


def stretch(maps: np.ndarray) -> np.ndarray:
    """Stretches each map over [0, 1]: (M - min) / (max - min), zeros where M is flat.

    Args:
      maps: `[n, h, w]`.
    """
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    flat = high - low <= FLAT * np.maximum(np.abs(low), np.abs(high))
    return np.where(flat, 0, (maps - low) / np.where(flat, 1, high - low))
