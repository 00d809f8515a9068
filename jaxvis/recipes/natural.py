"""Natural pre-images: the objective, its constants, its one or two stages.

What inversion, maximisation and caricature share: x in grey levels around the mean
colour, min over x of C E(x) + R_alpha(x) + R_TV(x) inside the ball |x| <= B+, by
Algorithm 1 with jitter. Every place where the authors' code departs from the paper's
print is an option of `Natural`, set to the code's value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import optax

from jaxvis.images import MEAN
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.priors import BoundedRange, TotalVariation
from jaxvis.loss.views import Centre, Crop
from jaxvis.network import Network
from jaxvis.optimize.problem import Ball, Problem
from jaxvis.optimize.rules.preimage_sgd import learning_rate, preimage_sgd
from jaxvis.optimize.solve import OnChunk, solve
from jaxvis.recipes.jitter import START, extent
from jaxvis.types import Item, Key, Params, Run, Status

GREY = 255.0
WHOSE = ("code", "print")
"""Values of `rate` and `norm`: as the authors' code has it, or as the paper prints it.
"""


@dataclass(frozen=True)
class Natural:
    """Returns the constants of natural pre-images; equal settings never recompile.

    Args:
      bound: B in grey levels, the typical length of a pixel's RGB vector.
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
      grey: whether the image has one channel (HOG and SIFT see grey levels alone).
      norm: 1/Z of Eq. 4: "code", 10^4 / (M rho^2) for maximisation and 1 / |r|^2 for
        caricature; "print", M rho^2 and 1 / |Phi0|.

    Raises:
      ValueError: for a constant that is not positive, or an unknown rate or norm.

    Source: Mahendran & Vedaldi (IJCV 2016), 3.2-3.4, Eq. 5-7, Algorithm 1; the
      authors' code where it differs.
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

    def __post_init__(self) -> None:
        """Raises ValueError for constants without a meaning."""
        if isinstance(self.rate, str) and self.rate not in WHOSE:
            raise ValueError(f"rate is 'code', 'print' or a number, not {self.rate!r}")
        if self.norm not in WHOSE:
            raise ValueError(f"norm is 'code' or 'print', not {self.norm!r}")
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
        """Returns the learning rate for an image of `size` (H, W) pixels."""
        if self.rate == "code":
            return learning_rate(size, bound=self.bound, alpha=self.alpha)
        if self.rate == "print":
            return 0.01 * self.bound**2 / self.alpha
        return float(self.rate)

    def offsets(self, stride: int) -> int:
        """Returns J for a tap of `stride` pixels."""
        if self.jitter is not None:
            return self.jitter
        return 1 if self.grey else extent(stride)

    def canvas(self, size: tuple[int, int]) -> Pixels:
        """Returns the canvas of `size` (H, W) pixels: grey levels around the mean."""
        channels = 1 if self.grey else 3
        start = START * self.bound / 80
        return Pixels(size, center=self._center(), scale=GREY, init_range=start, channels=channels)

    def priors(self) -> tuple[Weighted, ...]:
        """Returns R_alpha and R_TV, of a canvas of one channel as of that channel."""
        if not self.prior:
            return ()
        # One channel repeated is sqrt 3 times as long and has three variations.
        copies = 3 if self.grey else 1
        bound = self.bound / GREY
        slope = bound / 6.5 if self.slope is None else self.slope / GREY
        bounded = BoundedRange(
            self.alpha, bound * copies**0.5, self._center(), exponent=self.exponent
        )
        return (
            Weighted("bounded_range", self.prior, bounded),
            Weighted("total_variation", self.prior / copies, TotalVariation(self.beta, slope)),
        )

    def _center(self) -> tuple[float, float, float]:
        grey = sum(MEAN) / 3
        return (grey, grey, grey) if self.grey else MEAN


