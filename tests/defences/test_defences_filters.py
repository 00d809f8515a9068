"""Filters before a network, and ensembles: what they compute, and that attacks see through."""

import io
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import jaxvis
from jaxvis.defences import BitDepth, Blur, Filter, Jpeg, JpegFile, Median, TotalVariation
from jaxvis.loss.chambolle import Chambolle
from tests import tiny_nets

EVERY = (BitDepth(), Median(), Blur(), TotalVariation(), Jpeg(), JpegFile())


@pytest.fixture(scope="module")
def photo():
    return tiny_nets.photograph(64)[:60, :52]


def test_bits_are_levels():
    image = jnp.array([0.0, 0.24, 0.26, 0.49, 0.51, 1.2]).reshape(1, 2, 3)
    np.testing.assert_allclose(BitDepth(bits=1)(image).ravel(), [0, 0, 0, 0, 1, 1])
    np.testing.assert_allclose(BitDepth(bits=2)(image).ravel() * 3, [0, 1, 1, 1, 2, 3], atol=1e-6)


def test_medians_and_blurs_are_scipys(photo):
    for channel in range(3):
        plane = np.asarray(photo[..., channel])
        found = Median(size=5)(photo)[..., channel]
        np.testing.assert_allclose(found, ndimage.median_filter(plane, 5, mode="reflect"))
        found = Blur(sigma=1.5)(photo)[..., channel]
        wanted = ndimage.gaussian_filter(plane, 1.5, mode="nearest", radius=6)
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    found = TotalVariation(weight=0.1, steps=20)(photo)
    np.testing.assert_allclose(found, Chambolle(0.1, 20)(None, photo), atol=1e-6)


def save(levels, quality, subsampling):
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file)).astype(float)


@pytest.mark.parametrize(
    "quality", [50, *(pytest.param(quality, marks=pytest.mark.slow) for quality in (90, 10))]
)
def test_jpeg_is_what_pillow_reads_back(photo, quality):
    levels = np.round(np.asarray(photo) * 255).astype(np.uint8)
    for halve, code in ((False, 0), (True, 2)):
        wanted = save(levels, quality, code)
        found = np.asarray(jax.jit(Jpeg(quality=quality, halve=halve))(photo)) * 255
        apart, lost = np.abs(found - wanted).mean(), np.abs(levels - wanted).mean()
        assert apart < 1.2 and apart < 0.35 * lost
    np.testing.assert_allclose(
        np.asarray(JpegFile(quality=quality)(photo)) * 255, save(levels, quality, -1), atol=1e-3
    )
    grey = np.asarray(jax.jit(Jpeg(quality=quality))(photo[..., :1])) * 255
    assert np.abs(grey[..., 0] - save(levels[..., 0], quality, -1)).mean() < 0.5


@pytest.mark.slow
def test_gradients_pass_filters(photo):
    image = photo[:16, :16]
    weights = jax.random.normal(jax.random.key(0), image.shape)

    def find_slope(one):
        return tiny_nets.run_once(jax.grad(lambda image: jnp.vdot(one(image), weights)), image)

    for one in EVERY:
        if one.straight:
            np.testing.assert_array_equal(find_slope(one), weights)
    # Without smaller colours the cosines are a rotation, and rounding is let through.
    whole = find_slope(Jpeg(quality=90, halve=False))
    np.testing.assert_allclose(whole, weights, atol=1e-4)
    halved = find_slope(Jpeg())
    assert 0.1 < jnp.linalg.norm(halved) / jnp.linalg.norm(weights) < 1
    soft = find_slope(Jpeg(rounding="soft"))
    assert jnp.isfinite(soft).all() and jnp.any(soft != 0)


