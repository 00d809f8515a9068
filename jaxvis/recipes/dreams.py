"""Recipes of DeepDream."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DreamRecipe:
    """A way to dream: how often, at what sizes, and how fast an image changes.

    Args:
      octaves: how many sizes, each `octave_scale` times the one before.
      octave_scale: ratio of neighbouring octaves, above 1.
      steps: updates per octave.
      step_size: mean change of a step in grey levels of 255.
      jitter: largest circular shift, in pixels.

    Raises:
      ValueError: for no octave, or a ratio that is not above 1.

    >>> import jaxvis
    >>> jaxvis.recipes.DreamRecipe(octaves=2, jitter=8)
    DreamRecipe(octaves=2, octave_scale=1.4, steps=10, step_size=1.5, jitter=8)
    """

    octaves: int = 4
    octave_scale: float = 1.4
    steps: int = 10
    step_size: float = 1.5
    jitter: int = 32

    def __post_init__(self) -> None:
        """Checks the octaves."""
        if self.octaves < 1 or not self.octave_scale > 1:
            raise ValueError("octaves must be at least 1 and octave_scale above 1")


DREAMS = {"deepdream": DreamRecipe()}
"""Name -> recipe of `jaxvis.dream`."""
