"""Whether a user's own network was adapted as it is meant: its images, batch axis and layout."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxvis.nets.capture import Outputs, output_shapes
from jaxvis.nets.preprocessing import Preprocessing
from jaxvis.types import Array, Params

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Adaption:
    """A network's run, and how its images are put to it.

    Args:
      name: the network's name.
      run: function of (params, images) that gives the outputs by name.
      params: its parameters.
      images: what it expects of its images.
      batched: whether it takes and returns a leading batch axis.
      can_be_single: whether it might take images without that axis, as a function might.
      mixes_layouts: whether parts of it may have maps of the other layout, as the layers of
        some frameworks do that are mapped over pixels.
    """

    name: str
    run: Callable[[Params, Array], Outputs]
    params: Params
    images: Preprocessing
    batched: bool
    can_be_single: bool
    mixes_layouts: bool = False

    def find_shapes(self, size: tuple[int, int]) -> Shapes:
        """Finds the shapes of the outputs, without computing them.

        Args:
          size: (H, W) of the image in pixels.

        Raises:
          ValueError: if the network fails on such an image; says what it would take.
        """
        try:
            return self.trace(size)
        except Exception as error:  # whatever a user's own code raises
            found = next(self._find_cures(size), None)
            cure = f"it does take one with {found}" if found else "check input_size and channels"
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise ValueError(
                f"{self.name} fails on an image {self._shape_of(size)}; {cure}. It said: {reason}"
            ) from error

    def _shape_of(self, size: tuple[int, int]) -> tuple[int, ...]:
        return (1,) * self.batched + self.images.shape_of(size)

    def trace(self, size: tuple[int, int]) -> Shapes:
        """Finds the shapes of the outputs, as `find_shapes`; raises what the network raises.

        Args:
          size: (H, W) of the image in pixels.
        """
        return output_shapes(self.run, self.params, self._shape_of(size))

    def _find_cures(self, size: tuple[int, int]) -> Iterator[str]:
        """Yields other options with which the network takes an image, the fewest first."""
        other: dict[str, Any] = {
            "layout": "CHW" if self.images.layout == "HWC" else "HWC",
            "channels": "RGB" if self.images.channels == "grey" else "grey",
        }
        if self.can_be_single:
            other["batched"] = not self.batched
        for count in range(1, len(other) + 1):
            for names in itertools.combinations(other, count):
                changes = {name: other[name] for name in names}
                yield from self._try(size, changes)

    def _try(self, size: tuple[int, int], changes: Mapping[str, Any]) -> Iterator[str]:
        kept = {name: changes[name] for name in changes if name != "batched"}
        # A mean of three channels means nothing for one.
        free = {"mean": 0.0, "std": 1.0, "range": (0, 1)}
        batched = changes.get("batched", self.batched)
        images = replace(self.images, **{**free, **kept})
        try:
            replace(self, images=images, batched=batched).trace(size)
        except Exception:  # whatever a user's own code raises
            return
        yield ", ".join(f"{name}={value!r}" for name, value in changes.items())


def check_batch_axis(name: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Checks that activations of one image have no batch axis.

    Args:
      name: the network's name.
      shapes: of the outputs, for an image without batch axis.

    Raises:
      ValueError: if they have one; says how to adapt the network instead.
    """
    all_single = all(shape and shape[0] == 1 for shape in shapes.values())
    for output, shape in shapes.items():
        if shape[:1] == (1,) and (len(shape) == 4 or (all_single and len(shape) == 2)):
            raise ValueError(
                f"{name} returns {output!r} with a batch axis, {shape}: pass batched=True if it "
                "takes images [1, H, W, 3], or else let it return value[0]"
            )


def find_other_layouts(adaption: Adaption, size: tuple[int, int], shapes: Shapes) -> frozenset[str]:
    """Finds the maps whose layout is not that of the images.

    The axes of a map are told apart by the shapes for images of other heights and widths:
    what grows with the height is the vertical axis. A network that takes no other size is
    judged by its square maps alone, if it has one layout throughout.

    Args:
      adaption: the network.
      size: (H, W) of the native image.
      shapes: of the outputs in question, for an image of that size.

    Returns:
      frozenset: names of outputs; none but where the network may mix layouts.

    Raises:
      ValueError: if any activation has the other layout in a network that has one layout,
        and if all have it in one that may mix them; says what to change.
    """
    maps = {key: shape for key, shape in shapes.items() if len(shape) == 3 + adaption.batched}
    if not maps:
        return frozenset()
    layouts = _find_layouts(adaption, size, maps)
    known = [key for key, layout in layouts.items() if layout is not None]
    other = [key for key in known if layouts[key] != adaption.images.layout]
    if other and (not adaption.mixes_layouts or other == known):
        raise ValueError(_describe_layout(adaption, other[0], maps[other[0]][-3:]))
    return frozenset(other)


def _find_layouts(
    adaption: Adaption, size: tuple[int, int], maps: Shapes
) -> Mapping[str, str | None]:
    """Finds the layout of each map, None where it cannot be told."""
    height, width = size
    named: dict[tuple, str] = {((0,), (1,)): "HWC", ((1,), (2,)): "CHW"}
    try:
        taller = adaption.trace((2 * height, width))
        wider = adaption.trace((height, 2 * width))
    except Exception:  # whatever a user's own code raises
        if adaption.mixes_layouts:
            return {}
        return _compare_sides(size, {k: shape[-3:] for k, shape in maps.items()})
    layouts: dict[str, str | None] = {}
    for key, shape in maps.items():
        grown = (_find_changes(shape[-3:], other.get(key, ())[-3:]) for other in (taller, wider))
        layouts[key] = named.get(tuple(grown))
    return layouts


def _find_changes(shape: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    if len(other) != len(shape):
        return ()
    return tuple(axis for axis, (a, b) in enumerate(zip(shape, other)) if a != b)


def _compare_sides(size: tuple[int, int], maps: Shapes) -> dict[str, str | None]:
    """Tells layouts by equal sides; certain only where all maps of a square image agree."""
    if size[0] != size[1]:
        return {}
    first = {key: "HWC" for key, s in maps.items() if s[0] == s[1] != s[2]}
    last = {key: "CHW" for key, s in maps.items() if s[0] != s[1] == s[2]}
    return {} if first and last else {**first, **last}


def _describe_layout(adaption: Adaption, key: str, shape: tuple[int, ...]) -> str:
    if adaption.images.layout == "HWC":
        return (
            f"{adaption.name} gives {key!r} with its channels first, {shape}: pass "
            "layout='CHW' if the network takes [C, H, W] and returns that, or else let it return "
            "its maps as [h, w, c]"
        )
    return (
        f"{adaption.name} gives {key!r} with its channels last, {shape}, and layout='CHW' was "
        "passed: leave layout out if the network takes [H, W, C], or else let it return its maps "
        "as [c, h, w]"
    )
