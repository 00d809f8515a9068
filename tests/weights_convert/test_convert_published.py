"""Published weights: their tags, and how a training on ImageNet is known."""

import json

import pytest

from jaxvis.nets import registry
from weights_convert.preprocessing import parse
from weights_convert.published import is_config_of_imagenet, is_of_imagenet
from weights_convert.torchvision_files import SOURCES, find_tag, recognise_file


@pytest.mark.parametrize(
    ("net", "tag", "wanted"),
    [
        ("resnet50", "torchvision:IMAGENET1K_V1", "resnet50"),
        ("resnet50", "torchvision:IMAGENET1K_V2", "resnet50_v2"),
        ("resnet50", "torchvision:ResNet50_Weights.IMAGENET1K_V2", "resnet50_v2"),
        ("resnet50", "torchvision:DEFAULT", "resnet50_v2"),
        ("vgg16", "torchvision:DEFAULT", "vgg16"),
        ("vgg16", "torchvision:IMAGENET1K_FEATURES", "vgg16_features"),
        ("vgg16", "keras:imagenet", "vgg16_keras"),
        ("regnet_y_16gf", "torchvision:DEFAULT", "regnet_y_16gf_v2"),
    ],
)
def test_a_tag_names_one_file(net, tag, wanted):
    assert find_tag(net, tag) == wanted


@pytest.mark.parametrize(
    ("net", "tag", "message"),
    [
        ("resnet18", "torchvision:IMAGENET1K_V2", "of resnet18: write one of torchvision:IMAGE"),
        ("resnet18", "keras:imagenet", "no weights keras:imagenet of resnet18"),
        ("googlenet", "torchvision:DEFAULT", "name a file"),
        ("vgg16", "torchvision:\x1b[31m", r"torchvision:\\x1b\[31m"),
    ],
)
def test_an_unknown_tag_lists_the_known_ones(net, tag, message):
    with pytest.raises(ValueError, match=message):
        find_tag(net, tag)


def test_every_published_file_is_of_a_network_that_is_here():
    assert {source.net for source in SOURCES.values()} <= registry.NETS.keys()
    for source in SOURCES.values():
        assert len(source.md5 or source.sha256) == (32 if source.md5 else 8)
        assert source.preprocess is None or parse(source.preprocess)
    assert len({(source.net, source.tag) for source in SOURCES.values()}) == len(SOURCES)


def test_inceptions_own_code_turns_its_input_into_minus_one_to_one():
    """x = (image - 0.485) / 0.229 becomes x 0.229 / 0.5 + (0.485 - 0.5) / 0.5 = 2 image - 1."""
    convention = parse(SOURCES["inception_v3"].preprocess).as_affine()
    for i, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))):
        scale, shift = 1 / std * (std / 0.5), -mean / std * (std / 0.5) + (mean - 0.5) / 0.5
        assert convention["scale"][i] == pytest.approx(scale)
        assert convention["shift"][i] == pytest.approx(shift)


def test_a_file_is_recognised_by_its_content_alone():
    assert recognise_file("0676ba61" + "0" * 56).tag == "torchvision:IMAGENET1K_V1"
    assert recognise_file("0" * 64) is None


@pytest.mark.parametrize(
    ("files", "sums", "wanted"),
    [
        (["renamed.pth"], ["0676ba61" + "0" * 56], True),
        (["bvlc_googlenet.caffemodel"], ["0" * 64], True),
        (["vgg16_weights_tf_dim_ordering_tf_kernels.h5"], [], True),
        (["resnet50-0676ba61.pth"], ["1" * 64], False),
        (["vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"], [], False),
        (["mine.caffemodel"], ["0" * 64], False),
        ([], [], False),
    ],
)
def test_only_what_is_known_to_be_of_imagenet_is_called_so(files, sums, wanted):
    assert is_of_imagenet(files, sums) is wanted


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("a1_in1k", True),
        ("augreg_in21k_ft_in1k", True),
        ("fb_in22k_ft_in1k_384", True),
        ("in21k", False),
        ("winbin1k", False),
        (None, False),
    ],
)
def test_timms_tags_say_on_what_a_network_was_trained(tmp_path, tag, wanted):
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {"tag": tag}}))
    assert is_config_of_imagenet(tmp_path) is wanted


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pretrained_cfg": 3}', "[" * 100_000])
def test_a_config_that_cannot_be_read_says_nothing(tmp_path, text):
    assert not is_config_of_imagenet(tmp_path)
    (tmp_path / "config.json").write_text(text)
    assert not is_config_of_imagenet(tmp_path)
