"""Style networks as programs of their own: they paint the same, and need JAX alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxvis.methods.fast_style.export import export_program
from jaxvis.methods.fast_style.stylize import stylize
from jaxvis.nets import random_params
from jaxvis.nets.zoo.style_net import build_style_net

SIZE = (24, 20)


@pytest.fixture(scope="module")
def two_styles():
    net = build_style_net("transform_reflect", width=2, blocks=1, styles=2)
    return net, random_params(net, jax.random.key(1))


@pytest.mark.slow
def test_an_exported_program_paints_the_same(two_styles):
    photo = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)
    program = export_program(*two_styles, size=SIZE, style=1, platforms=("cpu",))
    again = export.deserialize(bytearray(program)).call(jnp.asarray(photo))
    np.testing.assert_allclose(again, stylize(*two_styles, photo, style=1), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"platforms": ("abacus",)}, "platforms must be some of cpu, cuda, rocm, tpu, not abacus"),
        ({"platforms": ()}, "platforms must be some of .* not none"),
        ({"style": None}, "choose one, or mix"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, two_styles):
    with pytest.raises(ValueError, match=message):
        export_program(*two_styles, **({"size": SIZE, "style": 0} | options))
