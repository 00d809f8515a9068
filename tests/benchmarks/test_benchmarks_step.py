"""Which steps are measured, and what is aimed at."""

import pytest

from benchmarks.speed import step
from jaxvis.nets.registry import NETS


@pytest.fixture
def asked(monkeypatch):
    """Returns the list of (network, batch) that will have been measured at 224 pixels."""
    found = []

    def measure_step(name, side, batch, *, pairs, compiled):
        assert side == step.SIDE
        found.append((name, batch))

    monkeypatch.setattr(step, "measure_step", measure_step)
    return found


def test_every_step_with_a_target_is_measured(asked):
    step.measure(False)
    assert asked == [(name, batch) for name, targets in step.TARGETS.items() for batch in targets]
    assert len(set(asked)) == len(asked) >= 19


def test_what_is_measured_quickly_has_a_target_too(asked):
    step.measure(True)
    assert all(batch in step.TARGETS[name] for name, batch in asked)


def test_every_network_is_known():
    assert set(step.TARGETS) <= set(NETS)
