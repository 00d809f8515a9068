"""The generators' benchmark: how gradients are compared, what is registered."""

import numpy as np

from benchmarks.harness import registry
from benchmarks.speed import generators
from jaxvis.generators.deep import despraz_generator


def test_gradients_are_compared_as_one_vector():
    ours = {"a": np.array([[3.0, 0.0]]), "b": np.array([4.0])}
    same = {"a": 2 * ours["a"], "b": 2 * ours["b"]}
    other = {"a": np.array([[0.0, 5.0]]), "b": np.array([0.0])}
    assert abs(generators.gradient_distance(ours, same)) < 1e-12
    assert generators.gradient_distance(ours, other) == 1.0
    assert generators.gradient_distance(ours, {**ours, "b": -ours["b"]}) > 1


def test_the_generator_dominates_what_is_measured():
    assert registry.NAMES["generators"] == generators.__name__
    assert despraz_generator().size == (224, 224)
    assert generators.SMALL.size[0] >= 28
