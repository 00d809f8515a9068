"""Values that are marked inside a computation, and come out of it by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets.marking import collect_outputs, mark_outputs


def layer(name, x):
    return mark_outputs(name, 2 * x)


@pytest.fixture
def x(key):
    return jax.random.normal(key, (3, 4))


def test_outputs_are_named_in_order_and_further_calls_are_numbered(x):
    def run(params, x):
        return {"end": layer("b", layer("a", x) + params["shift"]) + layer("a", x)}

    found = collect_outputs(run, {"shift": 1.0}, x)
    assert list(found) == ["a", "b", "a_1", "end"]
    np.testing.assert_allclose(found["b"], 4 * x + 2, rtol=1e-6)
    np.testing.assert_allclose(found["end"], 6 * x + 2, rtol=1e-6)


def test_parts_of_an_output_have_names_and_what_is_opaque_stays(x):
    class State:
        pass

    def run(params, x):
        value = mark_outputs("a", (x, {"low": -x}, State()), opaque=(State,))
        lone = mark_outputs("b", (x, State()), opaque=(State,))
        return value[0] + lone[0]

    found = collect_outputs(run, {}, x)
    assert list(found) == ["a.0", "a.1.low", "b", "output"]
    np.testing.assert_array_equal(found["a.1.low"], -x)


@jax.custom_jvp
def twice(x):
    return layer("inside", x)


twice.defjvp(lambda primals, tangents: (twice(*primals), 2 * tangents[0]))


@jax.custom_vjp
def straight(x):
    return layer("inside", jnp.round(x))


straight.defvjp(lambda x: (straight(x), None), lambda kept, cotangent: (cotangent,))


@pytest.mark.parametrize("wrap", [jax.jit, jax.checkpoint, lambda f: f])
def test_marks_are_found_within_what_jax_transforms(wrap, x):
    inner = wrap(lambda x: layer("inside", x) + 1)
    found = collect_outputs(lambda params, x: inner(x), {}, x)
    np.testing.assert_allclose(found["inside"], 2 * x, rtol=1e-6)
    np.testing.assert_allclose(found["output"], 2 * x + 1, rtol=1e-6)


@pytest.mark.parametrize(("own", "inside"), [(twice, lambda x: x), (straight, jnp.round)])
def test_marks_are_found_within_functions_of_derivatives_of_their_own(own, inside, x):
    found = collect_outputs(lambda params, x: own(x), {}, x)
    np.testing.assert_allclose(found["inside"], 2 * inside(x), rtol=1e-6)


def test_a_layer_that_is_mapped_gives_the_values_of_all_in_front(x):
    weights = jnp.ones((5, 4))

    def run(params, x):
        # JAX keeps the mapped axis of such a product behind: it is brought to the front.
        mapped = jax.vmap(lambda row: mark_outputs("fc", weights @ row), in_axes=0, out_axes=1)
        return mapped(x)

    found = collect_outputs(run, {}, x)
    assert found["fc"].shape == (3, 5) and found["output"].shape == (5, 3)
    np.testing.assert_allclose(found["fc"], jnp.repeat(x.sum(1)[:, None], 5, 1), rtol=1e-5)


def test_derivatives_pass_what_is_marked(x):
    def value(x):
        return collect_outputs(lambda params, x: layer("a", x), {}, x)["a"].sum()

    np.testing.assert_allclose(jax.grad(value)(x), np.full(x.shape, 2.0))
    # A network that takes a gradient itself, with a marked layer in it.
    inner = collect_outputs(lambda params, x: jax.grad(lambda x: layer("a", x).sum())(x), {}, x)
    np.testing.assert_allclose(inner["output"], np.full(x.shape, 2.0))


def test_what_is_marked_in_a_loop_stays_inside(x):
    def run(params, x):
        return jax.lax.scan(lambda total, row: (total + layer("a", row), row), x[0], x)[0]

    assert list(collect_outputs(run, {}, x)) == ["output"]