def bare(natural: Natural) -> Natural:
    """Returns the arm without a regulariser: no priors, no wall, no jitter.

    Args:
      natural: the settings to strip.
    """
    return replace(natural, prior=0.0, radius=None, jitter=1)


def stages(
    net: Network,
    natural: Natural,
    *,
    size: tuple[int, int],
    stride: int,
    steps: int = 300,
    optimizer: optax.GradientTransformation | None = None,
) -> tuple[Problem, ...]:
    """Returns the one or two problems that follow each other, of one item.

    Args:
      net: the network.
      natural: the settings.
      size: (H, W) in pixels of what the network sees.
      stride: of the tap, in pixels.
      steps: of the first stage.
      optimizer: instead of Algorithm 1, in grey levels; build it once.
    """
    offsets = natural.offsets(stride)

    def stage(margin: int, eta: float, steps: int) -> Problem:
        canvas = natural.canvas((size[0] + margin, size[1] + margin))
        view = Crop(size) if margin else None
        loss = compose(net, canvas, view=view, priors=natural.priors())
        wall = None if natural.radius is None else Ball(natural.radius)
        moves = optimizer or preimage_sgd(eta, rho=natural.rho)
        finish = Centre(size)
        return Problem(loss, canvas, moves, steps, projection=wall, finish=finish)

    eta = natural.eta(size)
    first = stage(offsets - 1, eta, steps)
    if not natural.second:
        return (first,)
    return first, stage(0, eta / 10, natural.second)


def pursue(
    problems: tuple[Problem, ...],
    params: Params,
    items: Item,
    key: Key,
    *,
    start: Any = None,
    chunk: int | None = None,
    progress: bool = False,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns the Run of stages that follow each other, their traces in one.

    Args:
      problems: as `stages` returns them.
      params: the network's parameters.
      items: objectives, leaves `[N, ...]`.
      key: a typed random key.
      start: the first z of every item; None asks the canvas.
      chunk, progress: see `jaxvis.optimize.solve`.
      on_chunk: of the last stage, see `jaxvis.optimize.solve`.
    """
    run, before = None, []
    for i, problem in enumerate(problems):
        last = i == len(problems) - 1
        run = solve(
            problem,
            params,
            items,
            key,
            start=start,
            chunk=chunk,
            progress=progress,
            on_chunk=on_chunk if last else None,
        )
        before.append(run.trace)
        # Whoever interrupts the first stage does not want the second one.
        if last or np.any(run.trace["status"] == Status.UNFINISHED):
            break
        start = _centred(run.z, problems[i + 1].canvas.size)
    return run._replace(trace=_joined(before))


def _centred(z: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the middle of every z `[N, H, W, c]`, where `Centre` finds the image."""
    top, left = ((have - want) // 2 for have, want in zip(z.shape[1:3], size))
    return z[:, top : top + size[0], left : left + size[1]]


def _joined(traces: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns traces along their steps; an item that failed once has failed."""
    joined = {
        name: np.concatenate([trace[name] for trace in traces], axis=-1)
        for name in traces[0]
        if name != "status"
    }
    failed = np.any([trace["status"] == Status.FAILED for trace in traces], axis=0)
    joined["status"] = np.where(failed, np.int8(Status.FAILED), traces[-1]["status"])
    return joined


def repeated(tree: Any, count: int) -> Any:
    """Returns a pytree with a new leading axis of `count` copies.

    Args:
      tree: the pytree.
      count: copies.
    """
    return jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], count, 0), tree)


def departed(natural: Natural, **options: Any) -> Natural:
    """Returns settings with some of them changed; None leaves one as it is.

    Args:
      natural: the settings.
      **options: fields of `Natural`; a `rate` in words may be a number.

    Raises:
      ValueError: for a value without a meaning.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(given.get("rate"), str) and given["rate"] not in WHOSE:
        try:
            given["rate"] = float(given["rate"])
        except ValueError:
            pass  # the settings themselves say what a rate is
    return replace(natural, **given)
