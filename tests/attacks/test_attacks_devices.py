"""Attacks on several devices: the same pictures, no device waits for another."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("attack_on_devices.py")
CASES = ("pgd", "chunk", "square", "fab", "one")

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize("devices", [2, 8])
@pytest.mark.parametrize("case", CASES)
def test_results_do_not_depend_on_the_number_of_devices(results, case, devices):
    one, many = results[1], results[devices]
    for name in ("success", "status", "label", "epsilon"):
        np.testing.assert_array_equal(many[f"{case}/{name}"], one[f"{case}/{name}"])
    assert np.isfinite(many[f"{case}/image"]).all()
    for name in ("image", "distance"):
        np.testing.assert_allclose(many[f"{case}/{name}"], one[f"{case}/{name}"], atol=2e-4)


@pytest.mark.parametrize("case", CASES)
def test_something_was_fooled_and_something_was_not(results, case):
    success = results[1][f"{case}/success"]
    assert case == "one" or (success.any() and not success.all())


@pytest.mark.parametrize("case", CASES)
def test_no_device_waits_for_another(results, case):
    assert results[2][f"{case}/collectives"].tolist() == []
    assert results[8][f"{case}/collectives"].tolist() == []
