"""Where a step's time goes: operations are recorded, and sorted by kind."""

from collections import Counter

import jax.numpy as jnp

import jaxvis
from benchmarks.speed import profile


def test_operations_of_a_program_are_recorded():
    multiply = jaxvis.jit(lambda x: jnp.sin(x @ x))
    x = jnp.ones((64, 64))
    multiply(x).block_until_ready()
    found = profile.record_operations(lambda: multiply(x).block_until_ready())
    assert found and min(found.values()) > 0


def test_operations_are_sorted_by_kind():
    spent = Counter({"dot.3": 2.0, "conv_general_dilated": 1.0, "add_fusion.1": 0.5, "fft.2": 0.5})
    kinds = profile.sort_by_kind(spent)
    assert kinds[profile.REST] == 0.5 and kinds["convolutions by XLA"] == 1.0
    assert sum(kinds.values()) == 4.0
    lines = profile.format_table(kinds, 2.0, most=2)
    assert len(lines) == 2 and lines[0].startswith("   1.000 ms  50.0 %  matrix products")
