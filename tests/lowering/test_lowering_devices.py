"""What several GPUs are given, in which precision, and how it differs on a CPU."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import PartitionSpec
from lowered_methods import INDEX, ITEMS, METHODS, SCAN, SIDE, VARIANTS, maximize
from lowered_steps import describe, lower, make_mesh, plan_step, record_solves
from lowered_text import (
    FAULTS,
    WINOGRAD,
    count_loops,
    find_arguments,
    find_faults,
    find_products,
    is_reused,
)
from tiny_nets import conv_net

import jaxvis
from jaxvis.convolution.kernels import PreparedKernel
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import with_compute
from jaxvis.optimize import stepping


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
@pytest.mark.parametrize(
    "name", ["maximize", "stack", pytest.param("generate, decoder", marks=pytest.mark.slow)]
)
def test_devices_work_on_their_own_items_and_never_wait(name, platform):
    step = plan_step(record_solves((METHODS | VARIANTS)[name])[-1], platform, devices=2)
    text = lower(step.traced, platform)
    assert find_faults(text) == [] and count_loops(text) == 1
    # All but constants is inside the part that every device runs by itself.
    main = text[text.index("func.func public @main(") :].split("\n  }")[0]
    outside = re.findall(r"^    (?:%\S+ = )?\"?([a-z][\w.]*)", main, re.MULTILINE)
    assert set(outside) == {"stablehlo.constant", "sdy.manual_computation", "return"}
    assert outside.count("sdy.manual_computation") == 1
    batched = [one.shapes[0][0] for one in find_products(text) if one.op == "convolution"]
    assert set(batched) <= {ITEMS // 2} and (batched or name == "stack")
    arguments = find_arguments(text)
    assert sum(map(is_reused, arguments.values())) == len(jax.tree.leaves(step.carry))
    own = {word: '[{"items"}' in marks for word, marks in arguments.items()}
    for word, is_split in own.items():
        with_items = word.startswith(("items", "keys", "carry"))
        assert is_split == (with_items or (name == "stack" and word.startswith("params")))


@pytest.mark.parametrize(
    ("precision", "asked", "kind"),
    [("float32", "HIGHEST", "f32"), ("tf32", "HIGH", "f32"), ("bfloat16", "DEFAULT", "bf16")],
)
def test_only_the_network_computes_in_its_precision(precision, asked, kind):
    net, params = conv_net(SIDE)
    net = with_compute(net, Compute(precision))
    step = plan_step(record_solves(lambda: maximize(net=(net, params)))[0])
    for platform in ("gpu", "tpu"):
        products = find_products(lower(step.traced, platform))
        for one in products:
            inside = one.op == "convolution"
            assert one.precisions == ((asked if inside else "HIGHEST"),) * 2
            assert set(one.types) == {kind if inside else "f32"}
        assert {one.op for one in products} == {"convolution", "dot_general"}


def test_the_users_own_precision_is_kept():
    with jax.default_matmul_precision("tensorfloat32"):
        asked = record_solves(lambda: maximize("plain"))[0]
        products = find_products(lower(plan_step(asked).traced, "gpu"))
    words = {one.op: one.precisions for one in products}
    assert words == {"convolution": ("HIGHEST",) * 2, "dot_general": ("HIGH",) * 2}


def test_on_a_cpu_steps_are_taken_one_by_one_with_winograds_algorithm():
    asked = record_solves(VARIANTS["maximize, wide"])[0]
    here, there = plan_step(asked, "cpu"), plan_step(asked, "gpu")
    texts = lower(here.traced, "cpu"), lower(there.traced, "gpu")
    assert not stepping.scans(here.batch.params)
    for mark in WINOGRAD:
        assert mark in texts[0] and mark not in texts[1]
    assert "Winograd's algorithm" in find_faults(texts[0])
    kernels = [has_prepared(step.batch.params) for step in (here, there)]
    assert kernels == [True, False]


def has_prepared(params):
    leaves = jax.tree.leaves(params, is_leaf=lambda node: isinstance(node, PreparedKernel))
    return any(isinstance(leaf, PreparedKernel) for leaf in leaves)


def test_on_a_cpu_items_with_their_own_networks_follow_each_other():
    asked = record_solves(METHODS["stack"])[-1]
    assert count_loops(lower(plan_step(asked, "cpu").traced, "cpu")) > 1


def call_out(x):
    return jax.ffi.ffi_call("somewhere", jax.ShapeDtypeStruct(x.shape, x.dtype))(x)


def convolve_each(x):
    conv = partial(lax.conv_general_dilated, window_strides=(1,), padding="SAME")
    return jax.vmap(conv)(x[:, None], x[:, None])


def add_up(x):
    mesh, spec = make_mesh("gpu", 2), PartitionSpec("items")
    total = partial(lax.psum, axis_name="items")
    return jax.shard_map(total, mesh=mesh, in_specs=spec, out_specs=PartitionSpec())(x)


def choose(x):
    return lax.cond(x[0, 0, 0] > 0, jnp.sin, jnp.cos, x)


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (call_out, "a call out of the program"),
        (convolve_each, "a grouped convolution"),
        (lambda x: x.astype(jnp.float64), "float64"),
        (add_up, "a wait for other devices"),
        (choose, "a choice of platforms"),
    ],
)
def test_programs_with_a_fault_are_told(function, fault):
    x = describe(jnp.ones((2, 4, 4)), make_mesh("gpu", 2))
    with jax.enable_x64(fault == "float64"):
        text = lower(jax.jit(function).trace(x), "gpu")
    assert find_faults(text) == [fault]
    assert find_faults(lower(jax.jit(jnp.sin).trace(x), "gpu")) == []
    assert not any(map(is_reused, find_arguments(text).values()))


def test_calls_of_python_cannot_even_be_planned():
    x = describe(jnp.ones(2), make_mesh("gpu"))
    traced = jax.jit(lambda x: jax.pure_callback(jnp.sin, x, x)).trace(x)
    with pytest.raises(ValueError, match="primitives that require devices"):
        lower(traced, "gpu")


def test_transfers_are_told_too():
    # No function of JAX lowers to them any more.
    for operation in ("infeed", "outfeed", "send", "recv"):
        assert find_faults(f'%1 = "stablehlo.{operation}"(%0)') == ["a transfer"]
    assert len(FAULTS) == 6


def test_fewer_steps_than_a_scan_are_taken_one_by_one():
    asked = record_solves(
        lambda: jaxvis.maximize(*conv_net(SIDE), tap="relu2", index=INDEX, steps=SCAN - 1)
    )
    assert count_loops(lower(plan_step(asked[0]).traced, "gpu")) == 0
