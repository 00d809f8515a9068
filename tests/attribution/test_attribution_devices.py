"""Heatmaps on several devices are those of one, whatever the axis that they share."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("explain_on_devices.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Returns devices -> the heatmaps that the program wrote with so many of them."""
    folder, found = tmp_path_factory.mktemp("devices"), {}
    env = {**os.environ, "PYTHONPATH": str(PROGRAM.parent.parent)}
    for devices in (1, 3):
        path = folder / f"{devices}.npz"
        command = [sys.executable, str(PROGRAM), str(devices), str(path)]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        with np.load(path) as arrays:
            found[devices] = dict(arrays)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["images", "scores", "samples", "kept"])
def test_heatmaps_do_not_depend_on_the_number_of_devices(results, shared):
    one, three = results[1][shared], results[3][shared]
    assert one.shape == three.shape and np.abs(one).max() > 0
    np.testing.assert_allclose(three, one, atol=2e-6 * np.abs(one).max())
