"""Items on several devices: the same pictures, no device waits for another."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh
from tiny_nets import FunctionLoss, Grey

from jaxvis.optimize import Problem
from jaxvis.optimize.chunk_size import Sweep, max_chunk
from jaxvis.optimize.rules import adam

PROGRAM = Path(__file__).with_name("solve_on_devices.py")
CASES = (
    "chosen",
    "two together",
    "some done",
    "own networks",
    "one item",
    "search",
    "little memory",
)
SIZES = {
    ("chosen", 1): [8] * 8,
    ("chosen", 2): [10] * 4,  # five each, one of them a copy that fills the last place
    ("chosen", 8): [16] * 4,
    ("two together", 1): [2] * 20,
    ("two together", 2): [4] * 12,
    ("two together", 8): [10] * 4,  # five devices are enough
    ("some done", 1): [1] * 24,
    ("some done", 2): [2] * 12,  # six are missing, and no device makes one that is done
    ("some done", 8): [6] * 4,
    ("own networks", 1): [1] * 12,
    ("own networks", 2): [2] * 8,
    ("own networks", 8): [1] * 12,  # too few for eight cores: each uses all of them
    ("one item", 2): [1] * 4,
    ("one item", 8): [1] * 4,
    ("little memory", 1): [1] * 36,  # the estimate of the program leaves room for one
    ("little memory", 2): [2] * 20,
    ("little memory", 8): [3] * 12,  # three devices, one item each
}
"""Case and devices -> how many items each step took."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Returns devices -> what the program wrote with so many of them."""
    folder, tests = tmp_path_factory.mktemp("devices"), PROGRAM.parent.parent
    found, env = {}, {**os.environ, "PYTHONPATH": str(tests)}
    for devices in (1, 2, 8):
        path = folder / f"{devices}.npz"
        command = [sys.executable, str(PROGRAM), str(devices), str(path)]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        with np.load(path) as arrays:
            found[devices] = dict(arrays)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 8])
@pytest.mark.parametrize("case", CASES)
def test_results_do_not_depend_on_the_number_of_devices(results, case, devices):
    one, many = results[1], results[devices]
    assert one[f"{case}/status"].tolist() == many[f"{case}/status"].tolist()
    made = np.isfinite(one[f"{case}/image"])
    assert made.any() and (made == np.isfinite(many[f"{case}/image"])).all()
    for name in ("image", "loss"):
        before, now = one[f"{case}/{name}"], many[f"{case}/{name}"]
        np.testing.assert_allclose(now, before, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "devices"), SIZES)
def test_a_step_takes_a_chunk_of_every_device(results, case, devices):
    assert results[devices][f"{case}/sizes"].tolist() == SIZES[case, devices]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_no_device_waits_for_another(results, case):
    assert results[2][f"{case}/collectives"].tolist() == []
    assert results[8][f"{case}/collectives"].tolist() == []
    # The same search finds what a sum over all devices needs.
    assert results[8]["collectives_of_a_sum"].tolist() == ["all-reduce"]


@pytest.mark.slow
def test_a_batch_shrinks_on_every_device(results):
    for devices, first, last in ((1, 3, 1), (2, 6, 2)):
        sizes = results[devices]["search/sizes"].tolist()
        assert sizes[0] == first and min(sizes) == last


@pytest.mark.slow
def test_the_chunk_of_a_run_is_that_of_one_device(results):
    assert set(results[2]["chosen/chunk"].tolist()) == {5}
    assert set(results[2]["two together/chunk"].tolist()) == {2}
    assert set(results[8]["chosen/chunk"].tolist()) == {2}


@pytest.mark.parametrize(
    ("side", "count", "chosen"),
    [
        (64, 100, 8),
        (96, 100, 4),
        (128, 100, 2),
        (224, 100, 2),
        (512, 100, 1),
        (64, 18, 5),
        (64, 2, 1),
    ],
)
def test_a_core_takes_few_pictures_together(side, count, chosen):
    canvas = Grey((side, side))
    problem = Problem(FunctionLoss(lambda *arguments: None), canvas, adam(0.1), 1)
    keys = jax.random.split(jax.random.key(0), count)
    mesh = AbstractMesh((2,), ("items",))
    sweep = Sweep({}, None, np.zeros(count), keys, None, None, mesh)
    assert max_chunk(problem, sweep) == chosen


def test_this_process_has_one_device():
    # The other tests of this folder rely on it.
    assert len(jax.devices()) == 1
