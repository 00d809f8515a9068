"""What a generator draws, and what of it is learned: canvases with a network inside.

The solver knows one kind of state, z, and moves it by an optimizer. Here z also holds
what a step only records (batch norm's running averages, earlier codes). Their
"gradient" is the difference to the value wanted, and their optimizer a plain descent
whose rate is the share that is taken over: the result is the usual running average.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxvis.generators.deep import DeepGenerator
from jaxvis.types import Array, Image, Key

VGG_MEAN = (123.68, 116.779, 103.939)
"""RGB in grey levels: a generator's output 0 is this colour."""
MOMENTUM = 0.99
"""Share of batch norm's running averages that a step keeps: Keras'."""


class Drawing(NamedTuple):
    """What a canvas draws in a step.

    Attributes:
      image: `[H, W, 3]`; may leave [0, 1].
      regularizer: `[]`, already weighted.
      record: `[]`, zero: its gradient moves what a step records.
    """

    image: Image
    regularizer: Array
    record: Array


def recorded(old: Any, new: Any) -> Array:
    """Returns 0, whose gradient w.r.t. `old` is old - new.

    Args:
      old: a pytree of arrays, any shapes.
      new: of the same structure.
    """

    def term(a: Array, b: Array) -> Array:
        return jnp.sum(lax.stop_gradient(a - b) * (a - lax.stop_gradient(a)))

    return sum(map(term, jax.tree.leaves(old), jax.tree.leaves(new)), jnp.zeros(()))


@lru_cache(maxsize=64)
def learning(
    optimizer: optax.GradientTransformation, *, momentum: float = MOMENTUM
) -> optax.GradientTransformation:
    """Returns an optimizer of a canvas' z: learns its "params", records the rest.

    Args:
      optimizer: of z["params"].
      momentum: share of the running averages, z["statistics"], that a step keeps.
    """

    def labels(z: dict[str, Any]) -> dict[str, Any]:
        kinds = {"params": "learned", "statistics": "averaged"}
        return {
            name: jax.tree.map(lambda _, name=name: kinds.get(name, "set"), part)
            for name, part in z.items()
        }

    rates = {"averaged": optax.sgd(1 - momentum), "set": optax.sgd(1.0)}
    return optax.multi_transform({"learned": optimizer, **rates}, labels)


@dataclass(frozen=True)
class Noise:
    """Returns the generator's input: ones, with noise in every step.

    Args:
      sigma: standard deviation.
      multiplied: whether the input is multiplied by N(1, sigma^2), as Keras'
        GaussianDropout does; else N(0, sigma^2) is added.
    """

    sigma: float
    multiplied: bool = False

    def __call__(self, key: Key, ones: Array) -> Array:
        """Returns the noisy input, `[d]`."""
        normal = self.sigma * jax.random.normal(key, ones.shape)
        return ones * (1 + normal) if self.multiplied else ones + normal


