"""The convolutions of the zoo, and the time that each form of one takes."""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.timing import interleave, time_call
from benchmarks.speed.layers import find_distinct
from benchmarks.speed.tune_choice import DIRECT, Case, Layer, choose_together
from jaxvis.compiler import jit
from jaxvis.convolution.conv import conv_general_dilated
from jaxvis.convolution.forms import NHWC
from jaxvis.convolution.kernels import prepare_kernels
from jaxvis.devices import PARTS, WHOLE, copy_to_all, count_devices, make_mesh, share, split_items
from jaxvis.tuning import Tuning
from jaxvis.types import Array

FORMS = {3: (DIRECT, 1, 2, 4), 4: (DIRECT, 1, 3)}
"""Side of the kernel -> the forms that there are."""
MOST = 8
"""Pictures that a core has in all."""
LONG = 0.02
"""Seconds that a run takes at least: shorter calls are repeated."""
WORDS = {DIRECT: "direct", 1: "flipped", 2: "F(2)", 4: "F(4)", 3: "F(3)"}
"""Form -> its name."""


@cache
def find_layers(case: Case) -> tuple[Layer, ...]:
    """Finds the convolutions of a network whose form is chosen.

    Args:
      case: the network, and the pixels of a side.
    """
    found, together = [], choose_together(case[1], MOST, Tuning())
    for (shape, width, size, stride), row in find_distinct(*case).items():
        if size == 3 and stride == row.groups == 1 and row.window == (3, 3):
            side = min(shape[:2]) + 2 * row.pad - 2
            found.append(Layer(side, 3, shape[-1], width, pictures=together))
    return tuple(dict.fromkeys(found))


def choose_grid(cases: tuple[Case, ...], most: int) -> list[Layer]:
    """Chooses layers to measure: those of 3x3, and as many of 4x4 and learned ones.

    There are few networks with 4x4 kernels, so the sides and channels of the 3x3 ones
    stand in for them. So they do for learned kernels.

    Args:
      cases: the networks.
      most: how many of each kind, spread over sides and gains.
    """
    whole = sorted(
        {layer for case in cases for layer in find_layers(case)},
        key=lambda layer: (layer.side, layer.gain),
    )
    places = np.unique(np.linspace(0, len(whole) - 1, min(most, len(whole))).round().astype(int))
    threes = [whole[place] for place in places]
    fours = [layer._replace(taps=4) for layer in threes]
    return [*threes, *fours, *(layer._replace(learned=True) for layer in threes)]


def measure_layer(layer: Layer, *, pairs: int) -> tuple[dict[int, float], float | None]:
    """Measures the forms of a layer: forward pass and gradient, on every core.

    Args:
      layer: the layer.
      pairs: interleaved runs.

    Returns:
      Form -> seconds of processor time of a picture, and the others' share of the cores.
    """
    forms = FORMS[layer.taps]
    if layer.learned:
        forms = tuple(form for form in forms if form != 1)  # flipped in the step in any case
    mesh = make_mesh(jax.local_devices())
    count, draw = count_devices(mesh) * layer.pictures, np.random.default_rng(0)
    x = draw.standard_normal((count, layer.side, layer.side, layer.inner)).astype(np.float32)
    kernel = draw.standard_normal((layer.taps, layer.taps, layer.inner, layer.outer))
    given = split_items(jnp.asarray(x), mesh)
    ways, repeats = {}, {}
    for form in forms:
        ready = jnp.asarray(kernel.astype(np.float32))
        if form != DIRECT and not layer.learned:
            (ready,) = prepare_kernels((ready,), (form,))
        step = jit(share(mesh, _make_step(layer, form), (PARTS, WHOLE), PARTS))
        run = _bind(step, given, copy_to_all(ready, mesh))
        run()
        name, repeats[form] = WORDS[form], max(1, round(LONG / time_call(run)))
        ways[name] = _repeat(run, repeats[form])
    found = interleave(ways, pairs, warmups=0, again=False)
    times = {form: found.processor[WORDS[form]] / repeats[form] / count for form in forms}
    return times, found.others


def _make_step(layer: Layer, form: int) -> Callable:
    """Makes a form's step: (x, kernel) -> output y, and gradients of |y|^2 / 2.

    A learned kernel has a gradient too, and gets its form inside the step.
    """
    pads = (((layer.taps - 1) // 2, layer.taps // 2),) * 2

    def convolve(x: Array, kernel: Array) -> Array:
        if layer.learned and form != DIRECT:
            (kernel,) = prepare_kernels((kernel,), (form,))
        return conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=NHWC)

    def step(x: Array, kernel: Array) -> tuple:
        if layer.learned:
            # The kernel's gradient of each picture has the pictures' axis in front.
            y, pull = jax.vjp(convolve, x, kernel)
            dx, dk = pull(y)
            return y, dx, dk[None]
        y, pull = jax.vjp(lambda x: convolve(x, kernel), x)
        return y, pull(y)[0]

    return step


def _bind(step: Callable, x: Array, kernel: Array) -> Callable[[], object]:
    return lambda: jax.block_until_ready(step(x, kernel))


def _repeat(run: Callable[[], object], times: int) -> Callable[[], None]:
    def runs() -> None:
        for _ in range(times):
            run()

    return runs
