"""Canvases with a deep generator inside: what it draws, and what of it is learned.

Part of z is learned by gradients; the rest a step only records: batch norm's running
averages, the codes of earlier steps. `split` tells the two apart, and `draw` gives the
recorded part its next value.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.generators.deep import DeepGenerator
from jaxvis.images import to_channels
from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Canvas, Drawing, Image, Key

VGG_MEAN = (123.68, 116.779, 103.939)
"""RGB in grey levels: a generator's output 0 is this colour."""
MOMENTUM = 0.99
"""Share of batch norm's running averages that a step keeps: Keras'."""


@dataclass(frozen=True)
class Noise:
    """The noise of a generator's input, which is ones.

    Args:
      sigma: standard deviation.
      multiplied: whether the input is multiplied by N(1, sigma^2), as Keras'
        GaussianDropout does; else N(0, sigma^2) is added.
    """

    sigma: float
    multiplied: bool = False

    def __call__(self, key: Key, ones: Array) -> Array:
        """Draws the noisy input, `[d]`."""
        normal = self.sigma * jax.random.normal(key, ones.shape)
        return ones * (1 + normal) if self.multiplied else ones + normal


class GeneratorCanvas(Canvas):
    """A canvas with a deep generator inside, whose z["params"] are learned."""

    generator: DeepGenerator

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of the image in pixels."""
        return self.generator.size

    def split(self, z: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Splits z into (what gradients move, what a step only records)."""
        return z["params"], {name: part for name, part in z.items() if name != "params"}

    def join(self, learned: Any, state: dict[str, Any]) -> dict[str, Any]:
        """Puts z together again from the two parts of `split`."""
        return {"params": learned, **state}


@register_parts("penalty", "gain", "momentum")
@dataclass(frozen=True)
class Learned(GeneratorCanvas):
    """A canvas whose z are a generator's parameters: every item has its own generator.

    Args:
      generator: the table.
      noise: of the generator's input, in every step.
      penalty: weight of |gamma|_1 of the last batch norm.
      gain: the image is mean + gain * output, in grey levels; the original's is 1.
      momentum: share of the running averages that a step keeps.

    Source: Despraz et al., section 3.1, Eq. 1 and 3.
    """

    owns_kernels = True
    generator: DeepGenerator
    noise: Noise = Noise(2.0)
    penalty: float = 0.01
    gain: float = 1.0
    momentum: float = MOMENTUM

    def init(self, key: Key) -> dict[str, Any]:
        """Draws z: {"params", "statistics"}."""
        return self.generator.init(key)

    def decode(self, shared: Any, z: Any, key: Key) -> Image:
        """Makes the finished image `[H, W, C]`: running averages, no noise."""
        del shared, key
        ones = jnp.ones(self.generator.code)
        output, _ = self.generator.apply(z["params"], z["statistics"], ones)
        return to_image(output, self.gain)

    def draw(self, shared: Any, z: Any, key: Key) -> Drawing:
        """Makes what a step sees; nothing is `shared`."""
        del shared
        noisy = self.noise(key, jnp.ones(self.generator.code))
        params, statistics = z["params"], z["statistics"]
        output, own = self.generator.apply(params, statistics, noisy, train=True)
        penalty = self.penalty * jnp.sum(jnp.abs(params["image"]["scale"]))
        kept = self.momentum
        averages = jax.tree.map(
            lambda old, new: old + (1 - kept) * lax.stop_gradient(new - old), statistics, own
        )
        return Drawing(
            to_image(output, self.gain), {"regularizer": penalty}, {"statistics": averages}
        )


