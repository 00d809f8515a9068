"""Input conventions: parsing, folding, and what they do to an image."""

import checkpoint_writers as write
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from jaxvis.weights import file as weights_file
from weights_convert import convert
from weights_convert.preprocessing import PRESETS, Preprocess, default_preprocess, parse

NUMBER = st.floats(0.01, 300)
TRIPLE = st.tuples(NUMBER, NUMBER, NUMBER)


@settings(deadline=None)
@given(st.sampled_from(["rgb", "bgr"]), st.sampled_from([1, 255]), TRIPLE, TRIPLE)
def test_text_and_convention_are_inverse(order, maximum, mean, std):
    convention = Preprocess(order, maximum, mean, std)
    back = parse(str(convention))
    assert (back.order, back.maximum) == (order, maximum)
    np.testing.assert_allclose(back.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(back.std, std, rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "torch",
        "",
        "bgr:255:1,2,3",
        "bgr:255:1,2:1,1,1",
        "brg:255:1,2,3:1,1,1",
        "rgb:0:1,2,3:1,1,1",
        "rgb:1:0,0,0:1,0,1",
        "rgb:1:nan,0,0:1,1,1",
        "rgb:1:0,0,0:1,1,1e-30",
        "rgb:1:a,b,c:1,1,1",
        "rgb:1:0,0,0:1,1,1:2",
    ],
)
def test_other_texts_are_refused_with_what_is_understood(text):
    with pytest.raises(ValueError, match="neither one of imagenet, caffe.*ORDER"):
        parse(text)


@pytest.mark.parametrize("name", PRESETS)
def test_affine_is_the_convention_on_rgb_images(name):
    convention = PRESETS[name]
    pixel = np.array([0.1, 0.5, 0.9])  # R, G, B
    given = pixel[::-1] if convention.order == "bgr" else pixel
    wanted = (given * convention.maximum - convention.mean) / convention.std
    affine = convention.as_affine()
    got = pixel * affine["scale"] + affine["shift"]
    got = got[::-1] if convention.order == "bgr" else got
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "naming, net, wanted",
    [
        ("torch", "vgg19", "imagenet"),
        ("torch", "resnet50", "imagenet"),
        ("keras", "vgg19", "caffe_vgg"),
        ("caffe", "vgg_m", "caffe_vgg"),
        ("caffe", "googlenet", "caffe"),
        ("caffe", "squeezenet1_1", "caffe"),
        ("caffe", "caffenet", "caffe"),
    ],
)
def test_the_default_follows_the_naming_and_the_net(naming, net, wanted):
    assert default_preprocess(naming, net) == PRESETS[wanted]


def test_matconvnet_without_a_mean_image_subtracts_the_nets_mean_in_rgb():
    convention = default_preprocess("matconvnet", "vgg19")
    assert (convention.order, convention.maximum) == ("rgb", 255)
    assert convention.mean == (123.68, 116.779, 103.939)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_the_first_layer_sees_what_the_checkpoint_wanted(tmp_path, order):
    # The convolution by hand, on the file's own channels, against the folded network.
    net = write.tiny_net()
    state = write.random_state(net)
    write.write_torch_zip(tmp_path / "n.pth", write.outer_first(net, state))
    convention = Preprocess(order, 255, (10.0, 20.0, 30.0), (2.0, 3.0, 4.0))
    out = convert(
        [tmp_path / "n.pth"],
        net=net,
        out=tmp_path / "n.safetensors",
        preprocess=str(convention),
    )
    image = np.random.default_rng(0).uniform(size=(8, 12, 3)).astype(np.float32)
    given = image[..., ::-1] if order == "bgr" else image
    x = (given * 255 - np.array(convention.mean)) / np.array(convention.std)
    kernel, bias = state["conv1"]["kernel"], state["conv1"]["bias"]
    wanted = np.einsum("hwi,hwio->o", x[2:5, 4:7], kernel) + bias

    taps = net.apply(weights_file.read(out, net), image, stop="conv1")
    np.testing.assert_allclose(taps["conv1"][3, 5], wanted, rtol=1e-4)
    assert weights_file.read_metadata(out)["preprocess"] == str(convention)


def test_a_files_own_mean_wins_over_the_default_and_a_flag_over_both(tmp_path):
    net = write.tiny_net()
    image = np.broadcast_to([50.0, 60.0, 70.0], (8, 12, 3))
    write.write_mat(tmp_path / "n.mat", net, write.random_state(net), image=image)
    out = tmp_path / "n.safetensors"
    convert([tmp_path / "n.mat"], net=net, out=out)
    np.testing.assert_allclose(load_file(out)["input/shift"], [-50, -60, -70])
    convert([tmp_path / "n.mat"], net=net, out=out, preprocess="unit", overwrite=True)
    np.testing.assert_array_equal(load_file(out)["input/shift"], [0, 0, 0])
    np.testing.assert_array_equal(load_file(out)["input/scale"], [1, 1, 1])