@pytest.mark.slow
def test_a_network_sees_the_filtered_image():
    net, params = tiny_nets.conv_net()
    images = jnp.stack([tiny_nets.photograph(16), 1 - tiny_nets.photograph(16)])
    for one in (TotalVariation(), JpegFile()):
        behind = jaxvis.with_filters(net, one)
        look = jax.vmap(lambda x, behind=behind: behind.apply(params, x)["fc"])
        wanted = [net.apply(params, one(image))["fc"] for image in images]
        np.testing.assert_allclose(tiny_nets.run_once(look, images), wanted, rtol=2e-4, atol=1e-4)
    both = jaxvis.with_filters(net, BitDepth(bits=3), Blur())
    wanted = net.apply(params, Blur()(BitDepth(bits=3)(images[0])))["fc"]
    np.testing.assert_allclose(both.apply(params, images[0])["fc"], wanted, rtol=1e-4, atol=1e-5)
    assert jaxvis.with_filters(net) is net and hash(both) == hash(
        jaxvis.with_filters(net, BitDepth(bits=3), Blur())
    )


@pytest.mark.slow
def test_an_attack_that_knows_the_filter_sees_through_it():
    net, params = tiny_nets.conv_net()
    images = jax.random.uniform(jax.random.key(6), (8, 16, 16, 3))
    defended = jaxvis.with_filters(net, BitDepth(bits=3))
    labels = np.array([int(jnp.argmax(defended.apply(params, x)["fc"])) for x in images])
    options = {"epsilon": 24 / 255, "steps": 12, "random_start": False, "loss": "margin"}
    aware = jaxvis.attacks.pgd(defended, params, images, labels, **options)
    blind = jaxvis.with_filters(net, BitDepth(bits=3, straight=False))
    unaware = jaxvis.attacks.pgd(blind, params, images, labels, **options)
    # Rounding has no slope, so who follows it stands still.
    assert aware.facts["success"].sum() > unaware.facts["success"].sum()


def test_a_filter_of_ones_own_needs_apply_alone():
    @dataclass(frozen=True)
    class Mirror(Filter):
        straight: bool = False

        def apply(self, image):
            return image[:, ::-1]

    net, params = tiny_nets.fc_net()
    image = tiny_nets.photograph(16)
    found = jaxvis.with_filters(net, Mirror()).apply(params, image)["fc"]
    np.testing.assert_allclose(found, net.apply(params, image[:, ::-1])["fc"], rtol=1e-5)
    with pytest.raises(ValueError, match="is no filter"):
        jaxvis.with_filters(net, lambda image: image)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: BitDepth(bits=0), "1 to 8"),
        (lambda: Median(size=4), "odd"),
        (lambda: Blur(sigma=0), "above 0"),
        (lambda: TotalVariation(straight=False), "no gradient"),
        (lambda: Jpeg(quality=0), "1 to 100"),
        (lambda: Jpeg(rounding="none"), "'straight' or 'soft'"),
        (lambda: JpegFile(straight=False), "no gradient"),
        (lambda: Jpeg()(jnp.zeros((8, 8, 2))), "1 or 3 channels"),
    ],
)
def test_filters_that_make_no_sense_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_an_ensembles_scores_are_the_mean():
    members = [tiny_nets.conv_net(), tiny_nets.fc_net()]
    image = tiny_nets.photograph(16)
    each = jnp.stack([net.apply(params, image)["fc"] for net, params in members])
    net, params = jaxvis.ensemble(members)
    np.testing.assert_allclose(net.apply(params, image)["scores"], each.mean(0), rtol=1e-5)
    net, params = jaxvis.ensemble(members, mean="probabilities")
    found = jax.nn.softmax(net.apply(params, image)["scores"])
    np.testing.assert_allclose(found, jax.nn.softmax(each).mean(0), rtol=1e-4)
    taps = net.apply(params, image, stop=("1/relu2", "scores"))
    np.testing.assert_allclose(
        taps["1/relu2"], members[1][0].apply(members[1][1], image, stop="relu2")["relu2"], rtol=1e-5
    )


def test_members_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="at least one member"):
        jaxvis.ensemble([])
    with pytest.raises(ValueError, match="different images"):
        jaxvis.ensemble([tiny_nets.conv_net(), tiny_nets.conv_net(32)])
    with pytest.raises(ValueError, match="names no class scores"):
        jaxvis.ensemble([tiny_nets.relu_net(16)])
    with pytest.raises(ValueError, match="'scores' or 'probabilities'"):
        jaxvis.ensemble([tiny_nets.conv_net()], mean="votes")
