"""The words of jaxvis: the types that every other module speaks in.

One layout and one range everywhere: an image is `[H, W, 3]` float32 RGB in [0, 1],
without a batch axis. Batches are made by `jax.vmap`, in `jaxvis.optimize` alone.
Everything static (networks, canvases, views, priors) is a frozen dataclass, so that
equal values hash equal and a rebuilt one never compiles again; everything that varies
along a sweep is a pytree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax

Array = jax.Array
Key = jax.Array
Image = jax.Array
"""`[H, W, 3]` float32 RGB in [0, 1]."""
Taps = dict[str, jax.Array]
"""Layer name -> activation, `[h, w, c]` or `[d]`."""
Params = Mapping[str, Mapping[str, jax.Array]]
"""Layer name -> {"kernel", "bias", ...} -> array: a plain nested dict."""
Terms = dict[str, jax.Array]
"""Term name -> scalar, already weighted; their sum is the loss."""
Item = Any
"""A pytree of what varies along a sweep; its leading axis is the sweep."""


@runtime_checkable
class Forward(Protocol):
    """A network's forward pass: hashable, pure, on single images (no batch axis)."""

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps computed on the way from `values` to `wanted`."""
        ...


@dataclass(frozen=True)
class Network:
    """Returns activations of an image: a static, hashable description of a network.

    Args:
      name: what `jaxvis.load` and files call it.
      forward: the pure forward pass from known activations to wanted ones.
      taps: every tap name, in forward order; `"input"` is the image, after the
        scale and shift that the weights want of it.
      input_size: (H, W) in pixels of the native image.
      scores: the tap that holds the class scores before softmax, `[classes]`; or None.
      classes: the tap to maximise for a class; differs from `scores` where those are
        rectified (SqueezeNet: the unrectified class maps); or None.
      rows: the table the network was built from; empty for adapted networks.
    """

    name: str
    forward: Forward
    taps: tuple[str, ...]
    input_size: tuple[int, int]
    scores: str | None = None
    classes: str | None = None
    rows: tuple[Any, ...] = ()

    def apply(
        self,
        params: Params,
        image: Array | tuple[Array, ...],
        *,
        start: str | tuple[str, ...] | None = None,
        stop: str | tuple[str, ...] | None = None,
    ) -> Taps:
        """Returns the taps of one image, by name.

        Args:
          params: this network's parameters.
          image: `[H, W, 3]` float32 RGB in [0, 1]; with `start`, the activation of
            that tap instead (a tuple of activations for a tuple of names).
          start: tap(s) at which to re-enter; None enters at the image.
          stop: tap(s) at which to stop; nothing that they do not need is computed.
            None runs to the last tap.

        Returns:
          Taps: every activation computed on the way, `[h, w, c]` or `[d]`; the taps
          named by `stop` are always among them.

        Raises:
          ValueError: for an unknown tap, an image of wrong rank or too small a size,
            a size that the first fully connected layer cannot take, or a `start`
            from which `stop` cannot be reached.
        """
        starts = (start or "input",) if not isinstance(start, tuple) else start
        images = image if isinstance(start, tuple) else (image,)
        wanted = self.named(stop if stop is not None else self.taps[-1])
        self.named(starts)
        if len(starts) != len(images):
            raise ValueError(
                f"start names {len(starts)} taps but {len(images)} activations came: "
                "pass one activation per name"
            )
        if starts == ("input",) and jax.numpy.ndim(images[0]) != 3:
            raise ValueError(
                f"{self.name} takes one image [H, W, 3], got shape "
                f"{jax.numpy.shape(images[0])}; use jax.vmap for a batch"
            )
        return self.forward(params, dict(zip(starts, images)), wanted)

    def shape(
        self, params: Params, tap: str, *, size: tuple[int, int] | None = None
    ) -> tuple[int, ...]:
        """Returns the shape of a tap, `(h, w, c)` or `(d,)`, computing nothing.

        Args:
          params: this network's parameters.
          tap: the tap's name.
          size: (H, W) of the image in pixels; None takes the native one.

        Raises:
          ValueError: as `apply` does.
        """
        image = jax.ShapeDtypeStruct((*(size or self.input_size), 3), "float32")
        return jax.eval_shape(
            lambda params, image: self.apply(params, image, stop=tap)[tap],
            params, image,
        ).shape  # fmt: skip

    def code(self, params: Params, image: Image, tap: str) -> Array:
        """Returns the code Phi(image) at one tap, compiled: `[h, w, c]` or `[d]`.

        Args:
          params: this network's parameters.
          image: `[H, W, 3]` in [0, 1].
          tap: the tap's name.

        Raises:
          ValueError: as `apply` does.
        """
        self.named(tap)
        return _code(self, tap, params, image)

    def prepared(
        self, params: Params, *, size: tuple[int, int] | None = None
    ) -> Params:
        """Returns the parameters in the form that a step computes fastest with.

        The same numbers, transformed once instead of in every step; `apply` takes them
        in place of the original ones. The solver does this by itself.

        Args:
          params: this network's parameters; leading axes of items are kept.
          size: (H, W) of the images to come; None takes the native one.
        """
        return prepared(self.forward, params, size or self.input_size)

    def named(self, taps: str | tuple[str, ...]) -> tuple[str, ...]:
        """Returns the tap name(s) as a tuple, checked against this network's.

        Args:
          taps: one name or several.

        Raises:
          ValueError: names the unknown tap and lists the known ones.
        """
        names = (taps,) if isinstance(taps, str) else tuple(taps)
        for name in names:
            if name not in self.taps:
                raise ValueError(
                    f"{self.name} has no tap {name!r}; its taps are "
                    f"{', '.join(self.taps)}"
                )
        return names


def prepared(forward: Forward, params: Params, size: tuple[int, int]) -> Params:
    """Returns parameters as a forward pass computes fastest with.

    Args:
      forward: a network's; what has no form of its own takes them as they are.
      params: its parameters; leading axes of items are kept.
      size: (H, W) of the images to come.
    """
    prepare = getattr(forward, "prepared", None)
    return params if prepare is None else prepare(params, size)


@partial(jax.jit, static_argnums=(0, 1))
def _code(net: Network, tap: str, params: Params, image: Image) -> Array:
    return net.apply(params, image, stop=tap)[tap]


class Canvas(Protocol):
    """What is painted on: parameters z and how they become an image."""

    def init(self, key: Key) -> Any:
        """Returns fresh parameters z, a pytree of float32 arrays."""
        ...

    def decode(self, z: Any, key: Key) -> Image:
        """Returns the image of z, `[H, W, 3]`; `key` serves stochastic generators."""
        ...


View = Callable[[Key, Image], Image]
"""What the network sees of an image: a random crop, a rotation..."""
Objective = Callable[[Taps], Array]
"""`taps -> []`, smaller is better; a pytree whose leaves may carry the sweep axis."""
Prior = Callable[[Image], Array]
"""`image -> []`, smaller is more natural."""
Loss = Callable[[Params, Any, Item, Key], tuple[Array, Terms]]
"""`(params, z, item, key) -> ([], terms)`."""


class Run(NamedTuple):
    """What a solver returns; every field has the sweep's axis (axes) in front.

    Attributes:
      z: the canvas parameters after the last step.
      image: `[N, H, W, 3]` float32 RGB in [0, 1].
      trace: "loss" and every named term, `[N, steps]`; "status", `[N]` int8, one of
        `DONE` (all steps were taken), `FAILED` (a value turned non-finite; z is the
        last finite one), `UNFINISHED` (cancelled before it was done), and, of an
        optimizer that searches, `CONVERGED` (within its tolerances) or `STALLED` (no
        step lowers the loss any further). Such an optimizer also has "evaluations",
        `[N]`, its traces stay at the last iterate that it accepted, and z is that one.
    """

    z: Any
    image: Any
    trace: dict[str, Any]


DONE, FAILED, UNFINISHED, CONVERGED, STALLED = range(5)


def as_key(key: Key | int) -> Key:
    """Returns a typed random key: `key` itself, or the key of an integer seed."""
    return jax.random.key(key) if isinstance(key, int) else key
