"""What a GPU and a TPU are given of every method, read from the program on any machine."""

import functools

import jax
import pytest
from lowered_methods import ITEMS, METHODS, VARIANTS
from lowered_steps import lower, plan_step, record_solves
from lowered_text import (
    NHWC,
    count_loops,
    find_arguments,
    find_faults,
    find_products,
    is_reused,
)

from jaxvis.convolution.kernels import PreparedKernel

EVERY = [*METHODS, *(pytest.param(name, marks=pytest.mark.slow) for name in VARIANTS)]


@functools.cache
def plan(name):
    """Returns the step of a method's last stage on a GPU; a TPU is given the same."""
    return plan_step(record_solves((METHODS | VARIANTS)[name])[-1])


@functools.cache
def read(name, platform):
    return lower(plan(name).traced, platform)


def first_kernel(params):
    """Returns the shape of the first row's kernel, `(kh, kw, in, out)`."""
    kernels = [leaf.shape[-4:] for leaf in jax.tree.leaves(params) if len(leaf.shape) >= 4]
    return next(shape for shape in kernels if shape[2] == 3)


@pytest.mark.parametrize("name", EVERY)
def test_steps_are_one_scan_of_plain_float32_programs(name):
    asked = plan(name).solve
    assert len(asked.keys) == ITEMS
    assert not any(isinstance(leaf, PreparedKernel) for leaf in leaves_of(plan(name).batch.params))
    for platform in ("gpu", "tpu"):
        text = read(name, platform)
        assert find_faults(text) == []
        assert count_loops(text) == 1  # no loop over items in the one over steps
        products = find_products(text)
        assert {product.precisions for product in products} <= {("HIGHEST", "HIGHEST")}
        assert {kind for product in products for kind in product.types} == {"f32"}


def leaves_of(params):
    return jax.tree.leaves(params, is_leaf=lambda node: isinstance(node, PreparedKernel))


@pytest.mark.parametrize("name", EVERY)
def test_items_are_the_batch_of_the_first_convolution(name):
    asked, products = plan(name).solve, find_products(read(name, "gpu"))
    convolutions = [one for one in products if one.op == "convolution"]
    kernel = first_kernel(asked.params)
    if asked.params_axis == 0:
        # Items with kernels of their own are the batch of a matrix product.
        kh, kw, width, out = kernel
        shapes = [one.shapes for one in products if one.axes == "batching [0] x [0]"]
        assert not convolutions
        assert (ITEMS, kh * kw * width, out) in [second for _, second, _ in shapes]
        return
    first = next(one for one in convolutions if one.shapes[1] == kernel)
    assert first.shapes[0][0] == ITEMS * asked.problem.loss.draws
    for one in convolutions:
        # Back to the input some kernels are read the other way round.
        ways = [f"{NHWC}x[0, 1, {order}]->{NHWC}" for order in ("i, o", "o, i")]
        assert one.axes in ways


@pytest.mark.parametrize("name", EVERY)
def test_the_memory_of_what_passes_from_step_to_step_is_used_again(name):
    leaves = jax.tree.leaves(plan(name).carry)
    for platform in ("gpu", "tpu"):
        arguments = find_arguments(read(name, platform))
        reused = [word for word, marks in arguments.items() if is_reused(marks)]
        assert len(reused) == len(leaves)
        assert all(word.startswith("carry") for word in reused)
