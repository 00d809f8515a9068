"""Patches: boxes by hand, top K in chunks, histograms, relevance, folders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net, counted_net, fc_net, run_once

from jaxvis.analysis.patches import cut_patches, patches
from jaxvis.analysis.relevance import weigh_taps
from jaxvis.analysis.responses import list_edges
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.output.io import write_image


def draw(count, side=16):
    return np.random.default_rng(3).random((count, side, side, 3)).astype(np.float32)


def one_conv():
    """Returns (net, params): a sum over 5x5 pixels of all colours, stride 2, padding 2."""
    net = build_network("sum", (Layer("conv", "conv", 1, 5, stride=2, pad=2),), input_size=(16, 16))
    plain = {"scale": jnp.ones(3), "shift": jnp.zeros(3)}
    kernel = jnp.zeros((5, 5, 3, 1)).at[2, 2].set(1)
    return net, {"input": plain, "conv": {"kernel": kernel, "bias": jnp.zeros(1)}}


def test_a_bright_spot_is_found_and_its_box_is_cut_at_the_borders():
    net, params = one_conv()
    images = np.zeros((3, 16, 16, 3), np.float32)
    images[0, 8, 6], images[1, 0, 14], images[2, 14, 0] = 0.5, 1, 0.25
    found = patches(net, params, images, "conv", top=3)["conv"]
    # Unit (i, j) is centred on pixel (2 i, 2 j) and sees 2 pixels more on every side.
    np.testing.assert_allclose(found.top.values, [[3, 1.5, 0.75]])
    assert found.top.images.tolist() == [[1, 0, 2]]
    assert found.top.units.tolist() == [[[0, 7], [4, 3], [7, 0]]]
    expected = [[0, 12, 3, 16], [6, 4, 11, 9], [12, 0, 16, 3]]
    assert found.top.boxes.tolist() == [expected]
    cut = cut_patches(images, found.top, 0)
    assert [one.shape for one in cut] == [(3, 4, 3), (5, 5, 3), (4, 3, 3)]
    assert cut[1][2, 2].tolist() == [0.5] * 3 and cut[1].sum() == 1.5


@pytest.mark.parametrize("several", [False, True])
def test_chunks_find_what_all_at_once_have(several):
    net, params = conv_net()
    images, taps = draw(7), ("conv2", "relu1", "fc")
    options = {"top": 4, "several": several}
    found = patches(net, params, images, taps, chunk=3, **options)
    maps = run_once(jax.vmap(lambda image: net.apply(params, image, stop=taps)), images)
    for tap in taps:
        values = np.asarray(maps[tap]).reshape(7, -1, maps[tap].shape[-1])
        each = values if several else values.max(1, keepdims=True)
        best = -np.sort(-each.reshape(-1, each.shape[-1]), axis=0)[:4].T
        top = found[tap].top
        np.testing.assert_allclose(top.values, best, atol=1e-5)
        width = maps[tap].shape[2] if maps[tap].ndim == 4 else 1
        at = top.units[..., 0] * width + top.units[..., 1]
        channel = np.arange(values.shape[-1])[:, None]
        np.testing.assert_allclose(values[top.images, at, channel], best, atol=1e-5)
        if not several:
            assert all(len(set(one)) == 4 for one in top.images.tolist())


def test_histograms_are_numpys_and_samples_lie_at_quantiles():
    net, params = conv_net()
    images = draw(40)
    found = patches(net, params, images, "conv2", top=1, chunk=8)["conv2"]
    maps = run_once(jax.vmap(lambda one: net.apply(params, one, stop="conv2")["conv2"]), images)
    responses = np.asarray(maps).max((1, 2))
    for channel in range(8):
        counts, _ = np.histogram(responses[:, channel], list_edges())
        assert found.histogram.counts[channel].sum() == 40
        # A response on an edge may fall on either side of it.
        assert np.abs(found.histogram.counts[channel] - counts).sum() <= 2
    sample = found.histogram.sample(shares=(0, 0.5, 1))
    wanted = np.quantile(responses, (0, 0.5, 1), axis=0, method="inverted_cdf").T
    np.testing.assert_allclose(sample.values, wanted, rtol=0.2)
    picked = responses[sample.images, np.arange(8)[:, None]]
    np.testing.assert_allclose(sample.values, picked, atol=1e-5)
    with pytest.raises(ValueError, match="shares from 0 to 1"):
        found.histogram.sample(shares=(2,))


@pytest.mark.slow
def test_relevance_is_gradient_times_activation_and_adds_up():
    net, params = conv_net()
    images = draw(5)
    found = patches(net, params, images, ("relu1", "relu2"), top=5, relevance=3)
    for tap in ("relu1", "relu2"):
        maps = run_once(
            jax.vmap(lambda one, tap=tap: net.apply(params, one, stop=tap)[tap]), images
        )

        def score(value, tap=tap):
            return net.apply(params, value, start=tap, stop="fc")["fc"][3]

        slopes = run_once(jax.vmap(jax.grad(score)), maps)
        each = np.asarray(slopes * maps)
        whole = each.sum((1, 2))
        relevant = found[tap].relevant
        np.testing.assert_allclose(relevant.values, -np.sort(-whole, axis=0).T, atol=1e-5)
        place = each.reshape(5, -1, each.shape[-1]).argmax(1)
        at = relevant.units[..., 0] * each.shape[2] + relevant.units[..., 1]
        assert (at == place[relevant.images, np.arange(len(at))[:, None]]).all()


@pytest.mark.slow
def test_a_network_without_a_table_has_relevance_too_and_whole_images():
    net, params, _ = counted_net()
    images = draw(3)
    found = patches(net, params, images, "map", top=2, relevance="best")["map"]
    assert "no table" in found.placement.why
    assert (found.top.boxes == [0, 0, 16, 16]).all()
    maps, weighed = weigh_taps(net, params, jnp.asarray(images[0]), ("map",), jnp.int32(1))
    expected = np.zeros((16, 16, 4))
    expected[..., 1] = np.asarray(maps["map"])[..., 1] / 256
    np.testing.assert_allclose(weighed["map"], expected, atol=1e-6)


def test_units_that_are_no_number_are_nobodys_best():
    def broken(params, image):
        return {"map": jnp.where(image > 0.5, jnp.nan, image), "scores": image.mean((0, 1))}

    from jaxvis.nets.adapters import from_function

    net, params = from_function(broken, {}, input_size=(4, 4), scores="scores")
    images = np.full((2, 4, 4, 3), 0.25, np.float32)
    images[0] = 1
    found = patches(net, params, images, "map", top=2)["map"]
    assert found.top.images.tolist() == [[1, -1]] * 3
    assert found.histogram.counts.sum(1).tolist() == [1, 1, 1]
    assert [len(cut_patches(images, found.top, 0))] == [1]


def test_a_folder_streams_and_what_is_no_image_is_listed(tmp_path):
    net, params = fc_net()
    images = draw(5)
    for number, image in enumerate(images):
        write_image(tmp_path / f"{number}.png", image)
    (tmp_path / "bad.png").write_bytes(b"bad")
    found = patches(net, params, tmp_path, ("fc", "conv1"), top=9)
    assert list(found.images.skipped) == ["bad.png"] and len(found.images.names) == 5
    assert found["fc"].top.values.shape == (5, 5)
    assert (found["fc"].top.boxes == [0, 0, 16, 16]).all()
    assert "whole image" in found["fc"].placement.why
    whole = patches(net, params, found.images, "fc", top=9)
    np.testing.assert_array_equal(found["fc"].top.images, whole["fc"].top.images)
    assert found.cut(found["conv1"].top, 2)[0].dtype == np.uint8


def test_mistakes_are_told():
    net, params = conv_net()
    images = draw(2)
    for options, message in (
        ({"top": 0}, "top must be at least 1"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"relevance": 5}, "has classes 0 to 4"),
        ({"relevance": "golfish"}, "did you mean goldfish"),
    ):
        with pytest.raises(ValueError, match=message):
            patches(net, params, images, "conv1", **options)
    with pytest.raises(ValueError, match="has no tap 'conv9'"):
        patches(net, params, images, "conv9")
