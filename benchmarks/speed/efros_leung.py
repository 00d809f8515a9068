"""Efros and Leung's texture synthesis: ours against the same algorithm in NumPy.

No package for Python that does it was found, so the peer is written here: BLAS computes
the distances, of one pixel after another as in the paper, or of all pixels that do not
see each other in one product, as ours. Both fill the same pixels in the same order. The
peer then goes through our picture pixel by pixel: its best distances must be ours, and
every pixel that we copied must be among those that it allows. Left to itself it makes the
same picture until two distances differ by rounding at the limit of what is allowed; the
row says how many pixels are equal.
"""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.harness.machine import package_version
from benchmarks.harness.photographs import load_photograph
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import interleave
from benchmarks.harness.verdicts import judge, relative_difference
from benchmarks.peers import numpy_efros_leung
from jaxvis.methods.classical_texture.efros_leung import efros_leung
from jaxvis.optimize.keys import item_keys

TARGET = 1.2
ERRORS, EXCESS = 1e-3, 1e-6
"""Tolerances: relative, of the best distances; how far beyond the peer's limit a match may
be, a quarter of a grey level squared."""
TOLERANCE = 0.1
"""Of matches, as `efros_leung` has it."""


class Setting(NamedTuple):
    """The size of a measurement: pixels of texture and picture, window, runs, textures."""

    source: int
    pixels: int
    window: int
    pairs: int
    textures: tuple[str, ...] = ("brick", "chelsea")


FULL = Setting(64, 64, 11, 5)
QUICK = Setting(64, 48, 11, 3)
SMOKE = Setting(24, 20, 5, 1, ("brick",))


def measure_texture(name: str, setting: Setting) -> list[Row]:
    """Measures the rows of one texture, against both programs.

    Args:
      name: of `skimage.data`.
      setting: the size of the measurement.
    """
    source, size = load_photograph(name, setting.source), (setting.pixels,) * 2
    # One channel of a grey texture is enough, and ours finds that out by itself.
    grey = bool(np.all(source == source[..., :1]))
    texture = numpy_efros_leung.Texture(
        source[..., :1] if grey else source, setting.window, tolerance=TOLERANCE
    )
    ours = partial(efros_leung, source, size=size, window=setting.window, tolerance=TOLERANCE)
    peers = {"all that is apart together": None, "one pixel at a time": 1}

    def grow(**options) -> numpy_efros_leung.Grown:
        return numpy_efros_leung.grow(texture, size, _make_generator(), **options)

    run = ours()
    judged, alone = grow(follow=run.z[0]), grow()
    verdict = judge(
        errors=(relative_difference(run.trace["loss"][0], judged.errors), ERRORS),
        excess=(judged.excess, EXCESS),
    )
    equal = float(np.mean(np.all(run.z[0] == alone.places, -1)))
    ways = {word: partial(grow, together=count) for word, count in peers.items()}
    times = interleave({"ours": ours, **ways}, setting.pairs)
    words = (
        f"{name}, {setting.source} px, to {setting.pixels} px, window {setting.window}, "
        f"{'grey' if grey else 'colour'}"
    )
    sizes = {**setting._asdict(), "texture": name, "channels": texture.values.shape[-1]}
    return [
        make_row(
            Case("efros_leung", words, sizes, target=TARGET if setting is FULL else None),
            ours=times["ours"],
            peer=times[word],
            peer_name=f"numpy {package_version('numpy')}, {word}",
            verdict=verdict,
            pixels_equal=round(equal, 4),
            **times.describe(peer=word),
        )
        for word in peers
    ]


def _make_generator() -> np.random.Generator:
    """Makes the generator that `efros_leung` draws from with key 0 and one seed."""
    words = jax.random.key_data(item_keys(jax.random.key(0), seeds=1))
    return np.random.default_rng(np.asarray(words)[0].tolist())


def measure(quick: bool) -> list[Row]:
    """Measures pictures of 64 pixels from two textures of 64, one grey and one in colour.

    Args:
      quick: pictures of 48 pixels, fewer runs.
    """
    setting = QUICK if quick else FULL
    return [row for name in setting.textures for row in measure_texture(name, setting)]


def measure_smoke() -> list[Row]:
    """Measures the smallest size: a picture of 20 pixels."""
    return measure_texture(SMOKE.textures[0], SMOKE)