@dataclass(frozen=True)
class Learned:
    """Returns the canvas whose z are a generator's parameters: one generator an item.

    Args:
      generator: the table.
      noise: of the generator's input, in every step.
      penalty: weight of |gamma|_1 of the last batch norm.
      gain: the image is mean + gain * output, in grey levels; the original's is 1.

    Source: Despraz et al., section 3.1, Eq. 1 and 3.
    """

    own_kernels: ClassVar[bool] = True  # see `jaxvis.optimize.chunk_size.together`
    generator: DeepGenerator
    noise: Noise = Noise(2.0)
    penalty: float = 0.01
    gain: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image in pixels."""
        return self.generator.size

    def init(self, key: Key) -> dict[str, Any]:
        """Returns z: {"params", "statistics"}."""
        return self.generator.init(key)

    def decode(self, z: Any, key: Key) -> Image:
        """Returns the finished image `[H, W, 3]`: running averages, no noise."""
        del key
        return self.show(None, z)

    def show(self, shared: Any, z: Any) -> Image:
        """Returns the finished image of z, `[H, W, 3]`; nothing is `shared`."""
        del shared
        ones = jnp.ones(self.generator.code)
        output, _ = self.generator.apply(z["params"], z["statistics"], ones)
        return _image(output, self.gain)

    def draw(self, shared: Any, z: Any, key: Key) -> Drawing:
        """Returns what a step sees; nothing is `shared`."""
        del shared
        noisy = self.noise(key, jnp.ones(self.generator.code))
        params, statistics = z["params"], z["statistics"]
        output, own = self.generator.apply(params, statistics, noisy, train=True)
        gammas = params["image"]["scale"]
        return Drawing(
            _image(output, self.gain),
            self.penalty * jnp.sum(jnp.abs(gammas)),
            recorded(statistics, own),
        )


@dataclass(frozen=True)
class Driven:
    """Returns the canvas whose z is alpha alone: many items on one shared decoder.

    Args:
      generator: the table.
      noise: of the generator's input, in every step.
      penalty: weight of the sum of alpha's squares.
      gain: as for `Learned`; a decoder trained on grey levels has 1.
      every: steps of an epoch.
      keep: epochs at the end whose images' pixelwise median is the finished image; 1
        shows the last one.
      steps: how many there will be.
      frozen: whether the decoder works as it was trained: alpha starts at the mean code
        of its images, batch norm takes its averages, and the penalty is the square
        distance from that code, in units of the code's own square.

    Source: Despraz et al., section 3.2, Eq. 1 and 4; the median is the authors' code.
    Departures: `frozen`. Theirs starts at ones, which is no image's code, and takes
      each picture's own mean and variance, which draws strokes out of nothing.
    """

    generator: DeepGenerator
    noise: Noise = Noise(0.2294, multiplied=True)
    penalty: float = 0.1
    gain: float = 1.0
    every: int = 40
    keep: int = 10
    steps: int = 1200
    frozen: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image in pixels."""
        return self.generator.size

    def start(self, shared: Any) -> dict[str, Any]:
        """Returns the first z; the averages are the decoder's.

        Args:
          shared: the decoder, {"params", "statistics"}, and "code" where `frozen`.
        """
        alpha = shared["code"] if self.frozen else jnp.ones(self.generator.code)
        return {
            "params": {"alpha": {"alpha": alpha}},
            "statistics": shared["statistics"],
            "past": jnp.zeros((self.keep - 1, self.generator.code)),
            "step": jnp.zeros(()),
        }

    def init(self, key: Key) -> dict[str, Any]:
        """Returns a z whose averages are those of a decoder that was not trained."""
        return self.start({"statistics": self.generator.init(key)["statistics"]})

    def decode(self, z: Any, key: Key) -> Image:
        """Returns `[1, 1, 3]`, black: a shared decoder is not in z, see `show`."""
        del z, key
        return jnp.zeros((1, 1, 3))

    def show(self, shared: Any, z: Any) -> Image:
        """Returns the finished image `[H, W, 3]`, the pixelwise median of the last.

        Args:
          shared: the decoder, {"params", "statistics"}.
          z: the canvas parameters.
        """
        ones = jnp.ones(self.generator.code)
        alphas = jnp.concatenate([z["past"], z["params"]["alpha"]["alpha"][None]])

        def one(alpha: Array) -> Image:
            params = {**shared["params"], "alpha": {"alpha": alpha}}
            output, _ = self.generator.apply(params, z["statistics"], ones)
            return _image(output, self.gain)

        return jnp.median(lax.map(one, alphas), axis=0)

    def draw(self, shared: Any, z: Any, key: Key) -> Drawing:
        """Returns what a step sees.

        Args:
          shared: as for `start`.
          z: the canvas parameters.
          key: of the noise.
        """
        params, statistics = {**shared["params"], **z["params"]}, z["statistics"]
        noisy = self.noise(key, jnp.ones(self.generator.code))
        # Of z's own statistics no gradient but the record's may be taken.
        fixed = lax.stop_gradient(statistics)
        output, own = self.generator.apply(params, fixed, noisy, train=not self.frozen)
        own = fixed if self.frozen else own
        alpha = z["params"]["alpha"]["alpha"]
        # Seen in step s is what s updates have made; epochs end at their multiples.
        back = (self.steps - z["step"]) / self.every
        slots = jnp.arange(self.keep - 1, 0, -1)
        due = (back == slots)[:, None]
        past = jnp.where(due, alpha, z["past"])
        record = recorded(
            {"s": statistics, "past": z["past"], "step": z["step"]},
            {"s": own, "past": past, "step": z["step"] + 1},
        )
        square = jnp.sum(alpha**2)
        if self.frozen:
            code = shared["code"]
            square = jnp.sum((alpha - code) ** 2) / jnp.sum(code**2)
        return Drawing(_image(output, self.gain), self.penalty * square, record)


def _image(output: Array, gain: float) -> Image:
    return (jnp.asarray(VGG_MEAN) + gain * output) / 255


def stretch(image: Image, *, root: bool = False) -> Image:
    """Returns an image stretched to [0, 1], as the authors show theirs.

    (x - min x) / max, or the square root of it; one range for all three channels.

    Args:
      image: `[H, W, 3]`.
      root: whether to take the square root, as for the untrained variant.
    """
    found = image - jnp.min(image)
    found = jnp.sqrt(found) if root else found
    return found / jnp.maximum(jnp.max(found), 1e-12)
