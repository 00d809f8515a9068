"""The memory bound: programs that can be counted by hand, and what follows from it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.optimize import memory

X = jax.ShapeDtypeStruct((1000,), jnp.float32)
ARRAY = 4000


def _peak(function, *arguments):
    return memory.peak_bytes(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_a_chain_holds_two_arrays_at_a_time():
    def chain(x):
        for _ in range(10):
            x = x + 1.0
        return x

    assert _peak(chain, X) == 2 * ARRAY


def test_what_is_used_later_is_held_until_then():
    def kept(x):
        first = x + 1.0
        y = first
        for _ in range(5):
            y = y * 2.0
        return first + y

    # The kept array, the last of the chain, and the one being made.
    assert _peak(kept, X) == 3 * ARRAY


def test_results_are_held_to_the_end():
    def several(x):
        return tuple(x + float(i) for i in range(4))

    assert _peak(several, X) == 4 * ARRAY


def test_inputs_and_scalars_hardly_count():
    assert _peak(lambda x: x, X) == 0
    assert _peak(lambda x: jnp.sum(x), X) == 4


def test_element_width_counts():
    half = jax.ShapeDtypeStruct((1000,), jnp.bfloat16)
    assert _peak(lambda x: x + x, half) == ARRAY // 2


def test_inner_programs_count_on_top():
    def inner(x):
        return (x + 1.0) * 2.0

    assert _peak(inner, X) == 2 * ARRAY
    assert _peak(jax.jit(inner), X) == 3 * ARRAY
    looped = _peak(lambda x: jax.lax.fori_loop(0, 9, lambda i, x: inner(x), x), X)
    assert 2 * ARRAY < looped < 4 * ARRAY


def test_a_gradient_holds_what_it_will_need():
    def deep(depth):
        def function(x):
            for _ in range(depth):
                x = jnp.sin(x)
            return jnp.sum(x)

        return _peak(jax.grad(function), X)

    assert deep(10) > 10 * ARRAY
    assert 1.7 < deep(20) / deep(10) < 2.3


def test_estimate_is_near_or_above_what_the_compiler_takes():
    def function(x):
        y = jnp.outer(x, x)
        return jnp.sum(jnp.tanh(y @ y.T))

    compiled = jax.jit(jax.grad(function)).lower(X).compile()
    bound = _peak(jax.grad(function), X)
    taken = compiled.memory_analysis().temp_size_in_bytes
    # XLA of jax 0.12 adds one copy of its own, a transposed operand, to the five
    # matrices that are alive together; that of jax 0.10 fuses all but a few away.
    assert taken <= 1.25 * bound <= 20 * taken * 1.25


def test_budget_is_a_share_of_this_machines_memory():
    assert 2**20 < memory.budget() < memory.free_bytes() < 2**50


def _device(stats):
    class Device:
        def memory_stats(self):
            return stats

    return lambda: [Device()]


def test_budget_is_most_of_what_a_device_reports_as_free(monkeypatch):
    stats = {"bytes_limit": 1000, "bytes_in_use": 200}
    monkeypatch.setattr(memory.jax, "local_devices", _device(stats))
    assert memory.free_bytes() == 800
    assert memory.budget() == 640


@pytest.fixture
def host(monkeypatch, tmp_path):
    """A host without reports of its own: files to fill, no limit, no sysconf."""

    def silent(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(memory.jax, "local_devices", _device(None))
    monkeypatch.setattr(memory.os, "sysconf", silent)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def test_budget_without_any_report_is_half_a_figure_of_its_own(host):
    assert memory.free_bytes() == memory.HOST_BYTES
    assert memory.budget() == memory.HOST_BYTES // 2


def test_a_hosts_caches_count_as_free(host):
    host.joinpath("meminfo").write_text("MemFree: 10 kB\nMemAvailable:   500 kB\n")
    assert memory.free_bytes() == 512_000


def test_a_containers_limit_counts(host):
    host.joinpath("meminfo").write_text("MemAvailable: 9000 kB\n")
    host.joinpath("memory.max").write_text("100000\n")
    host.joinpath("memory.current").write_text("60000\n")
    host.joinpath("memory.stat").write_text("anon 1\ninactive_file 5000\n")
    assert memory.free_bytes() == 45_000
    host.joinpath("memory.max").write_text("max\n")
    assert memory.free_bytes() == 9000 * 1024


def test_a_compiled_step_tells_what_it_takes_beside_what_is_there():
    def step(shared, x):
        return jnp.tanh(x @ shared) @ shared.T

    shared = jnp.zeros((100, 300))
    need = {}
    for count in (10, 20, 40):
        x = jax.ShapeDtypeStruct((count, 100), jnp.float32)
        compiled = jax.jit(step).lower(shared, x).compile()
        need[count] = memory.step_bytes(compiled, {"shared": shared, "none": None})
        assert memory.step_bytes(compiled, ()) == need[count] + shared.nbytes
    # x, the hidden layer and the result: linear in what the items bring.
    assert 0.9 * need[40] <= 2 * need[20] <= 1.1 * need[40]
    assert need[10] >= 10 * 4 * (100 + 100)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (MemoryError(), True),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), True),
        (jax.errors.JaxRuntimeError("Out of memory allocating 8 bytes"), True),
        (jax.errors.JaxRuntimeError("INTERNAL: oh"), False),
        (ValueError("RESOURCE_EXHAUSTED"), False),
    ],
)
def test_running_out_of_memory_is_recognised(error, answer):
    assert memory.is_out_of_memory(error) is answer


def test_peak_is_an_integer_of_any_dtype():
    mixed = _peak(lambda key: jax.random.normal(key, (10,)), jax.random.key(0))
    assert isinstance(mixed, int)
    assert mixed >= np.dtype(np.float32).itemsize * 10


def test_the_same_program_is_looked_through_once():
    traced = jax.jit(lambda x: jnp.sin(x) + jnp.cos(x)).trace(jnp.ones(5))
    memory.peak_bytes.cache_clear()
    assert memory.peak_bytes(traced.jaxpr.jaxpr) == memory.peak_bytes(traced.jaxpr.jaxpr) > 0
    assert memory.peak_bytes.cache_info().misses == 1
