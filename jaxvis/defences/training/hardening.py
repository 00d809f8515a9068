"""How a network is made robust: the options of robust training."""

from dataclasses import dataclass
from typing import Literal, get_args

from jaxvis.types import View

Method = Literal["pgd", "free", "trades", "ibp", "crown_ibp", "clean"]
"""pgd: on attacked images (Madry et al. 2018); free: with one gradient for attack and weights
(Shafahi et al. 2019); trades: clean images, and attacked ones beside them (Zhang et al. 2019);
ibp, crown_ibp: on certified bounds (Gowal et al. 2018; Zhang et al. 2020); clean: ordinary."""
CERTIFIED = ("ibp", "crown_ibp")


@dataclass(frozen=True)
class Hardening:
    """How long a network is trained, how fast, and against what.

    Args:
      steps: batches in all.
      batch: images of one.
      learning_rate: of Adam; it falls to 0 along a cosine.
      attack_steps: of the attack on each batch; for free how often a batch is used.
      step_size: of the attack, in units of epsilon; None takes 2.5 / attack_steps, and 1
        for free.
      beta: what TRADES weighs the attacked images with.
      ramp: for bounds, the part of the steps in which epsilon and their weight grow.
      bound_share: for bounds, their weight after that; the rest is the clean images'.
      view: `(key, image) -> image`, what is done to an image before it is attacked, such as
        a random shift, or for the method "clean" the noise of `jaxvis.smooth`; None does
        nothing.
      seed: of the batches, the attacks and the views.

    Raises:
      ValueError: for a number outside its range.

    >>> import jaxvis
    >>> how = jaxvis.defences.Hardening(steps=200, attack_steps=3, view=jaxvis.views.Roll(4))
    >>> how.batch, how.view
    (64, Roll(pixels=4))
    """

    steps: int = 1000
    batch: int = 64
    learning_rate: float = 1e-3
    attack_steps: int = 7
    step_size: float | None = None
    beta: float = 6.0
    ramp: float = 0.5
    bound_share: float = 0.5
    view: View | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks all numbers, and raises ValueError for one outside its range."""
        for name in ("steps", "batch", "attack_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "beta"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is above 0, not {getattr(self, name)}")
        if self.step_size is not None and not self.step_size > 0:
            raise ValueError(f"step_size is above 0, not {self.step_size}")
        for name in ("ramp", "bound_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is from 0 to 1, not {getattr(self, name)}")


def check_method(method: str, norm: str) -> None:
    """Refuses an unknown method of training, or one that does not know a norm.

    Args:
      method: a name of `Method`.
      norm: the norm of the ball.

    Raises:
      ValueError: names what there is.
    """
    if method not in get_args(Method):
        raise ValueError(f"method is one of {', '.join(get_args(Method))}, not {method!r}")
    if norm not in ("linf", "l2"):
        raise ValueError(f"norm is 'linf' or 'l2' in a training, not {norm!r}")
    if norm != "linf" and method in CERTIFIED:
        raise ValueError(f"{method} bounds the norm 'linf' alone, not {norm!r}")
