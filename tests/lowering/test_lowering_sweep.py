"""The sweep that a GPU is meant for, 1000 classes of VGG-16: its arithmetic and its memory.

The program is the one that a GPU would be given. It has no call out of it, so that XLA's
compiler for CPUs takes it too, and says how much memory it needs.
"""

import functools
import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax._src.lib import xla_client
from lowered_steps import describe, lower, make_mesh, plan_step, record_solves
from lowered_text import find_products

import jaxvis
from jaxvis.nets import build, parameter_shapes
from jaxvis.optimize import chunk_size, memory
from jaxvis.optimize.step_programs import SCAN

SIDE, CLASSES, STEPS = 224, 1000, 512
DEVICE = 80e9
"""Bytes of the device for which a chunk is chosen."""
BALANCE = 989e12 / 4.8e12
"""FLOP that an H200 computes in bfloat16 while it moves a byte, by its maker's figures."""
BYTES = {"f32": 4, "bf16": 2}


@functools.cache
def ask(precision, classes):
    """Returns what the solver is asked for; the parameters take no memory."""
    net = build("vgg16", input_size=(SIDE, SIDE), precision=precision)
    is_shape = lambda node: isinstance(node, tuple)  # noqa: E731
    params = jax.tree.map(
        lambda shape: np.broadcast_to(np.float32(1), shape),
        parameter_shapes(net),
        is_leaf=is_shape,
    )

    def method():
        return jaxvis.maximize(net, params, index=range(classes), steps=SCAN, size=(SIDE, SIDE))

    return record_solves(method)[0]


@functools.cache
def read_products():
    """Returns FLOP and product, of a step of two pictures; tiny ones are left out."""
    products = find_products(lower(plan_step(ask("bfloat16", 2)).traced, "gpu"))
    found = [(count_flop(one), one) for one in products]
    return [pair for pair in found if pair[0] > 1e6]


def count_flop(product):
    """Counts the FLOP of a product from its shapes: two for each pair of factors."""
    left, right, out = map(math.prod, product.shapes)
    if product.op == "convolution":
        pixels = math.prod(product.shapes[2][:-1])  # of all pictures
        return 2 * pixels * right
    together = product.shapes[0][0] if product.axes.startswith("batching [0]") else 1
    return 2 * math.sqrt(left * right * out / together)


def test_the_sweep_is_32e15_flop_as_the_papers_count_them():
    total = sum(flop for flop, _ in read_products()) / 2
    # 15.47 GMAC forward, and as many back to the image.
    assert total == pytest.approx(2 * 2 * 15.47e9, rel=0.01)
    assert total * CLASSES * STEPS == pytest.approx(3.2e16, rel=0.02)


def test_products_of_bfloat16_wait_for_arithmetic_and_not_for_memory():
    def count_bytes(one):
        return sum(math.prod(s) * BYTES[kind] for s, kind in zip(one.shapes, one.types))

    products = read_products()
    convolutions = [pair for pair in products if pair[1].op == "convolution"]
    flop = sum(flop for flop, _ in convolutions)
    moved = sum(count_bytes(one) for _, one in convolutions)
    assert len(convolutions) == 26  # thirteen, and thirteen back to the image
    assert flop / moved > 2 * BALANCE


@functools.cache
def measure_bytes(precision, count):
    """Returns the bytes that a step of `count` pictures takes beside its parameters, by XLA."""
    step = plan_step(ask(precision, count))
    module = step.traced.lower(lowering_platforms=("cuda",)).as_text()
    device = jax.devices("cpu")[0]
    options = xla_client.CompileOptions()
    executables = device.client.compile_and_load(module, xla_client.DeviceList((device,)), options)
    stats = executables.get_compiled_memory_stats()
    shared = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(step.batch.params))
    both = stats.argument_size_in_bytes + stats.output_size_in_bytes
    return both - stats.alias_size_in_bytes + stats.temp_size_in_bytes - shared


class Planned:
    """A step of `chunk_size` whose compiled form is its number of pictures."""

    def __init__(self, precision, count):
        self.jaxpr, self.count = plan_step(ask(precision, count)).traced.jaxpr, count

    def lower(self):
        return self

    def compile(self):
        return self.count


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_chunk_for_a_device_of_80_gb_fits_and_wastes_little(precision, monkeypatch):
    asked = ask(precision, CLASSES)
    params = describe(asked.params, make_mesh("gpu"))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))
    stats = {"bytes_limit": int(DEVICE), "bytes_in_use": held}
    device = SimpleNamespace(memory_stats=lambda: stats)

    def plan(problem, sweep, count):
        return Planned(precision, count)

    monkeypatch.setattr(chunk_size, "_trace", plan)
    monkeypatch.setattr(memory, "step_bytes", lambda count, shared: measure_bytes(precision, count))
    with monkeypatch.context() as patch:
        patch.setattr(memory.jax, "local_devices", lambda: [device])
        sweep = chunk_size.Sweep(params, None, asked.items, asked.keys, None, None)
        chosen = chunk_size.chunk_size(asked.problem, sweep)
    taken, half = (measure_bytes(precision, count) for count in (chosen, chosen // 2))
    # A fifth is left for what a GPU's own libraries work in.
    assert taken + held <= 0.81 * DEVICE
    assert chosen == CLASSES or taken + held > 0.5 * DEVICE
    assert 1.5 < taken / half < 2.1
    # The estimate from the traced program, with which the search begins, is on the safe side.
    estimate = memory.peak_bytes(Planned(precision, chosen).jaxpr.jaxpr)
    assert taken < estimate < 6 * taken
