"""How many generators go together."""

from unittest.mock import MagicMock

import jax
import numpy as np
import pytest

from jaxvis.generators.deep import DeepGenerator
from jaxvis.generators.drawing import Driven, Learned
from jaxvis.optimize import Problem, memory
from jaxvis.optimize import chunk_size as fitting
from jaxvis.optimize.rules.first_order import adam

TABLE = DeepGenerator(start=(2, 2, 3), stages=((4, 2),))


@pytest.mark.parametrize(
    "canvas, backend, size",
    [
        (Learned(TABLE), "cpu", 1),
        (Learned(TABLE), "gpu", 20),
        (Driven(TABLE), "cpu", memory.CPU_ITEMS),
    ],
)
def test_generators_of_their_own_go_one_by_one_on_a_cpu(canvas, backend, size, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    problem = Problem(lambda *_: None, canvas, adam(0.1), 1)
    assert fitting.together(problem, None, 20) == size


def test_generators_of_their_own_go_together_where_a_chunk_is_asked_for(monkeypatch):
    monkeypatch.setattr(fitting, "_traced", MagicMock())
    monkeypatch.setattr(memory, "taken", lambda *_: 0)
    problem = Problem(lambda *_: None, Learned(TABLE), adam(0.1), 1)
    sweep = (None, np.zeros(20), None, None)
    assert fitting.fitting(problem, {}, sweep, None, chunk=4) == 4
    assert fitting.fitting(problem, {}, sweep, None) == 1
