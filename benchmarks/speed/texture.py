"""Gatys' textures with VGG-19: as near and as fast as torch's own L-BFGS?

Both match the Gram matrices of relu1_1, pool1 ... pool4, and both have the same network,
the same weights of the layers, the same noise to start from and as many pairs in memory.
Both take the same number of evaluations of the loss and its gradient, without bounds. A
texture has two rows: the loss at the end (each layer's is 1 where its Gram matrix is 0;
torch's is the least of all that it evaluated), and the seconds of the whole call. The
loss and the gradient at the start are compared.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxvis
from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import interleave
from benchmarks.harness.verdicts import Verdict, cosine_distance, judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.compiler import jit
from jaxvis.images import mix_noise
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.matching.statistics import add_weighted
from jaxvis.loss.matching.terms import match_statistics
from jaxvis.methods.style.pixel_optimizers import MEMORY
from jaxvis.methods.style.texture import texture
from jaxvis.nets import registry
from jaxvis.network import Network
from jaxvis.output.resample import crop_to
from jaxvis.recipes.styles import TEXTURES
from jaxvis.types import Image, Params

VALUE, ANGLE = 1e-3, 1e-3
"""Tolerances: relative, of the loss at the start; 1 - cosine, of its gradient."""
GATYS = replace(TEXTURES["gatys"], bounds="none")
"""The paper's settings, without bounds on the image."""


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      pixels: of a side.
      steps: evaluations.
      pairs: interleaved runs.
      taps: the layers, in forward order.
      textures: their names in `skimage.data`.
    """

    pixels: int
    steps: int
    pairs: int
    taps: tuple[str, ...] = GATYS.taps
    textures: tuple[str, ...] = ("brick", "grass", "gravel")


FULL = Setting(128, 100, 3)
QUICK = Setting(64, 30, 1)
SMOKE = Setting(32, 4, 1, ("relu1_1", "pool1"), ("brick",))


def load_texture(name: str, side: int) -> Image:
    """Loads the middle of a texture of `skimage.data`, at half its size.

    Args:
      name: "brick", "grass" or "gravel", 512 pixels a side.
      side: pixels, at most 256.
    """
    from skimage import data, transform

    half = transform.resize(getattr(data, name)(), (256, 256), anti_aliasing=True)
    grey = np.asarray(half, np.float32)[..., None]
    return jnp.asarray(crop_to(np.repeat(grey, 3, -1), side))


def load_network(setting: Setting) -> tuple[Network, Params, str]:
    """Loads VGG-19 with average pooling and its parameters; tells whose these are.

    Args:
      setting: the size; `SMOKE` has random weights.

    Raises:
      FileNotFoundError: if the weights are not in the cache.
    """
    side, stop = (setting.pixels,) * 2, setting.taps[-1]
    if setting is not SMOKE:
        net, params = jaxvis.load("vgg19", pool="avg", input_size=side, stop=stop)
        return net, params, "trained"
    net = registry.build("vgg19", pool="avg", input_size=side)
    params = subjects.make_network("vgg19", setting.pixels, stop=stop)[1]
    return net, params, "random"


class Problem(NamedTuple):
    """A texture to synthesise: what both sides need.

    Attributes:
      net, params: the network.
      source, start: the texture and the noise, `[H, W, 3]`.
      setting: the size of the measurement.
      item: the loss.
    """

    net: Network
    params: Params
    source: Image
    start: Image
    setting: Setting
    item: Algebra


def make_problem(net: Network, params: Params, name: str, setting: Setting) -> Problem:
    """Makes the problem of one texture.

    Args:
      net, params: the network.
      name: the texture.
      setting: the size of the measurement.
    """
    source = load_texture(name, setting.pixels)
    start = mix_noise(jax.random.key(1), source)[0]
    item = add_weighted(match_statistics(net, params, source, setting.taps, weights=GATYS.weights))
    return Problem(net, params, source, start, setting, item)


def measure_textures(setting: Setting) -> list[Row]:
    """Measures two rows of every texture.

    Args:
      setting: the size of the measurement.
    """
    net, params, whose = load_network(setting)
    peer = None
    if torch_peer.why_absent() is None:
        module = torch_peer.make_module(net, params, setting.taps[-1], setting.pixels)
        given = np.asarray(load_texture(setting.textures[0], setting.pixels))[None]
        index = subjects.number_classes(1)
        peer = (torch_peer.find_fastest(module, given, index, compiled=False), module)
    sizes = {**setting._asdict(), "net": "vgg19", "weights": whose}
    out = []
    for name in setting.textures:
        case = Case(
            "texture",
            f"{name}, {setting.pixels} px, {setting.steps} evaluations",
            sizes,
            target=1.0,
        )
        out += _measure_texture(make_problem(net, params, name, setting), peer, case)
    return out


def _measure_texture(problem: Problem, peer: tuple | None, case: Case) -> list[Row]:
    """Measures the rows of one texture; `peer` is the fastest configuration and its module."""
    last: dict[str, float] = {}

    def ours() -> None:
        last["ours"] = _synthesise(problem)

    ways: dict[str, Callable[[], None]] = {"ours": ours}
    verdict, name = None, torch_peer.why_absent()
    if peer is not None:
        from benchmarks.peers.torch_texture import Texture

        weights = {part.tap: float(part.weight) for part in problem.item.parts}
        theirs = Texture(*peer, problem.setting.taps, np.asarray(problem.source), weights)
        verdict = _judge_start(problem, theirs)
        options = {"evaluations": problem.setting.steps, "memory": MEMORY}
        name = f"{peer[0].name}, torch.optim.LBFGS"

        def torch_way() -> None:
            found = theirs.optimize(np.asarray(problem.start), **options)
            last["torch"] = float(found.losses.min())

        ways["torch"] = torch_way
    times = interleave(ways, problem.setting.pairs, again=False)
    if peer is not None:
        theirs.close()
    values = {way: np.array([value]) for way, value in last.items()}
    return [
        make_row(
            case._replace(words=f"{case.words}: {what}", unit=unit),
            ours=found["ours"],
            peer=found.get("torch"),
            peer_name=name,
            verdict=verdict,
        )
        for what, unit, found in (("loss", "(relative)", values), ("time", "s", times))
    ]


def _synthesise(problem: Problem) -> float:
    """Synthesises the texture with jaxvis; returns the loss at the end."""
    run = texture(
        problem.net,
        problem.params,
        problem.source,
        recipe=replace(GATYS, taps=problem.setting.taps),
        start=problem.start,
        steps=problem.setting.steps,
    )
    return float(run.trace["loss"][0, -1])


def _judge_start(problem: Problem, theirs) -> Verdict:
    """Gives the verdict on the loss of the start and on its gradient."""
    net, item, start = problem.net, problem.item, np.asarray(problem.start)

    @jit
    def value_and_grad(params: Params, image: Image) -> tuple:
        def loss(image: Image) -> jax.Array:
            return item(net.apply(params, image, stop=item.taps))

        return jax.value_and_grad(loss)(image)

    value, gradient = value_and_grad(net.prepare(problem.params, size=start.shape[:2]), start)
    other, slope = theirs.value_and_grad(start)
    return judge(
        loss=(relative_difference(value, np.float32(other)), VALUE),
        gradient_angle=(cosine_distance(gradient[None], slope[None]), ANGLE),
    )


def measure(quick: bool) -> list[Row]:
    """Measures three textures, 100 evaluations at 128 pixels.

    Args:
      quick: 30 evaluations at 64 pixels.
    """
    return measure_textures(QUICK if quick else FULL)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: 32 pixels up to pool1, random weights."""
    return measure_textures(SMOKE)
