"""How far the numbers of flags may go, checked before any command begins its work.

Methods check what belongs to them; here are the mistakes that no method should see: numbers
that are not finite, signs that mean nothing, and counts that no machine would get through.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

LARGEST = 1e9
"""The largest number of a flag that has no limit of its own."""


class Limit(NamedTuple):
    """The numbers that a flag takes.

    Attributes:
      low: the smallest number, or the one that it must be above where `open`.
      high: the largest.
      open: whether `low` itself is refused.
    """

    low: float = 0
    high: float = LARGEST
    open: bool = False

    def holds(self, value: float) -> bool:
        """Says whether a number is within the limits; one that is not finite never is.

        Args:
          value: the number.
        """
        return self.low <= value <= self.high and not (self.open and value == self.low)

    def __str__(self) -> str:
        """The limits in words."""
        low = f"above {self.low:g}" if self.open else f"from {self.low:.10g}"
        return f"{low} to {self.high:.10g}"


SOME, ABOVE_ZERO, SHARE = Limit(1, 10**6), Limit(open=True), Limit(0, 1)

LIMITS = {
    # How many, and how long.
    "seeds": SOME,
    "chunk": SOME,
    "steps": Limit(1, 10**7),
    "attack_steps": SOME,
    "save_every": Limit(1, 10**7),
    "copies": SOME,
    "networks": SOME,
    "shard": SOME,
    "workers": SOME,
    "candidates": SOME,
    "starts": SOME,
    "most": SOME,
    "top": SOME,
    "lit": Limit(0, 10**4),
    "count": SOME,
    "samples": SOME,
    "second": Limit(0, 10**7),
    "restarts": SOME,
    "queries": SOME,
    "diverse": SOME,
    "redirect": Limit(0, 10**7),
    "parts": SOME,
    "gpus": Limit(1, 1000),
    "per_tar": Limit(1, 10**7),
    "batch": Limit(1, 10**5),
    "validate_every": Limit(1, 10**7),
    "checkpoint_seconds": Limit(),
    "timeout": ABOVE_ZERO,
    "port": Limit(0, 65535),
    "seed": Limit(0, 2**32 - 1),
    # Shapes, in pixels or layers.
    "jitter": Limit(0, 10**4),
    "octaves": Limit(1, 32),
    "octave_scale": Limit(1, 16, open=True),
    "scales": Limit(1, 16),
    "tile": Limit(1, 16384),
    "window": Limit(1, 1000),
    "patch": Limit(1, 16384),
    "stride": Limit(1, 16384),
    "levels": Limit(1, 16),
    "passes": Limit(1, 1000),
    "beam": Limit(1, 10**4),
    "pixels": Limit(1, 1024),
    "clusters": SOME,
    "least": SOME,
    "side": Limit(1, 16384),
    "crops": Limit(1, 64),
    "grid": Limit(1, 100),
    "groups": Limit(1, 100),
    "width": Limit(1, 4096),
    "blocks": Limit(0, 1000),
    "classes_count": SOME,
    "channels": Limit(1, 1000),
    # Rates, weights and shares.
    "learning_rate": Limit(0, 1000, open=True),
    "step_size": Limit(0, 10**4, open=True),
    "fidelity": ABOVE_ZERO,
    "exponent": Limit(0, 100, open=True),
    "gain": ABOVE_ZERO,
    "style_scale": Limit(0, 100, open=True),
    "sigma": ABOVE_ZERO,
    "concentration": ABOVE_ZERO,
    "alpha": Limit(0, 1e15),
    "beta": Limit(0, 1e15),
    "gamma": Limit(0, 1e15),
    "others": Limit(),
    "diversity": Limit(),
    "alignment": Limit(),
    "strength": Limit(),
    "denoise": Limit(),
    "total_variation": Limit(),
    "tolerance": Limit(),
    "leak": SHARE,
    "noise": SHARE,
    "validation": Limit(0, 0.9),
}
"""Flag -> the numbers that it takes, in every command that has it."""


def check_numbers(flags: Mapping[str, Any]) -> None:
    """Checks the numbers of a command's flags.

    Args:
      flags: flag's name, as the signature has it -> value.

    Raises:
      ValueError: names the flag, and says what it takes.
    """
    for name, value in flags.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        limit = LIMITS.get(name, Limit(-LARGEST))
        if not limit.holds(value):
            shown = str(value) if math.isfinite(value) and abs(value) < 1e16 else f"{value:.3g}"
            raise ValueError(f"--{name.replace('_', '-')} goes {limit}, not {shown}")
