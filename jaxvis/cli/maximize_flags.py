"""Flags of what is maximised together: several units in one picture, several pictures."""

from dataclasses import dataclass

from jaxvis.cli.flags import Count, Text


@dataclass(frozen=True)
class TogetherFlags:
    """What else a picture excites, and what pictures of one unit have to do with each other."""

    also: Text = None
    """Further channels that every picture is to excite, TAP:INDEX or TAP:INDEX:WEIGHT,
    separated by commas, such as mixed4a:12,mixed5b:3:-0.5; a negative weight avoids one."""
    diverse: Count = None
    """Pictures of each, at least 2, that are made as different as the unit allows."""
    diversity: float = 0.1
    """How much the likeness of such pictures counts; 0 leaves them independent."""
    redirect: Count = None
    """First steps in which gradients pass through dead ReLUs, for units that are dead at the
    start; 16 of cppn, none of others, if left out."""


TOGETHER = TogetherFlags()
"""The defaults, for signatures of commands."""
