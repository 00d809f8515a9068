"""Where arrays are, and which of two ways a program takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, NamedSharding, PartitionSpec

from jaxvis import platform
from jaxvis.platform import on_cpu, place_of, platform_of


class Array:
    """Stands for a JAX array on another device; only `devices` is asked."""

    def __init__(self, platform):
        self.platform = platform

    def devices(self):
        return {self}


@pytest.fixture
def elsewhere(monkeypatch):
    """Makes stand-ins count as JAX arrays, and returns one that lies on a GPU."""

    class Jax:
        Array, Device = (jax.Array, Array), jax.Device
        ShapeDtypeStruct, typeof = jax.ShapeDtypeStruct, jax.typeof
        tree, errors, config, devices = jax.tree, jax.errors, jax.config, jax.devices

    monkeypatch.setattr(platform, "jax", Jax)
    return Array("gpu")


def test_the_first_jax_array_decides(elsewhere):
    here = jnp.ones(2)
    assert platform_of(here) == "cpu" and platform_of(elsewhere) == "gpu"
    assert platform_of({"a": np.ones(2), "b": elsewhere, "c": here}) == "gpu"
    assert platform_of([here, elsewhere]) == "cpu"
    assert platform_of(jax.random.key(0)) == "cpu"


@pytest.mark.parametrize("tree", [(), np.ones(2), 1.0, jax.ShapeDtypeStruct((2,), "float32")])
def test_without_arrays_the_default_device_decides(tree, monkeypatch):
    assert platform_of(tree) == jax.devices()[0].platform
    with jax.default_device(jax.devices("cpu")[0]):
        assert platform_of(tree) == "cpu"
    with jax.default_device("cpu"):
        assert platform_of(tree) == "cpu"
    # No device but the CPU's is sure to be here.
    monkeypatch.setattr(jax, "devices", lambda backend=None: [Array(backend or "tpu")])
    assert platform_of(tree) == "tpu"
    with jax.default_device("gpu"):
        assert platform_of(tree) == "gpu"


def test_an_array_that_is_traced_has_no_place(monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda backend=None: [Array("tpu")])
    seen = []

    def look(x):
        seen.append(platform_of(x))
        return x

    jax.eval_shape(look, jnp.ones(2))
    jax.make_jaxpr(jax.vmap(look))(jnp.ones(2))
    jax.make_jaxpr(jax.grad(look))(1.0)
    assert seen == ["tpu"] * 3
    assert platform_of(jnp.ones(2)) == "cpu"


def describe(platform, count=1):
    device = AbstractDevice(platform, None, platform)
    mesh = AbstractMesh((count,), ("items",), abstract_device=device)
    return jax.ShapeDtypeStruct((4, 2), "float32", sharding=NamedSharding(mesh, PartitionSpec()))


def test_a_description_lies_where_its_sharding_says():
    there = describe("gpu", 8)
    assert place_of(there) == ("gpu", 8) and platform_of(describe("tpu")) == "tpu"
    assert platform_of([there, jnp.ones(2)]) == "gpu" and platform_of([jnp.ones(2), there]) == "cpu"
    assert platform_of([np.ones(2), "a word", there]) == "gpu"


def test_what_is_traced_from_a_description_lies_there_too():
    seen = []

    def look(x):
        seen.append(place_of({"kernel": x}))
        return choose(x)

    traced = jax.jit(jax.vmap(look)).trace(describe("gpu", 2))
    assert seen == [("gpu", 2)]
    # The program itself is still for every platform.
    assert "stablehlo.exponential" in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "stablehlo.tanh" in traced.lower(lowering_platforms=("cuda",)).as_text()


def choose(x):
    return on_cpu(jnp.exp, jnp.tanh, x)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f,
        jax.vmap,
        lambda f: jax.vmap(jax.grad(f)),
        lambda f: jax.grad(lambda x: jax.vmap(f)(x).sum()),
    ],
    ids=["plain", "vmap", "vmap of grad", "grad of vmap"],
)
def test_a_program_keeps_the_way_of_its_platform(change):
    x = jnp.arange(3.0)
    traced = jax.jit(change(choose)).trace(x)
    on_a_cpu = traced.lower(lowering_platforms=("cpu",)).as_text()
    on_a_gpu = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.exponential" in on_a_cpu and "stablehlo.tanh" not in on_a_cpu
    assert "stablehlo.tanh" in on_a_gpu and "stablehlo.exponential" not in on_a_gpu
    compiled = traced.lower().compile()
    assert "conditional" not in compiled.as_text()
    np.testing.assert_allclose(compiled(x), change(jnp.exp)(x), rtol=1e-6)


def test_arrays_that_are_not_traced_decide_by_their_place(elsewhere):
    assert on_cpu(lambda x: "cpu", lambda x: "other", jnp.ones(2)) == "cpu"
    assert on_cpu(lambda x: "cpu", lambda x: "other", elsewhere) == "other"
