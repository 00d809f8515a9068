"""Which devices items go to, and how a CPU's cores become devices."""

import logging
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis import devices
from jaxvis.devices import copy_to_all, find_devices, make_mesh, split_items, usable_cores

START = "import jax, jaxvis; print(jaxvis.use_cores(count={}), len(jax.devices()))"
SHARE = """
import jax, numpy as np, jaxvis
from jaxvis.devices import copy_to_all, find_devices, make_mesh, split_items
jaxvis.use_cores(count=3)
mesh = make_mesh(find_devices({}))
whole = jax.device_put(np.ones((512, 512), np.float32), jax.devices()[0])
tree = copy_to_all({"a": whole, "key": jax.random.key(0)}, mesh)
places = {shard.data.unsafe_buffer_pointer() for shard in tree["a"].addressable_shards}
parts = split_items({"x": np.arange(6), "keys": jax.random.split(jax.random.key(0), 6)}, mesh)
there = jax.device_put(np.ones(2), jax.devices()[1])
print(mesh.size, len(places), places == {whole.unsafe_buffer_pointer()})
print([shard.data.tolist() for shard in parts["x"].addressable_shards])
print([device.id for device in find_devices({"a": 1.0, "b": there})])
with jax.default_device(jax.devices()[2]):
    print([device.id for device in find_devices({"a": jax.numpy.ones(2)})])
"""


def run(program, **variables):
    """Returns the lines that a program prints in a process of its own, and its log."""
    env = {k: v for k, v in os.environ.items() if "XLA_FLAGS" not in k and "JAX_NUM" not in k}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_cores_become_devices_before_jax_starts():
    assert run(START.format(3))[0] == ["3 3"]
    assert run(START.format(None))[0] == [f"{usable_cores()} {usable_cores()}"]


def test_settings_of_the_environment_win():
    assert run(START.format(3), JAX_NUM_CPU_DEVICES="2")[0] == ["2 2"]
    flags = "--xla_force_host_platform_device_count=4"
    assert run(START.format(3), XLA_FLAGS=flags)[0] == ["4 4"]


def test_it_is_said_when_it_is_too_late(caplog):
    with caplog.at_level(logging.WARNING, "jaxvis"):
        assert jaxvis.use_cores(count=5) == len(jax.devices())
    assert "right after the imports" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "jaxvis"):
        assert jaxvis.use_cores(count=len(jax.devices())) == len(jax.devices())
    assert not caplog.text


def test_a_process_without_a_cpu_has_no_cores(monkeypatch, caplog):
    def refuse(name=None):
        raise RuntimeError("Unknown backend cpu")

    monkeypatch.setattr(jax, "devices", refuse)
    with caplog.at_level(logging.WARNING, "jaxvis"):
        assert jaxvis.use_cores(count=5) == 0
    assert not caplog.text


def test_there_is_at_least_one_core():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        jaxvis.use_cores(count=0)


def test_cores_share_one_copy_and_items_are_split():
    sizes, parts, there, default = run(SHARE)[0]
    assert sizes == "3 1 True"
    assert parts == "[[0, 1], [2, 3], [4, 5]]"
    assert (there, default) == ("[1]", "[2]")


def test_one_device_needs_no_mesh():
    tree = {"a": np.ones(2), "b": jnp.ones(3)}
    assert make_mesh(find_devices(tree)) is None
    assert copy_to_all(tree, None) is tree and split_items(tree, None) is tree


def test_cores_are_counted_where_the_system_names_none(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert devices.usable_cores() == 1
