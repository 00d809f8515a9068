"""Programs that XLA's CPU compiler keeps apart inside a step, and computes once.

XLA fuses an operation into everything that reads its result, and computes it again there.
What is costly but looks cheap is then computed several times: a sum of products, or the
hash of a key, which is computed again for every pixel that one drawn number touches. It
also schedules the operations of a step together, which some of them bear badly. A program
that is not inlined is spared both.
"""

from typing import Any

from jaxvis.compiler import Output, Program
from jaxvis.jax_internals import set_xla_metadata


def compute_apart(program: Program[Output], *args: Any) -> Output:
    """Returns `program(*args)`, computed as a program of its own where a CPU runs it.

    Args:
      program: from `jaxvis.jit`.
      *args: its arguments: static values, and arrays of any shapes.
    """
    with set_xla_metadata(inlineable="false"):
        return program(*args)
