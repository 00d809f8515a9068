"""Networks: the named activations of an image as a pure function of the parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any, NamedTuple

import jax

from jaxvis.compiler import jit
from jaxvis.types import Array, ImageLike, Params, Taps


class LayerDescription(NamedTuple):
    """What a reader wants to know of one tap.

    Attributes:
      tap: the tap's name.
      what: what computes it, in words.
      shape: its shape for the native image, `(h, w, c)` or `(d,)`.
      kernel: the side of the kernel or of the pooling window, (height, width) where they
        differ; None where there is none.
      stride: steps between neighbouring windows; None where there are none.
    """

    tap: str
    what: str
    shape: tuple[int, ...]
    kernel: int | tuple[int, int] | None = None
    stride: int | None = None


class Forward:
    """The forward pass of a network: hashable, pure, and on single images.

    A forward pass of your own only needs `__call__`. Everything else that a network may
    offer has a default here.
    """

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Computes the taps on the way from `values` to `wanted`."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Brings parameters into the form that a step computes fastest with.

        Args:
          params: the network's parameters; leading axes of items are kept.
          size: (H, W) of the images to come.
        """
        del size
        return params

    def rematerialise(self) -> "Forward":
        """Makes a forward pass of the same taps whose gradient takes less memory.

        Raises:
          ValueError: where that is not possible.
        """
        raise ValueError(
            "this network is not built from a table and cannot be cut into segments: "
            "leave remat out, or use jax.checkpoint inside the network itself"
        )

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the layers in forward order; nothing where they are not known."""
        return ()


@dataclass(frozen=True, repr=False)
class Network:
    """A static, hashable description of a network, which gives the activations of an image.

    Args:
      name: what `jaxvis.load` and files call it.
      forward: the pure forward pass from known activations to wanted ones.
      taps: the names of all taps, in forward order. `"input"` is the image after the
        scale and shift that the weights want.
      input_size: (H, W) in pixels of the native image.
      scores: the tap of the class scores before softmax, `[classes]`; or None.
      classes: the tap to maximise for a class, or None. It differs from `scores` where
        those are rectified (in SqueezeNet it is the class maps before the ReLU).
      rows: the table the network was built from; empty for adapted networks.
      channels: of the image: 3 for RGB, 1 for grey, or another number.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> net
    Network('demo', 64x64, 21 taps from input to prob)
    >>> net.apply(params, jnp.zeros((64, 64, 3)), stop="pool2")["pool2"].shape
    (16, 16, 32)
    """

    name: str
    forward: Forward
    taps: tuple[str, ...]
    input_size: tuple[int, int]
    scores: str | None = None
    classes: str | None = None
    rows: tuple[Any, ...] = ()
    channels: int = 3

    def __repr__(self) -> str:
        """One line: the name, the native size and how many taps there are."""
        count = f"{len(self.taps)} tap{'s' if len(self.taps) != 1 else ''}"
        ends = f" from {self.taps[0]} to {self.taps[-1]}" if self.taps else ""
        return f"Network({self.name!r}, {_join(self.input_size)}, {count}{ends})"

    def _repr_html_(self) -> str:
        """The table of the layers, which a notebook shows; the taps where there is none."""
        layers = self.forward.describe_layers()
        if not layers:
            return _make_table(repr(self), ("tap",), [(tap,) for tap in self.taps])
        head = ("tap", "layer", f"shape at {_join(self.input_size)}", "kernel", "stride")
        return _make_table(repr(self), head, [_list_cells(layer) for layer in layers])

    def apply(
        self,
        params: Params,
        image: Array | tuple[Array, ...],
        *,
        start: str | tuple[str, ...] | None = None,
        stop: str | tuple[str, ...] | None = None,
    ) -> Taps:
        """Gives the taps of one image, by name.

        Args:
          params: this network's parameters.
          image: `[H, W, channels]` float32 in [0, 1]; with `start`, the activation of
            that tap instead (a tuple of activations for a tuple of names).
          start: tap(s) at which to enter; None enters at the image. With "input" among
            several, the image is given too, and what the others do not decide comes from it.
          stop: tap(s) at which to stop; only what they need is computed. None runs to
            the last tap.

        Returns:
          Taps: every activation computed on the way, `[h, w, c]` or `[d]`; the taps
          named by `stop` are always among them.

        Raises:
          ValueError: for an unknown tap, an image of wrong rank or too small a size,
            a size that the first fully connected layer cannot take, or a `start`
            from which `stop` cannot be reached.
        """
        starts = start if isinstance(start, tuple) else (start or "input",)
        images = _list_activations(image, start)
        wanted = self.check_taps(stop if stop is not None else self.taps[-1])
        self.check_taps(starts)
        if len(starts) != len(images):
            raise ValueError(
                f"start names {len(starts)} taps but {len(images)} activations came: "
                "pass one activation per name"
            )
        if starts == ("input",):
            _check_image_shape(self.name, jax.numpy.shape(images[0]), self.channels)
        return self.forward(params, dict(zip(starts, images)), wanted)

    def shape(
        self, params: Params, tap: str, *, size: tuple[int, int] | None = None
    ) -> tuple[int, ...]:
        """Gives the shape of a tap, `(h, w, c)` or `(d,)`, without computing it.

        Args:
          params: this network's parameters.
          tap: the tap's name.
          size: (H, W) of the image in pixels; None takes the native one.

        Raises:
          ValueError: as `apply` does.
        """
        image = jax.ShapeDtypeStruct((*(size or self.input_size), self.channels), "float32")
        # Through one jitted function, which keeps what it has traced.
        return _compute_code.eval_shape(self, tap, params, image).shape

    def code(self, params: Params, image: ImageLike, tap: str) -> Array:
        """Gives the code Phi(image) at one tap, compiled: `[h, w, c]` or `[d]`.

        Args:
          params: this network's parameters.
          image: `[H, W, channels]` in [0, 1].
          tap: the tap's name.

        Raises:
          ValueError: as `apply` does.
        """
        self.check_taps(tap)
        return _compute_code(self, tap, params, image)

    def prepare(self, params: Params, *, size: tuple[int, int] | None = None) -> Params:
        """Brings the parameters into the form that a step computes fastest with.

        The same numbers, transformed once instead of in every step; `apply` takes them
        in place of the original ones. The solver does this by itself.

        Args:
          params: this network's parameters; leading axes of items are kept.
          size: (H, W) of the images to come; None takes the native one.
        """
        return self.forward.prepare(params, size or self.input_size)

    def rematerialise(self) -> "Network":
        """Makes a network of the same taps whose gradient takes less memory.

        Raises:
          ValueError: for an adapted network, which cannot be cut.
        """
        try:
            return replace(self, forward=self.forward.rematerialise())
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def check_taps(self, taps: str | tuple[str, ...]) -> tuple[str, ...]:
        """Checks names of taps, and gives them as a tuple.

        Args:
          taps: one name or several.

        Raises:
          ValueError: names the unknown tap and lists the known ones.
        """
        names = (taps,) if isinstance(taps, str) else tuple(taps)
        for name in names:
            if name not in self.taps:
                hidden = any(row.name == name for row in self.rows)
                what = f"{name!r} is a sequence of tokens, no tap of {self.name}"
                raise ValueError(
                    f"{what if hidden else f'{self.name} has no tap {name!r}'}; "
                    f"its taps are {', '.join(self.taps)}"
                )
        return names


@jit(static_argnums=(0, 1))
def _compute_code(net: Network, tap: str, params: Params, image: Array) -> Array:
    return net.apply(params, image, stop=tap)[tap]


def _list_activations(
    image: Array | tuple[Array, ...], start: str | tuple[str, ...] | None
) -> tuple[Array, ...]:
    if isinstance(start, tuple):
        return tuple(image)
    if isinstance(image, tuple):
        raise ValueError(
            "several activations came for one name: name as many taps, start=(tap, tap)"
        )
    return (image,)


def _check_image_shape(name: str, shape: tuple[int, ...], channels: int) -> None:
    if len(shape) == 3 and shape[-1] == channels:
        return
    cure = "use jax.vmap for a batch" if len(shape) == 4 else "pass it with the channels last"
    if channels in (1, 3) and (len(shape) == 2 or (len(shape) == 3 and shape[-1] in (1, 3))):
        # Multiplied with the scale of three channels, grey would become three without a word.
        others = "RGB of a grey image" if channels == 3 else "a grey image of RGB"
        cure = (
            f"jaxvis.images.check_image(image, 'the image', channels={channels}) makes {others}, "
            f"and a canvas of your own takes channels={channels}"
        )
    raise ValueError(f"{name} takes one image [H, W, {channels}], got shape {shape}; {cure}")


def _join(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


def _list_cells(layer: LayerDescription) -> tuple[str, ...]:
    sides = (layer.kernel,) * 2 if isinstance(layer.kernel, int) else layer.kernel
    kernel = "" if sides is None else _join(sides)
    stride = "" if layer.stride is None else str(layer.stride)
    return layer.tap, layer.what, _join(layer.shape), kernel, stride


def _make_table(caption: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def make_line(cells: tuple[str, ...], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    lines = [make_line(head, "th"), *(make_line(row, "td") for row in rows)]
    return f"<table><caption>{escape(caption)}</caption>{''.join(lines)}</table>"
