"""The network around a user's own forward pass: its taps, its scores, its images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jaxvis.nets.adaption import Adaption, check_batch_axis, find_other_layouts
from jaxvis.nets.capture import Outputs
from jaxvis.nets.preprocessing import Preprocessing
from jaxvis.nets.substitution import replace_outputs
from jaxvis.network import Forward, Network
from jaxvis.types import Array, Params, Taps

Names = Sequence[str] | Mapping[str, str] | None


@dataclass(frozen=True)
class AdaptedForward(Forward):
    """The forward pass of a user's own network.

    It cannot be cut into segments, so `rematerialise` refuses.

    Args:
      run: hashable function of (params, images) that gives the outputs by name.
      taps: (tap, output) names, in forward order.
      size: (H, W) of the native image in pixels.
      images: what the network expects of its images.
      batched: whether `run` takes and returns a leading batch axis.
      turned: outputs whose maps have the other layout than the images, "CHW" or "HWC".
    """

    run: Callable[[Params, Array], Outputs]
    taps: tuple[tuple[str, str], ...]
    size: tuple[int, int]
    images: Preprocessing
    batched: bool
    turned: frozenset[str] = frozenset()

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns `input` and every tap up to the last of `wanted`.

        Beside `input` other taps may be given: they take the place of what is computed.
        """
        if "input" not in values:
            raise ValueError(
                f"cannot start at {', '.join(map(repr, values))}: an adapted network "
                "runs from the image only; start= needs a network built from a table, or "
                "'input' among its names and the image with the activations"
            )
        prepared = self.images.prepare(values["input"])
        taps = {"input": prepared}
        names = [tap for tap, _ in self.taps]
        last = max((names.index(tap) for tap in wanted if tap in names), default=-1)
        if last < 0:
            return taps
        others = {tap: value for tap, value in values.items() if tap != "input"}
        outputs = self._outputs(params, prepared, others)
        for tap, output in self.taps[: last + 1]:
            if output not in outputs:
                raise ValueError(
                    f"the network computed no {output!r} for this image: its layers "
                    "may depend on the image's size, so adapt it once for every size"
                )
            # Later outputs are dropped here, so under jit they are never computed.
            value = outputs[output][0] if self.batched else outputs[output]
            taps[tap] = self._layout_of(output).restore(value)
        return taps

    def _layout_of(self, output: str) -> Preprocessing:
        return self.images.turn() if output in self.turned else self.images

    def _arrange(self, output: str, value: Array) -> Array:
        """Returns a tap as the output that `run` gives."""
        value = self._layout_of(output).arrange(value) if value.ndim == 3 else value
        return value[None] if self.batched else value

    def _outputs(self, params: Params, prepared: Array, others: Mapping[str, Array]) -> Outputs:
        size = tuple(prepared.shape[:2])
        x = self.images.arrange(prepared)
        names = dict(self.taps)
        replaced = {names[tap]: self._arrange(names[tap], v) for tap, v in others.items()}
        try:
            given = x[None] if self.batched else x
            if replaced:
                return replace_outputs(self.run, params, given, replaced)
            return self.run(params, given)
        except (TypeError, ValueError, AssertionError) as error:
            if size == self.size:
                raise
            raise ValueError(
                f"the network failed on an image of {size[0]}x{size[1]}; its native "
                f"size is {self.size[0]}x{self.size[1]}: {error}"
            ) from error


def adapt(
    found: Adaption, taps: Names, input_size: tuple[int, int], scores: str | None
) -> tuple[Network, Params]:
    """Returns the network around what was found, and its parameters.

    Tracing it, without computing anything, finds the taps.

    Args:
      found: the network's run, its parameters and what it expects of its images.
      taps: names of the outputs to keep, or a mapping from tap names of your own to those
        names; None keeps all.
      input_size: (H, W) in pixels of the native image.
      scores: the tap of the class scores before softmax; None takes "output" if that is
        a vector.

    Raises:
      ValueError: for an unknown tap, a wrong batch axis, activations of another layout,
        or a network that fails on such images; says which options it would take.
    """
    size, batched = (int(input_size[0]), int(input_size[1])), found.batched
    shapes = found.find_shapes(size)
    if not batched:
        check_batch_axis(found.name, shapes)
    chosen = _choose_taps(found.name, shapes, taps, batched)
    # A network that mixes layouts is judged as a whole, whatever is kept of it.
    judged = shapes if found.mixes_layouts else {output: shapes[output] for _, output in chosen}
    turned = find_other_layouts(found, size, judged)
    if scores is None and len(shapes.get("output", ())) == 1 + batched:
        scores = next((tap for tap, output in chosen if output == "output"), None)
    net = Network(
        name=found.name,
        forward=AdaptedForward(found.run, chosen, size, found.images, batched, turned),
        taps=("input", *(tap for tap, _ in chosen)),
        input_size=size,
        scores=scores,
        classes=scores,
        channels=found.images.count,
    )
    if scores is not None:
        net.check_taps(scores)
    return net, found.params


def _choose_taps(
    name: str, shapes: dict[str, tuple[int, ...]], taps: Names, batched: bool
) -> tuple[tuple[str, str], ...]:
    """Returns (tap, output) pairs in forward order, checked."""
    fits = {k: s for k, s in shapes.items() if s and (not batched or s[0] == 1)}
    taps = tuple(fits) if taps is None else taps
    pairs = taps.items() if isinstance(taps, Mapping) else ((tap, tap) for tap in taps)
    chosen = dict(pairs)
    for tap, output in chosen.items():
        if output not in fits:
            got = f", shape {shapes[output]}" if output in shapes else ""
            raise ValueError(
                f"{name} has no output {output!r}{' per image' if got else ''}{got}; "
                f"its outputs are {', '.join(fits)}"
            )
        if tap == "input":
            raise ValueError("a tap cannot be called 'input', which is the image")
    if not chosen:
        raise ValueError(f"{name} returns no activation of rank one or more")
    order = list(shapes)
    return tuple(sorted(chosen.items(), key=lambda pair: order.index(pair[1])))
