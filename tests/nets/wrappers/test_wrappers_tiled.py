"""A network that sees an image tile by tile sees the whole of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import run_once

from jaxvis.loss.matching.statistics import gram
from jaxvis.nets.wrappers.tiled import cut_side, with_tiles

TAPS = ("relu1", "pool2", "relu3")


@pytest.mark.parametrize(("size", "tile"), [((24, 32), 5), ((17, 30), 8), ((9, 9), 16)])
def test_tiles_give_the_taps_of_the_whole(three, taps_of, image_of, size, tile):
    net, params = three
    cut = with_tiles(net, TAPS, tile=tile, grams=("relu1", "relu3"))
    image = image_of(size)
    found = taps_of(cut, params, image, TAPS)
    whole = taps_of(net, params, image, TAPS)
    np.testing.assert_allclose(found["pool2"], whole["pool2"], atol=1e-5)
    for tap in ("relu1", "relu3"):
        np.testing.assert_allclose(found[tap], gram(whole[tap]), rtol=1e-4, atol=1e-5)


def test_tiles_give_the_gradient_of_the_whole_without_a_seam(three, image_of):
    net, params = three
    cut = with_tiles(net, TAPS, tile=8, grams=("relu1",))
    image = image_of((20, 28))

    def loss(seen, image):
        taps = seen.apply(params, image, stop=TAPS)
        first = taps["relu1"] if taps["relu1"].ndim == 2 else gram(taps["relu1"])
        return jnp.sum(first**2) + jnp.sum(taps["pool2"] ** 3) + jnp.sum(taps["relu3"])

    found, expected = (run_once(jax.grad(partial(loss, seen)), image) for seen in (cut, net))
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


def test_tiles_hold_less_of_the_image_at_once(three):
    net, params = three
    image = jax.ShapeDtypeStruct((256, 256, 3), "float32")
    sizes = []
    for seen in (net, with_tiles(net, ("relu1",), tile=32, grams=("relu1",))):

        def loss(image, seen=seen):
            taps = seen.apply(params, image, stop="relu1")["relu1"]
            return jnp.sum((taps if taps.ndim == 2 else gram(taps)) ** 2)

        compiled = jax.jit(jax.grad(loss)).lower(image).compile()
        sizes.append(compiled.memory_analysis().temp_size_in_bytes)
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize(
    ("side", "size", "spans"),
    [
        (40, 24, [(0, 0, 8), (0, 8, 16), (8, 16, 24), (16, 24, 32), (16, 32, 40)]),
        (42, 26, [(0, 0, 8), (0, 8, 16), (8, 16, 24), (16, 24, 32), (16, 32, 42)]),
        (20, 20, [(0, 0, 8), (0, 8, 16), (0, 16, 20)]),
    ],
)
def test_windows_begin_at_strides_and_tiles_fill_the_side(side, size, spans):
    assert cut_side(side, tile=8, margin=8, coarse=4) == (size, spans)


def test_what_tiles_cannot_do_is_refused(three, image_of):
    net, params = three
    with pytest.raises(ValueError, match="at least 1 pixel"):
        with_tiles(net, TAPS, tile=0)
    with pytest.raises(ValueError, match="'fc' is no map"):
        with_tiles(net, ("fc",), tile=8)
    cut = with_tiles(net, ("relu1",), tile=8)
    with pytest.raises(ValueError, match="'relu3' was not among the taps relu1"):
        cut.apply(params, image_of((16, 16)), stop="relu3")
