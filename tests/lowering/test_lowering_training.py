"""What a GPU and a TPU are given of the trainings: one update."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from lowered_steps import describe, lower, make_mesh, record_training, trace_training
from lowered_text import count_loops, find_arguments, find_faults, find_products, is_reused
from tiny_nets import conv_net

from jaxvis.generators import autoencoder
from jaxvis.generators.deep import DeepGenerator
from jaxvis.methods.coupled import autoencode
from jaxvis.methods.fast_style import train as fast_style
from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.recipes.styles import FAST_STYLES
from jaxvis.train.images import from_array

SIDE = 16
PHOTOS = from_array(np.full((2, SIDE, SIDE, 3), 100, np.uint8))
STYLE = np.random.default_rng(0).uniform(size=(SIDE, SIDE, 3)).astype(np.float32)
RECIPE = replace(FAST_STYLES["johnson"], content_taps=("relu2",), style_taps=("relu1", "relu2"))
TINY = autoencoder.Autoencoder(DeepGenerator(True, True, False, (3, 3, 4), ((8, 2),)), (4,), 16)


def record_fast_style():
    """Returns the training of a style network, with the judge as an accelerator has it."""
    judge, params = conv_net(SIDE)
    net = build_style_net("transform_reflect", width=2, blocks=1, styles=2)
    schedule = fast_style.Schedule(batch=2)
    asked = record_training(
        fast_style,
        lambda: fast_style.fast_style(
            judge,
            params,
            PHOTOS,
            [STYLE, 1 - STYLE],
            style_net=net,
            recipe=RECIPE,
            schedule=schedule,
        ),
    )
    there = describe(params, make_mesh("gpu"))
    ready = jax.eval_shape(partial(judge.prepare, size=(SIDE, SIDE)), there)
    return asked._replace(given={**asked.given, "judge": ready})


def record_autoencoder():
    photos = from_array(np.full((2, *TINY.size, 3), 100, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(autoencoder.AUTOENCODERS, "tiny", lambda: TINY)
        return record_training(
            autoencode, lambda: autoencode.train_autoencoder(photos, photos, model="tiny")
        )


@pytest.mark.parametrize(
    ("record", "loops"),
    [
        # Two maps are cut before their convolution, whose kernels' gradients are computed
        # image by image.
        (record_fast_style, 2),
        pytest.param(record_autoencoder, 0, marks=pytest.mark.slow),
    ],
)
def test_an_update_is_a_plain_float32_program_that_reuses_its_memory(record, loops):
    asked = record()
    traced = trace_training(asked)
    for platform in ("gpu", "tpu"):
        text = lower(traced, platform)
        assert find_faults(text) == []
        assert count_loops(text) <= loops
        products = find_products(text)
        assert {product.precisions for product in products} == {("HIGHEST", "HIGHEST")}
        assert {kind for product in products for kind in product.types} == {"f32"}
        arguments = find_arguments(text)
        reused = [word for word, marks in arguments.items() if is_reused(marks)]
        assert len(reused) == len(jax.tree.leaves(asked.state))
        assert all(word.startswith("state") for word in reused)
