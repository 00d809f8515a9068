"""Natural pre-images: their constants, and the one or two recipes that follow each other.

This is what inversion, maximisation and caricature share: x counts grey levels around the
mean colour, and C E(x) + R_alpha(x) + R_TV(x) is minimised inside the ball |x| <= B+ by
Algorithm 1. Jitter is a random crop of a canvas that is larger than the picture. Every
place where the authors' code departs from the paper's print is an option of `Natural`,
which is set to the code's value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from jaxvis.images import mean_colour
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import Weighted
from jaxvis.loss.priors import BoundedRange, TotalVariation
from jaxvis.loss.views import Centre, Crop
from jaxvis.network import Network
from jaxvis.optimize import Ball, lbfgs, solve
from jaxvis.optimize.rules import Optimizer, learning_rate, preimage_sgd
from jaxvis.optimize.runs import run_stages
from jaxvis.optimize.watch import Progress
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.types import Item, Key, Params, Run

GREY = 255.0
"""Units of z per unit of the image: z counts grey levels."""
START = 80.0 / 3**0.5
"""Spread of the start in grey levels: B / sqrt 3 on every channel is a pixel of norm B."""
WHOSE = ("code", "print")
"""Values of `rate` and `norm`: as the authors' code has it, or as the paper prints it."""


def jitter_of(stride: int) -> int:
    """Gives J = max(round(stride / 4), 1), halves rounded away from zero.

    Offsets are drawn from 0..J-1, so J = 1 is no jitter.

    Args:
      stride: of the tap, in pixels.

    Source: Mahendran & Vedaldi (IJCV 2016), 3.2.3 and section 5; the authors' code.
    """
    return max(int(stride / 4 + 0.5), 1)


