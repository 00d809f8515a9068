"""Arithmetic counted from rows, against counts made by hand and published ones."""

import jax
import numpy as np
import pytest
from tiny_nets import conv_net, counted_net

from benchmarks.harness import flops, subjects
from benchmarks.speed import start, sweep
from jaxvis.nets import build


def test_flops_are_those_of_the_rows():
    net, _ = conv_net(16)
    convs = 2 * 16 * 16 * 6 * 9 * 3 + 2 * 8 * 8 * 8 * 9 * 6
    assert flops.count_forward(net, "relu2", (16, 16)) == convs
    assert flops.count_forward(net, "fc", (16, 16)) == convs + 2 * 8 * 5
    assert flops.count_forward(net, "relu1", (16, 16)) == 2 * 16 * 16 * 6 * 9 * 3
    assert flops.count_step(net, "fc", (16, 16)) == 2 * (convs + 2 * 8 * 5)


@pytest.mark.parametrize(
    ("name", "billions"),
    # Multiply-adds that the papers and torchvision's table of models give, times two.
    [("vgg16", 15.47), ("vgg19", 19.63), ("alexnet", 0.714), ("squeezenet1_1", 0.349)],
)
def test_flops_are_the_published_ones(name, billions):
    net = build(name)
    found = flops.count_forward(net, net.classes, (224, 224))
    assert found == pytest.approx(2e9 * billions, rel=0.02)


def test_grouped_convolutions_count_their_groups_once():
    net = build("caffe_alexnet")
    first, second = (flops.count_forward(net, tap, (227, 227)) for tap in ("conv1", "conv2"))
    assert second - first == 2 * 27 * 27 * 256 * 25 * 96 // 2


def test_an_adapted_network_has_no_flops_to_count():
    net, _, _ = counted_net()
    with pytest.raises(ValueError, match="not a table network"):
        flops.count_forward(net, "scores", (16, 16))


def test_the_ceiling_is_a_rate_of_products():
    assert 1e7 < flops.measure_ceiling(side=64, runs=2) < 1e16


@pytest.mark.slow
def test_gradients_are_those_of_each_images_own_class():
    net, params = conv_net(16)
    images, index = subjects.draw_images(2, 16), np.array([3, 1], np.int32)
    run = subjects.make_gradient(net, "relu2")
    scores, gradients = run(params, images, index)

    def score(image):
        return net.apply(params, image, stop="relu2")["relu2"][..., 1].mean()

    value, gradient = jax.value_and_grad(score)(images[1])
    np.testing.assert_allclose(scores[1], value, rtol=1e-5)
    np.testing.assert_allclose(gradients[1], gradient, rtol=1e-4, atol=1e-8)


def test_images_have_no_equal_neighbours_to_tie():
    images = subjects.draw_images(2, 32)
    assert images.shape == (2, 32, 32, 3) and images.dtype == np.float32
    assert images.min() > 0 and images.max() < 1
    assert (np.diff(images, axis=2) != 0).all()


@pytest.mark.slow
def test_a_sweep_shows_fixed_networks_their_own_size():
    free, params = subjects.make_network("squeezenet1_1", 48)
    assert sweep.seen_side(free, params, 48) == 40
    fixed, params = subjects.make_network("alexnet", 63)
    assert sweep.seen_side(fixed, params, 63) == 63


def test_a_picture_that_leaves_its_class_where_it_was_does_not_pass(tmp_path):
    from jaxvis import load
    from jaxvis.output.io import write_image

    net, params = load("demo")
    write_image(tmp_path / "grey.png", np.full((64, 64, 3), 0.5, np.float32))
    found = start.judge_pictures(net, params, {"ours": tmp_path})
    assert not found.agree
