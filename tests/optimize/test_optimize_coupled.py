"""How many generators go together."""

import jax
import pytest

from jaxvis.generators.deep import DeepGenerator
from jaxvis.generators.drawing import Driven, Learned
from jaxvis.optimize import Problem
from jaxvis.optimize.coupled import Coupled, _size
from jaxvis.optimize.optimizers import adam

TABLE = DeepGenerator(start=(2, 2, 3), stages=((4, 2),))


@pytest.mark.parametrize(
    "canvas, backend, chunk, size",
    [
        (Learned(TABLE), "cpu", None, 1),
        (Learned(TABLE), "cpu", 4, 4),
        (Learned(TABLE), "gpu", None, None),
        (Driven(TABLE), "cpu", None, None),
    ],
)
def test_generators_of_their_own_go_one_by_one_on_a_cpu(
    canvas, backend, chunk, size, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    problem = Problem(lambda *_: None, canvas, adam(0.1), 1)
    assert _size(Coupled(problem, {}, None, "none"), chunk) == size