@dataclass(frozen=True)
class Natural:
    """The constants of natural pre-images.

    Args:
      bound: B in grey levels, the typical length of a pixel's RGB vector; of a grey image
        that of its one value.
      radius: B+ in grey levels, the most it may have; None has no such wall.
      slope: V in grey levels a pixel; None is B / 6.5.
      alpha: exponent of the bounded range.
      exponent: power of the squared length in Eq. 5; None is alpha / 2, as in the
        code; 0.5 is how Eq. 5 is printed.
      beta: exponent of the total variation.
      prior: weight of both priors; 0 leaves them out.
      rate: the learning rate eta: "code", 0.05 B^2 / alpha H W; "print", 0.01 B^2 /
        alpha; or a number.
      rho: decay of Algorithm 1's two sums.
      jitter: J, offsets are 0..J-1; None is a quarter of the tap's stride, of a grey
        image none, as in the authors' code; 1 is none.
      second: steps of a second stage without jitter, at a tenth of the rate, from
        where the first one ended; 0 is none, as printed.
      grey: whether an image of three channels has one alone (HOG and SIFT take RGB, and
        see its grey levels). A network that takes grey images needs no such word.
      norm: 1/Z of Eq. 4: "code", 10^4 / (M rho^2) for maximisation and 1 / |r|^2 for
        caricature; "print", M rho^2 and 1 / |Phi0|.
      optimizer: one of grey levels instead of Algorithm 1: "lbfgs", a rule of
        `jaxvis.optimize.rules`, or an optax transformation. There is no second stage then.
      peaks: of maximisation, M of every channel of the tap, `[c]`, as
        `jaxvis.methods.preimage.peaks` measures them; None takes 1.

    Raises:
      ValueError: for a constant that is not positive, or an unknown rate or norm.

    Source: Mahendran & Vedaldi (IJCV 2016), 3.2-3.4, Eq. 5-7, Algorithm 1; the
      authors' code where it differs.

    >>> import jaxvis
    >>> own = jaxvis.recipes.Natural(rate="print", second=0)
    >>> own.bound, own.second
    (80.0, 0)
    """

    bound: float = 80.0
    radius: float | None = 160.0
    slope: float | None = None
    alpha: float = 6.0
    exponent: float | None = None
    beta: float = 2.0
    prior: float = 1.0
    rate: str | float = "code"
    rho: float = 0.9
    jitter: int | None = None
    second: int = 50
    grey: bool = False
    norm: str = "code"
    optimizer: Optimizer | str | None = None
    peaks: Sequence[float] | np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError for constants without a meaning."""
        if self.peaks is not None:
            # A tuple compares and hashes; an array does not.
            object.__setattr__(self, "peaks", tuple(map(float, self.peaks)))
        if isinstance(self.rate, str) and self.rate not in WHOSE:
            raise ValueError(f"rate is 'code', 'print' or a number, not {self.rate!r}")
        if self.norm not in WHOSE:
            raise ValueError(f"norm is 'code' or 'print', not {self.norm!r}")
        if isinstance(self.optimizer, str) and self.optimizer != "lbfgs":
            raise ValueError(f"optimizer is 'lbfgs' or an optimizer, not {self.optimizer!r}")
        for name in ("bound", "radius", "slope", "alpha", "exponent", "beta", "rho"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        if not isinstance(self.rate, str) and not self.rate > 0:
            raise ValueError(f"rate must be above 0, got {self.rate}")
        if self.prior < 0 or self.second < 0:
            raise ValueError("prior and second must be at least 0")
        if self.jitter is not None and self.jitter < 1:
            raise ValueError(f"jitter is at least 1 (none), got {self.jitter}")

    def eta(self, size: tuple[int, int]) -> float:
        """Computes the learning rate for an image of `size` (H, W) pixels."""
        if self.rate == "code":
            return learning_rate(size, bound=self.bound, alpha=self.alpha)
        if self.rate == "print":
            return 0.01 * self.bound**2 / self.alpha
        return float(self.rate)

    def offsets(self, stride: int) -> int:
        """Gives J for a tap of `stride` pixels."""
        if self.jitter is not None:
            return self.jitter
        return 1 if self.grey else jitter_of(stride)

    def canvas(self, size: tuple[int, int], *, channels: int = 3) -> Pixels:
        """Builds the canvas of `size` (H, W) pixels and `channels`: grey levels around the mean."""
        own = 1 if self.grey else channels
        start = START * self.bound / 80
        center = self._center(channels)
        return Pixels(size, center=center, scale=GREY, init_range=start, channels=own)

    def priors(self, *, channels: int = 3) -> tuple[Weighted, ...]:
        """Builds R_alpha and R_TV for `channels`, of a canvas of one as of that channel."""
        if not self.prior:
            return ()
        # One channel repeated is sqrt 3 times as long and has three variations.
        copies = channels if self.grey else 1
        bound = self.bound / GREY
        slope = bound / 6.5 if self.slope is None else self.slope / GREY
        bounded = BoundedRange(
            self.alpha, bound * copies**0.5, self._center(channels), exponent=self.exponent
        )
        return (
            Weighted("bounded_range", self.prior, bounded),
            Weighted("total_variation", self.prior / copies, TotalVariation(self.beta, slope)),
        )

    def _center(self, channels: int) -> tuple[float, ...]:
        return mean_colour(1) * channels if self.grey else mean_colour(channels)


def with_lbfgs(natural: Natural) -> Natural:
    """Gives the settings for L-BFGS, in one stage.

    A line search compares values of one function along a straight line. So there is no
    jitter and no projection: the priors alone bound the image.

    Args:
      natural: all other settings.
    """
    return replace(natural, jitter=1, radius=None, second=0, optimizer="lbfgs")


NATURALS = {"short": Natural(second=0), "mahendran": Natural(), "lbfgs": with_lbfgs(Natural())}
"""Name -> recipe of `jaxvis.invert`: one stage, the authors' two, and the one that comes
closer to the codes of deep layers with as many gradients."""


def without_priors(natural: Natural) -> Natural:
    """Gives the settings without priors, projection and jitter.

    Args:
      natural: the settings to strip.
    """
    return replace(natural, prior=0.0, radius=None, jitter=1)


def natural_stages(
    natural: Natural,
    *,
    size: Size,
    stride: int,
    steps: int = 300,
    channels: int = 3,
) -> tuple[Recipe, ...]:
    """Builds the one or two recipes that follow each other.

    Args:
      natural: the settings.
      size: (H, W) in pixels of what the network sees.
      stride: of the tap, in pixels.
      steps: of the first stage.
      channels: of the image that the network takes.
    """
    offsets = natural.offsets(stride)
    own = lbfgs(memory=20) if isinstance(natural.optimizer, str) else natural.optimizer

    def build(margin: int, eta: float, steps: int) -> Recipe:
        return Recipe(
            canvas=natural.canvas((size[0] + margin, size[1] + margin), channels=channels),
            view=Crop(size) if margin else None,
            optimizer=own or preimage_sgd(eta, rho=natural.rho),
            steps=steps,
            priors=natural.priors(channels=channels),
            projection=None if natural.radius is None else Ball(natural.radius),
            finish=Centre(size),
        )

    eta = natural.eta(size)
    first = build(offsets - 1, eta, steps)
    if not natural.second or natural.optimizer is not None:
        return (first,)
    return first, build(0, eta / 10, natural.second)


def solve_stages(
    net: Network,
    recipes: Sequence[Recipe],
    params: Params,
    items: Item,
    keys: Key,
    *,
    start: Any = None,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Runs recipes that follow each other, each from where the one before ended.

    Args:
      net: the network.
      recipes: as `natural_stages` builds them.
      params: the network's parameters.
      items: objectives, leaves `[N, ...]`.
      keys: `[N]` typed keys.
      start: the first z of every item; None asks the canvas.
      chunk, progress: see `jaxvis.optimize.solve`.

    Raises:
      Interrupted: as `jaxvis.optimize.runs.run_stages`.
    """

    def stage(recipe: Recipe, before: Run | None, progress: Progress) -> Run:
        begin = start if before is None else _cut_centre(before.z, recipe.canvas.image_size())
        problem = recipe.problem(net)
        return solve(problem, params, items, keys, start=begin, chunk=chunk, progress=progress)

    return run_stages([partial(stage, recipe) for recipe in recipes], progress=progress)


def _cut_centre(z: np.ndarray, size: Size) -> np.ndarray:
    """Cuts the middle out of every z `[N, H, W, c]`, where `Centre` finds the image."""
    top, left = ((have - want) // 2 for have, want in zip(z.shape[1:3], size))
    return z[:, top : top + size[0], left : left + size[1]]


def change_natural(natural: Natural, **options: Any) -> Natural:
    """Changes some of the settings; None leaves one as it is.

    Args:
      natural: the settings.
      **options: fields of `Natural`; a `rate` in words may be a number.

    Raises:
      ValueError: for a value without a meaning, or a setting of Algorithm 1 beside another
        optimizer.
    """
    given = {name: value for name, value in options.items() if value is not None}
    unused = [name for name in ("rate", "jitter", "second") if name in given]
    if natural.optimizer is not None and unused:
        raise ValueError(
            f"{unused[0]} is Algorithm 1's: leave it out, or take the preset mahendran"
        )
    if isinstance(given.get("rate"), str) and given["rate"] not in WHOSE:
        try:
            given["rate"] = float(given["rate"])
        except ValueError:
            pass  # the settings themselves say what a rate is
    return replace(natural, **given)
