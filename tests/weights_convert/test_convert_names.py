"""Names of torchvision, timm, Caffe, Keras and MatConvNet -> rows of the tables."""

import pytest

from jaxvis.nets import registry
from jaxvis.weights import file as weights_file
from weights_convert.names import HARMLESS, make_renamer, strip_prefix

EXAMPLES = [
    ("torch", "vgg19", "features.0.weight", "conv1_1/kernel"),
    ("torch", "vgg19", "features.34.bias", "conv5_4/bias"),
    ("torch", "vgg19", "classifier.0.weight", "fc6/kernel"),
    ("torch", "vgg19", "classifier.6.bias", "fc8/bias"),
    ("torch", "vgg19", "pre_logits.fc1.weight", "fc6/kernel"),
    ("torch", "vgg19", "head.fc.weight", "fc8/kernel"),
    ("torch", "vgg16_bn", "features.1.weight", "bn1_1/scale"),
    ("torch", "vgg16_bn", "features.41.running_var", "bn5_3/var"),
    ("torch", "alexnet", "features.3.weight", "conv2/kernel"),
    ("torch", "alexnet", "features.10.bias", "conv5/bias"),
    ("torch", "alexnet", "classifier.1.weight", "fc6/kernel"),
    ("torch", "alexnet", "classifier.4.weight", "fc7/kernel"),
    ("torch", "squeezenet1_0", "features.12.squeeze.weight", "fire9/squeeze1x1/kernel"),
    ("torch", "squeezenet1_1", "features.6.expand3x3.bias", "fire4/expand3x3/bias"),
    ("torch", "squeezenet1_1", "classifier.1.weight", "conv10/kernel"),
    ("torch", "resnet18", "layer2.0.downsample.0.weight", "layer2.0.downsample.0/kernel"),
    ("torch", "resnet18", "layer1.1.bn2.running_mean", "layer1.1.bn2/mean"),
    ("torch", "resnet18", "fc.weight", "fc/kernel"),
    (
        "torch",
        "densenet121",
        "features.denseblock1.denselayer2.norm.1.weight",
        "features.denseblock1.denselayer2.norm1/scale",
    ),
    (
        "torch",
        "densenet121",
        "features.denseblock4.denselayer16.conv.2.weight",
        "features.denseblock4.denselayer16.conv2/kernel",
    ),
    ("caffe", "googlenet", "inception_4c/3x3_reduce/weight", "inception_4c/3x3_reduce/kernel"),
    ("caffe", "googlenet", "loss3/classifier/bias", "loss3/classifier/bias"),
    ("caffe", "squeezenet1_1", "fire2/squeeze1x1/weight", "fire2/squeeze1x1/kernel"),
    ("caffe", "vgg19", "conv3_4/weight", "conv3_4/kernel"),
    ("keras", "vgg19", "block3_conv4/kernel", "conv3_4/kernel"),
    ("keras", "vgg19", "fc1/kernel", "fc6/kernel"),
    ("keras", "vgg19", "predictions/bias", "fc8/bias"),
    ("keras", "vgg19", "predictions/bias:0", "fc8/bias"),
    ("matconvnet", "caffenet", "conv5/filters", "conv5/kernel"),
    ("matconvnet", "vgg_m", "fc8/biases", "fc8/bias"),
]


@pytest.mark.parametrize("naming, net, theirs, ours", EXAMPLES, ids=lambda v: v)
def test_known_names_become_rows(naming, net, theirs, ours):
    network = registry.build(net)
    assert make_renamer(naming, network)(theirs) == ours
    row, _, _ = ours.rpartition("/")
    assert row in network.taps


@pytest.mark.parametrize(
    "naming, net, theirs",
    [
        ("torch", "vgg19", "features.1.weight.extra"),
        ("torch", "vgg19", "features.99.weight"),
        ("torch", "vgg19", "classifier.9.weight"),
        ("torch", "squeezenet1_1", "features.5.squeeze.weight"),
        ("keras", "vgg19", "block9_conv9/kernel"),
        ("caffe", "googlenet", "loss1/classifier/weight"),
        ("caffe", "googlenet", "weight"),
    ],
)
def test_unknown_names_become_nothing(naming, net, theirs):
    known = weights_file.tensor_shapes(registry.build(net))
    assert make_renamer(naming, registry.build(net))(theirs) not in known


@pytest.mark.parametrize(
    "name, harmless",
    [
        ("features.1.num_batches_tracked", True),
        ("aux1.fc1.weight", True),
        ("aux2.conv.conv.weight", True),
        ("AuxLogits.fc.weight", True),
        ("loss1/classifier/weight", True),
        ("loss3/classifier/weight", False),
        ("auxiliary.weight", False),
        ("features.0.weight", False),
    ],
)
def test_only_counters_and_auxiliary_heads_are_harmless(name, harmless):
    assert bool(HARMLESS.search(name)) == harmless


def test_torchvisions_googlenet_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match="it is not Caffe's.*jaxvis convert bvlc"):
        make_renamer("torch", registry.build("googlenet"))


@pytest.mark.parametrize("net", ["caffenet", "caffe_alexnet"])
def test_caffes_networks_take_no_torch_file(net):
    with pytest.raises(ValueError, match="convert its .caffemodel"):
        make_renamer("torch", registry.build(net))


def test_a_prefix_goes_only_if_every_name_has_it():
    assert strip_prefix(["module.a", "module.b"]) == {"module.a": "a", "module.b": "b"}
    assert strip_prefix(["module.a", "b"]) == {"module.a": "module.a", "b": "b"}
