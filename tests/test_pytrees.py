"""Dataclasses as pytrees: numbers are leaves, all else belongs to the program."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import compilations

from jaxvis.pytrees import register_parts


@register_parts("weight", "parts")
@dataclass(frozen=True)
class Part:
    name: str
    weight: Any = 1.0
    parts: Any = ()
    checked: bool = field(default=True, kw_only=True)

    def __post_init__(self):
        if self.checked and self.weight < 0:
            raise ValueError("below zero")


def test_numbers_and_arrays_of_data_fields_are_the_leaves():
    array = np.arange(3)
    part = Part("a", 2.0, {"x": 3, "y": (array, np.float32(4)), "z": "word", "f": abs})
    leaves, tree = jax.tree.flatten(part)
    assert leaves[0] == 2.0 and leaves[1] == 3 and leaves[2] is array and leaves[3] == 4
    assert len(leaves) == 4
    assert jax.tree.unflatten(tree, leaves) == part


def test_what_is_no_number_belongs_to_the_structure():
    structure = jax.tree.structure
    assert structure(Part("a", 1.0, (len,))) == structure(Part("a", 2.0, (len,)))
    assert hash(structure(Part("a", 1.0, (len,)))) == hash(structure(Part("a", 2.0, (len,))))
    for other in (Part("b", 1.0, (len,)), Part("a", 1.0, (abs,)), Part("a", 1.0, (len, len))):
        assert structure(Part("a", 1.0, (len,))) != structure(other)
    assert structure(Part("a")) != structure(Part("a", checked=False))


def test_truth_values_and_missing_values_are_no_numbers():
    part = Part("a", 1.0, (True, None, False))
    assert jax.tree.leaves(part) == [1.0]
    assert jax.tree.map(lambda x: x, part) == part


def test_registered_parts_nest():
    part = Part("a", 1.0, (Part("b", 2.0, (len,)), Part("c", 3.0)))
    doubled = jax.tree.map(lambda x: 2 * x, part)
    assert doubled == Part("a", 2.0, (Part("b", 4.0, (len,)), Part("c", 6.0)))


def test_checks_are_not_run_on_what_is_rebuilt():
    """The leaves may be tracers, or placeholders of JAX, which cannot be compared."""
    part = Part("a")
    assert jax.tree.map(lambda x: -x, part).weight == -1.0
    assert jax.tree.map(lambda x: object(), part).name == "a"
    with pytest.raises(ValueError, match="below zero"):
        Part("a", -1.0)


def test_new_numbers_never_compile_again():
    @jax.jit
    def apply(part, x):
        for one in part.parts:
            x = one(x)
        return part.weight * x

    x = jnp.ones(3)
    first, second = (Part("a", np.float32(w), (jnp.tanh,)) for w in (1.0, 3.0))
    found = apply(first, x)
    assert compilations(lambda: apply(second, x)) == 0
    np.testing.assert_allclose(apply(second, x), 3 * found, rtol=1e-6)
    assert compilations(lambda: apply(Part("a", np.float32(1), (jnp.sin,)), x)) == 1
