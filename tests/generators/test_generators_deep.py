"""The deep generator: sizes, parameter counts, batch norm, the printed tables."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.generators.deep import (
    DeepGenerator,
    despraz_decoder,
    despraz_generator,
)
from jaxvis.generators.layers import double_smoothly
from jaxvis.generators.table_text import generator_table

TINY = DeepGenerator(start=(3, 3, 3), stages=((4, 2),))


def total(generator):
    shapes = generator.parameter_shapes().values()
    return sum(int(np.prod(s)) for leaves in shapes for s in leaves.values())


@pytest.mark.parametrize(
    ("generator", "count"), [(despraz_generator(), 5_240_841), (despraz_decoder(), 5_350_089)]
)
def test_the_published_number_of_parameters_and_chain_of_sizes(generator, count):
    assert total(generator) == count
    last = f"{count:,}"
    assert generator_table(generator).splitlines()[-1].split() == ["total", last]
    sides = [s[0] for n, s in generator.shapes.items() if len(s) == 3]
    chain = [side for i, side in enumerate(sides) if i == 0 or sides[i - 1] != side]
    assert chain == [5, 10, 9, 18, 16, 32, 30, 60, 58, 116, 113, 226, 224]
    assert generator.size == (224, 224) and generator.code == 3200


@pytest.mark.slow
def test_keras_starts_alpha_in_plus_minus_023():
    alpha = jax.eval_shape(despraz_generator().init, jax.random.key(0))["params"]["alpha"]
    assert alpha["alpha"].shape == (3200,)
    wide = DeepGenerator(start=(5, 5, 128), stages=())
    values = np.asarray(wide.init(jax.random.key(0))["params"]["alpha"]["alpha"])
    assert 0.225 < np.abs(values).max() <= 0.2304
    ones = wide.init(jax.random.key(0), alpha=1.0)["params"]["alpha"]["alpha"]
    np.testing.assert_array_equal(ones, 1)


@pytest.mark.slow
def test_the_rows_are_what_keras_layers_compute():
    """Against the same rows written out with lax's own convolution."""
    made = jax.jit(TINY.init)(jax.random.key(1))
    params, statistics = made["params"], made["statistics"]
    z = jax.random.normal(jax.random.key(2), (TINY.code,))

    def conv(x, name, pad):
        kernel, bias = params[name]["kernel"], params[name]["bias"]
        out = jax.lax.conv_general_dilated(
            x[None], kernel, (1, 1), pad, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jax.nn.relu(out[0] + bias)

    def norm(x, name):
        x = (x - x.mean((0, 1))) / jnp.sqrt(x.var((0, 1)) + 1e-5)
        return x * params[name]["scale"] + params[name]["bias"]

    def up(x):
        return jax.image.resize(x, (2 * len(x), 2 * len(x), x.shape[-1]), "nearest")

    @jax.jit
    def reference(z):
        x = up((z * params["alpha"]["alpha"]).reshape(3, 3, 3))
        x = norm(conv(x, "conv3_1", "VALID"), "bn3_1")
        x = up(norm(conv(x, "conv3_2", [(0, 1), (0, 1)]), "bn3_2"))
        x = conv(x, "rgb", "VALID")
        return x, norm(x, "image")

    before, wanted = reference(z)
    image, own = jax.jit(partial(TINY.apply, train=True))(params, statistics, z)
    assert image.shape == (*TINY.size, 3)
    np.testing.assert_allclose(image, wanted, atol=1e-4)
    np.testing.assert_allclose(own["image"]["mean"], before.mean((0, 1)), rtol=1e-5)
    shown, _ = jax.jit(TINY.apply)(params, own, z)
    np.testing.assert_allclose(shown, image, atol=1e-4)


def test_the_pretrained_variant_rectifies_the_code_and_not_the_image():
    tiny = DeepGenerator(True, True, False, (2, 2, 3), ((6, 2), (4, 3)))
    params = {"alpha": {"alpha": jnp.ones(tiny.code)}}
    z = jnp.where(jnp.arange(tiny.code) % 2 == 0, -1.0, 2.0)
    np.testing.assert_array_equal(tiny.scale_code(params, z), jnp.maximum(z, 0))
    names = [row.name for row in tiny.rows]
    assert "relu_rgb" not in names and "relu_rgb" in [r.name for r in TINY.rows]
    assert {"conv5_1", "conv5_2"} < set(names)


def test_a_map_is_doubled_as_asked_for():
    x = jnp.arange(4.0).reshape(1, 1, 4, 1)
    found = double_smoothly(x)
    assert found.shape == (1, 2, 8, 1)
    np.testing.assert_allclose(found[0, 0, :, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    smooth = replace(TINY, upsampling="bilinear")
    assert smooth.shapes == TINY.shapes and smooth.rows == TINY.rows
    with pytest.raises(ValueError, match="upsampling is nearest or bilinear, not 'cubic'"):
        replace(TINY, upsampling="cubic")
