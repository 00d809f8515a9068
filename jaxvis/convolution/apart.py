"""Programs that XLA's CPU compiler keeps apart inside a step, and computes once.

XLA fuses an operation into everything that reads its result, and computes it again there.
What is costly but looks cheap, like a sum of products, is then computed several times. It
also schedules the operations of a step together, which some of them bear badly. A program
that is not inlined is spared both.
"""

from typing import Any

from jaxvis.compiler import Program
from jaxvis.jax_internals import set_xla_metadata
from jaxvis.types import Array


def compute_apart(program: Program[Array], *args: Any) -> Array:
    """Returns `program(*args)`, computed as a program of its own where a CPU runs it.

    Args:
      program: from `jaxvis.jit`.
      *args: its arguments: static values, and arrays of any shapes.
    """
    with set_xla_metadata(inlineable="false"):
        return program(*args)