@register_parts("penalty", "gain", "momentum")
@dataclass(frozen=True)
class Driven(GeneratorCanvas):
    """A canvas whose z is alpha alone: many items on one shared decoder.

    `shared` is the decoder: {"params", "statistics"}, and "code" where `frozen`.

    Args:
      generator: the table.
      noise: of the generator's input, in every step.
      penalty: weight of the sum of alpha's squares.
      gain: as for `Learned`; a decoder trained on grey levels has 1.
      keep: epochs at the end whose images' pixelwise median is the finished image; 1
        shows the last one.
      frozen: whether the decoder works as it was trained: alpha starts at the mean code
        of its images, batch norm takes its averages, and the penalty is the square
        distance from that code, in units of the code's own square.
      momentum: share of the running averages that a step keeps.
      channels: of the image; 1 shows the luminance of what a decoder of RGB draws.

    Source: Despraz et al., section 3.2, Eq. 1 and 4; the median is the authors' code.
    Departures: `frozen`. Theirs starts at ones, which is no image's code, and takes
      each picture's own mean and variance, which draws strokes out of nothing.
    """

    generator: DeepGenerator
    noise: Noise = Noise(0.2294, multiplied=True)
    penalty: float = 0.1
    gain: float = 1.0
    keep: int = 10
    frozen: bool = False
    momentum: float = MOMENTUM
    channels: int = 3

    def start(self, shared: Any, *, steps: int, every: int) -> dict[str, Any]:
        """Makes the first z; the averages are the decoder's.

        Args:
          shared: the decoder.
          steps: how many there will be.
          every: steps of an epoch.
        """
        alpha = shared["code"] if self.frozen else jnp.ones(self.generator.code)
        return {
            "params": {"alpha": {"alpha": alpha}},
            "statistics": shared["statistics"],
            "past": jnp.zeros((self.keep - 1, self.generator.code)),
            "left": jnp.float32(steps),
            "every": jnp.float32(every),
        }

    def decode(self, shared: Any, z: Any, key: Key) -> Image:
        """Makes the finished image `[H, W, C]`, the pixelwise median of the last ones."""
        del key
        ones = jnp.ones(self.generator.code)
        alphas = jnp.concatenate([z["past"], z["params"]["alpha"]["alpha"][None]])

        def make_image(alpha: Array) -> Image:
            params = {**shared["params"], "alpha": {"alpha": alpha}}
            output, _ = self.generator.apply(params, z["statistics"], ones)
            return self._show(output)

        return jnp.median(lax.map(make_image, alphas), axis=0)

    def draw(self, shared: Any, z: Any, key: Key) -> Drawing:
        """Makes what a step sees of z on the `shared` decoder; `key` draws the noise."""
        params, statistics = {**shared["params"], **z["params"]}, z["statistics"]
        noisy = self.noise(key, jnp.ones(self.generator.code))
        output, own = self.generator.apply(params, statistics, noisy, train=not self.frozen)
        alpha = z["params"]["alpha"]["alpha"]
        state = {
            "statistics": statistics if self.frozen else self._average(statistics, own),
            "past": self._remember(z, alpha),
            "left": z["left"] - 1,
            "every": z["every"],
        }
        square = jnp.sum(alpha**2)
        if self.frozen:
            code = shared["code"]
            square = jnp.sum((alpha - code) ** 2) / jnp.sum(code**2)
        terms = {"regularizer": self.penalty * square}
        return Drawing(self._show(output), terms, lax.stop_gradient(state))

    def _show(self, output: Array) -> Image:
        return jnp.asarray(to_channels(to_image(output, self.gain), self.channels))

    def _average(self, old: Any, new: Any) -> Any:
        return jax.tree.map(lambda a, b: a + (1 - self.momentum) * (b - a), old, new)

    def _remember(self, z: Any, alpha: Array) -> Array:
        """Keeps this step's alpha where an epoch ends; epochs end at their multiples."""
        # Seen in step s is what s updates have made.
        slots = jnp.arange(self.keep - 1, 0, -1)
        due = (z["left"] == slots * z["every"])[:, None]
        return jnp.where(due, alpha, z["past"])


def mean_levels(channels: int) -> Array:
    """Gives the colour of a generator's output 0 in grey levels, `[channels]`.

    Args:
      channels: of the image; where there are not three, each has the mean of `VGG_MEAN`.
    """
    return jnp.asarray(VGG_MEAN if channels == 3 else (sum(VGG_MEAN) / 3,) * channels)


def to_image(output: Array, gain: Any) -> Image:
    """Makes the image (mean + gain * output) / 255, which may leave [0, 1].

    Args:
      output: of a generator, `[..., C]`.
      gain: grey levels per unit of it.
    """
    return (mean_levels(output.shape[-1]) + gain * output) / 255


def stretch(image: Image, *, root: bool = False, apart: bool = False) -> Image:
    """Stretches an image to [0, 1], as the authors show theirs.

    (x - min x) / max, or the square root of it; one range for all channels, or one for each.

    Args:
      image: `[H, W, C]`.
      root: whether to take the square root, as for the untrained variant.
      apart: whether every channel has a range of its own, which takes a cast of colour
        away; not as the authors.
    """
    over = (0, 1) if apart else (0, 1, 2)
    found = image - jnp.min(image, axis=over)
    found = jnp.sqrt(found) if root else found
    return found / jnp.maximum(jnp.max(found, axis=over), 1e-12)
