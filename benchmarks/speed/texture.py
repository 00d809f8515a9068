"""Gatys' textures with VGG-19: as near and as fast as torch's own L-BFGS?

Both match the Gram matrices of relu1_1, pool1 ... pool4 with equal weights of the
network and of the layers, from the same noise, without bounds, with as many pairs in
memory, for the same number of evaluations of the loss and its gradient. A texture has
two rows: the loss at the end (each layer's is 1 where its Gram matrix is 0; torch's is
the least of all that it evaluated), and the seconds of the whole call. The loss and the
gradient at the start are compared.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxvis
from benchmarks.harness import subjects
from benchmarks.harness.rows import (
    Row,
    Verdict,
    angle,
    interleaved,
    relative,
    row,
    verdict,
)
from benchmarks.peers import torch_peer
from jaxvis.images import noisy
from jaxvis.loss.matching.statistics import weighted_sum
from jaxvis.loss.matching.terms import statistic_terms
from jaxvis.methods.style.pixel_optimizers import MEMORY
from jaxvis.methods.style.texture import PRESETS, texture
from jaxvis.nets import registry
from jaxvis.network import Network
from jaxvis.output.io import crop_to
from jaxvis.types import Image, Params, Run

VALUE, ANGLE = 1e-3, 1e-3
"""Tolerances: relative, of the loss at the start; 1 - cosine, of its gradient."""
WEIGHTS = PRESETS["gatys"].weights


class Setting(NamedTuple):
    """How much is computed.

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
    taps: tuple[str, ...] = PRESETS["gatys"].taps
    textures: tuple[str, ...] = ("brick", "grass", "gravel")


FULL = Setting(128, 100, 3)
QUICK = Setting(64, 30, 1)
SMOKE = Setting(32, 4, 1, ("relu1_1", "pool1"), ("brick",))


def sample(name: str, side: int) -> Image:
    """Returns the middle of a texture of `skimage.data`, at half its size.

    Args:
      name: "brick", "grass" or "gravel", 512 pixels a side.
      side: pixels, at most 256.
    """
    from skimage import data, transform

    half = transform.resize(getattr(data, name)(), (256, 256), anti_aliasing=True)
    grey = np.asarray(half, np.float32)[..., None]
    return jnp.asarray(crop_to(np.repeat(grey, 3, -1), side))


def network(setting: Setting) -> tuple[Network, Params, str]:
    """Returns VGG-19 with average pooling, its parameters, and whose they are.

    Args:
      setting: how much; `SMOKE` has random weights.

    Raises:
      FileNotFoundError: if the weights are not in the cache.
    """
    side, stop = (setting.pixels,) * 2, setting.taps[-1]
    if setting is not SMOKE:
        net, params = jaxvis.load("vgg19", pool="avg", input_size=side, stop=stop)
        return net, params, "trained"
    net = registry.build("vgg19", pool="avg", input_size=side)
    params = subjects.subject("vgg19", setting.pixels, stop=stop)[1]
    return net, params, "random"


def measured(setting: Setting) -> list[Row]:
    """Returns two rows of every texture.

    Args:
      setting: how much.
    """
    net, params, whose = network(setting)
    sizes = {**setting._asdict(), "net": "vgg19", "weights": whose}
    peer = None
    if torch_peer.absent() is None:
        module = torch_peer.network(net, params, setting.taps[-1], setting.pixels)
        given = np.asarray(sample(setting.textures[0], setting.pixels))[None]
        best = torch_peer.best(module, given, subjects.indices(1), compiled=False)
        peer = (best, module)
    out = []
    for name in setting.textures:
        source = sample(name, setting.pixels)
        out += _of_one(name, net, params, source, peer, setting, sizes)
    return out


def _of_one(name, net, params, source, peer, setting: Setting, sizes) -> list[Row]:
    """Returns the rows of one texture."""
    start = noisy(jax.random.key(1), source)[0]
    last: dict[str, float] = {}

    def ours() -> None:
        run = _texture(net, params, source, start, setting)
        last["ours"] = float(run.trace["loss"][0, -1])

    ways, theirs, check = {"ours": ours}, None, None
    if peer is not None:
        from benchmarks.peers.torch_texture import Texture

        item = weighted_sum(statistic_terms(net, params, source, setting.taps, weights=WEIGHTS))
        weights = {part.tap: float(part.weight) for part in item.parts}
        theirs = Texture(*peer, setting.taps, np.asarray(source), weights)
        check = _compared(net, params, item, np.asarray(start), theirs)

        def torchs() -> None:
            found = theirs.optimised(np.asarray(start), evaluations=setting.steps, memory=MEMORY)
            last["torch"] = float(found.losses.min())

        ways["torch"] = torchs
    times = interleaved(ways, setting.pairs, again=False)
    if theirs is not None:
        theirs.close()
    values = {way: np.array([value]) for way, value in last.items()}
    said = f"{peer[0].name}, torch.optim.LBFGS" if peer else torch_peer.absent()
    case = f"{name}, {setting.pixels} px, {setting.steps} evaluations"
    return [
        row(
            "texture",
            f"{case}: {what}",
            ours=found["ours"],
            peer=found.get("torch"),
            peer_name=said,
            verdict=check,
            sizes=sizes,
            unit=unit,
            target=1.0,
        )
        for what, unit, found in (("loss", "(relative)", values), ("time", "s", times))
    ]


def _texture(net, params, source: Image, start: Image, setting: Setting) -> Run:
    return texture(
        net,
        params,
        source,
        taps=setting.taps,
        weights=WEIGHTS,
        start=start,
        steps=setting.steps,
        bounds="none",
    )


def _compared(net, params, item, start: np.ndarray, theirs) -> Verdict:
    """Returns the verdict on the loss of the start and on its gradient."""

    @jax.jit
    def both(params: Params, image: Image) -> tuple:
        def loss(image: Image) -> jax.Array:
            return item(net.apply(params, image, stop=item.taps))

        return jax.value_and_grad(loss)(image)

    value, gradient = both(net.prepare(params, size=start.shape[:2]), start)
    other, slope = theirs.first(start)
    return verdict(
        loss=(relative(value, np.float32(other)), VALUE),
        gradient_angle=(angle(gradient[None], slope[None]), ANGLE),
    )


def rows(quick: bool) -> list[Row]:
    """Returns the rows: three textures, 100 evaluations at 128 pixels.

    Args:
      quick: 30 evaluations at 64 pixels.
    """
    return measured(QUICK if quick else FULL)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: 32 pixels up to pool1, random weights."""
    return measured(SMOKE)
