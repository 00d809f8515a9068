"""Recipes of pictures that generators draw."""

from dataclasses import dataclass

from jaxvis.generators.deep import DeepGenerator, despraz_decoder, despraz_generator
from jaxvis.optimize.rules import Optimizer, adam, adamax, nesterov

STRETCHES = ("none", "linear", "root", "channels")
"""How a picture is shown: as it is; stretched to [0, 1]; the square root of that; every channel
stretched on its own, which takes a cast of colour away. The authors show the pictures of
decoders "linear" and those of generators "root"."""


@dataclass(frozen=True)
class GeneratorRecipe:
    """A way to draw by a generator that learns, or by a trained decoder.

    Args:
      generator: the table. The picture is resized for the network where its size is
        another.
      others: lambda, the weight of the other activations; None maximises
        log softmax(s)_c instead.
      penalty: of R: of |gamma|_1 of a generator's last batch norm; of |alpha|^2 on a
        decoder; with `frozen` of the square distance from the mean code, in units of its
        own.
      gain: grey levels per unit of the generator's output. The original's is 1, whose
        pictures span few of them and are meant to be stretched.
      stretched: how the pictures are returned, one of `STRETCHES`.
      dropout: taps with dropout in every step, VGG's ("relu6", "relu7") in the paper.
      rectified: see `jaxvis.methods.coupled.objectives.Couple`.
      optimizer: a rule of `jaxvis.optimize.rules`, or an optax transformation; None is
        Adam with 5 % of the root mean square of a decoder's mean code.
      steps: updates.
      frozen: whether a decoder works as it was trained, from the mean code of its
        images on, see `jaxvis.generators.drawing.Driven`; not as in the paper.

    Raises:
      ValueError: for an unknown way to stretch.

    Source: Despraz, Gomez, Satizabal & Pena-Reyes (2017), section 3 and Table 1.

    >>> from dataclasses import replace
    >>> import jaxvis
    >>> recipe = replace(jaxvis.recipes.GENERATORS["paper"], steps=50, stretched="none")
    >>> recipe.steps, recipe.others
    (50, 0.01)
    """

    generator: DeepGenerator = despraz_generator()
    others: float | None = 0.01
    penalty: float = 0.01
    gain: float = 1.0
    stretched: str = "none"
    dropout: tuple[str, ...] = ()
    rectified: bool = False
    optimizer: Optimizer | None = adamax(0.002)
    steps: int = 500
    frozen: bool = False

    def __post_init__(self) -> None:
        """Checks how pictures are stretched."""
        if self.stretched not in STRETCHES:
            raise ValueError(f"stretched is one of {', '.join(STRETCHES)}, not {self.stretched!r}")


GENERATORS = {
    "paper": GeneratorRecipe(),
    "decoder": GeneratorRecipe(
        despraz_decoder(), penalty=0.1, optimizer=nesterov(0.01, momentum=0.1), steps=1200
    ),
    "frozen": GeneratorRecipe(
        despraz_decoder(), penalty=0.1, optimizer=None, steps=100, frozen=True
    ),
}
"""Name -> recipe of `jaxvis.generate`: a generator for every picture, and a decoder that
all share, as in the paper; and a decoder that works as it was trained."""


@dataclass(frozen=True)
class LatentRecipe:
    """A way to find the code from which a given generator draws what is asked for.

    Args:
      starts: random codes that are looked at for each picture; the one with the least
        loss is moved. Each costs one pass of the network forwards.
      prior: weight of the prior on z.
      radius: the root mean square of z that costs nothing: 1 is where normal codes lie,
        0 the most likely single code, which draws an average of everything.
      bound: largest |z_i|, the range of activations that the generator has seen; None
        leaves it free.
      others: None maximises log softmax(s)_c, which suits class scores; a number takes
        `jaxvis.methods.coupled.objectives.Couple` with this weight of the other
        activations.
      optimizer: a rule of `jaxvis.optimize.rules`, or an optax transformation.
      steps: updates.

    Raises:
      ValueError: for no start, or a bound that is not above 0.

    Source: Nguyen, Dosovitskiy, Yosinski, Brox & Clune (2016), Eq. 1; the starts are not
      theirs.

    >>> import jaxvis
    >>> jaxvis.recipes.LatentRecipe(starts=4, bound=2.0).steps
    100
    """

    starts: int = 16
    prior: float = 1.0
    radius: float = 1.0
    bound: float | None = None
    others: float | None = None
    optimizer: Optimizer = adam(0.05)
    steps: int = 100

    def __post_init__(self) -> None:
        """Checks the starts and the bound."""
        if self.starts < 1:
            raise ValueError(f"starts must be at least 1, got {self.starts}")
        if self.bound is not None and not self.bound > 0:
            raise ValueError(f"bound is the largest |z_i|, above 0, not {self.bound}")


LATENTS = {"best_start": LatentRecipe(), "one_start": LatentRecipe(starts=1)}
"""Name -> recipe of `jaxvis.latent`: the best of 16 starts, and the first one."""
