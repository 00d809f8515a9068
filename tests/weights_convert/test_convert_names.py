"""Names of torchvision, timm, Caffe, Keras and MatConvNet -> rows of the tables."""

import numpy as np
import pytest

from jaxvis.nets import registry
from jaxvis.weights import file as weights_file
from weights_convert.names.extras import HARMLESS
from weights_convert.names.folding import make_folder
from weights_convert.names.parameters import list_shapes
from weights_convert.names.table import list_names, make_renamer

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
    ("torch", "resnet18", "embedder.embedder.normalization.bias", "bn1/bias"),
    ("torch", "resnet18", "classifier.1.weight", "fc/kernel"),
    (
        "torch",
        "resnet50",
        "encoder.stages.0.layers.0.layer.2.convolution.weight",
        "layer1.0.conv3/kernel",
    ),
    (
        "torch",
        "resnet50",
        "encoder.stages.3.layers.0.shortcut.normalization.running_var",
        "layer4.0.downsample.1/var",
    ),
    ("torch", "convnext_tiny", "features.1.0.layer_scale", "features.1.0.layer_scale/scale"),
    ("torch", "convnext_tiny", "stages.0.blocks.0.gamma", "features.1.0.layer_scale/scale"),
    ("torch", "convnext_tiny", "stages.1.blocks.2.mlp.fc2.weight", "features.3.2.block.5/kernel"),
    ("torch", "convnext_tiny", "stages.1.downsample.0.weight", "features.2.0/scale"),
    ("torch", "convnext_tiny", "head.fc.bias", "classifier.2/bias"),
    ("torch", "convnext_tiny", "downsample_layers.3.1.weight", "features.6.1/kernel"),
    ("torch", "convnext_tiny", "stages.2.8.pwconv1.bias", "features.5.8.block.3/bias"),
    (
        "torch",
        "convnext_tiny",
        "encoder.stages.2.layers.8.layer_scale_parameter",
        "features.5.8.layer_scale/scale",
    ),
    ("torch", "convnext_tiny", "layernorm.bias", "classifier.0/bias"),
    ("torch", "mobilenet_v2", "blocks.0.0.conv_dw.weight", "features.1.conv.0.0/kernel"),
    ("torch", "mobilenet_v2", "blocks.1.0.conv_pwl.weight", "features.2.conv.2/kernel"),
    ("torch", "mobilenet_v2", "blocks.6.0.bn3.running_mean", "features.17.conv.3/mean"),
    ("torch", "mobilenet_v2", "conv_head.weight", "features.18.0/kernel"),
    (
        "torch",
        "mobilenet_v3_large",
        "blocks.2.0.se.conv_reduce.bias",
        "features.4.block.2.fc1/bias",
    ),
    ("torch", "mobilenet_v3_large", "blocks.6.0.conv.weight", "features.16.0/kernel"),
    ("torch", "mobilenet_v3_large", "conv_head.bias", "classifier.0/bias"),
    ("torch", "efficientnet_b0", "blocks.0.0.se.conv_expand.bias", "features.1.0.block.1.fc2/bias"),
    ("torch", "efficientnet_b0", "blocks.1.0.bn3.weight", "features.2.0.block.3.1/scale"),
    ("torch", "efficientnet_b0", "bn2.weight", "features.8.1/scale"),
    (
        "torch",
        "regnet_y_400mf",
        "s2.b1.downsample.conv.weight",
        "trunk_output.block2.block2-0.proj.0/kernel",
    ),
    ("torch", "transform_plain", "res2.in1.weight", "res2_norm1/scale"),
    ("torch", "transform_plain", "deconv3.conv2d.bias", "image/bias"),
    ("torch", "vit_ti_16", "encoder.ln.weight", "norm.tokens/scale"),
    ("torch", "vit_ti_16", "blocks.3.attn.qkv.weight", "blocks.3.attn.qkv/kernel"),
    ("caffe", "googlenet", "inception_4c/3x3_reduce/weight", "inception_4c/3x3_reduce/kernel"),
    ("caffe", "googlenet", "loss3/classifier/bias", "loss3/classifier/bias"),
    ("caffe", "squeezenet1_1", "fire2/squeeze1x1/weight", "fire2/squeeze1x1/kernel"),
    ("caffe", "vgg19", "conv3_4/weight", "conv3_4/kernel"),
    ("keras", "vgg19", "block3_conv4/kernel", "conv3_4/kernel"),
    ("keras", "vgg19", "fc1/kernel", "fc6/kernel"),
    ("keras", "vgg19", "predictions/bias", "fc8/bias"),
    ("keras", "vgg19", "predictions/bias:0", "fc8/bias"),
    (
        "keras",
        "densenet121",
        "conv2_block1_0_bn/gamma",
        "features.denseblock1.denselayer1.norm1/scale",
    ),
    (
        "keras",
        "densenet121",
        "conv5_block16_2_conv/kernel",
        "features.denseblock4.denselayer16.conv2/kernel",
    ),
    ("keras", "densenet121", "pool3_conv/kernel:0", "features.transition2.conv/kernel"),
    ("keras", "densenet121", "bn/moving_variance", "features.norm5/var"),
    ("matconvnet", "caffenet", "conv5/filters", "conv5/kernel"),
    ("matconvnet", "vgg_m", "fc8/biases", "fc8/bias"),
]


@pytest.mark.parametrize("naming, net, theirs, ours", EXAMPLES, ids=lambda v: v)
def test_known_names_become_rows(naming, net, theirs, ours):
    network = registry.build(net)
    assert make_renamer(naming, network)(theirs) == ours
    row, _, _ = ours.rpartition("/")
    assert row in {each.name for each in network.rows}


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


SHAPED = ["lenet5", "squeezenet1_1", "transform_plain", "demo"]
DEEP = ["mobilenet_v3_small", "convnext_tiny", "vit_ti_16", "densenet121"]


@pytest.mark.parametrize(
    "name", [*SHAPED, *(pytest.param(name, marks=pytest.mark.slow) for name in DEEP)]
)
def test_the_shapes_of_a_table_are_those_of_the_network_itself(name):
    net = registry.build(name)
    own = weights_file.tensor_shapes(net)
    assert list_shapes(net) == {n: s for n, s in own.items() if not n.startswith("input/")}


@pytest.mark.parametrize(
    "name, theirs, epsilon, ours",
    [
        ("densenet121", "conv1_bn/gamma", 1.001e-5, 1e-5),
        ("densenet121", "features.norm0.weight", 1e-5, 1e-5),
        ("mobilenet_v3_small", "conv_stem.weight", 1e-5, 1e-3),
        ("mobilenet_v3_small", "features.0.0.weight", 1e-3, 1e-3),
    ],
)
def test_another_epsilon_is_folded_into_the_variance(name, theirs, epsilon, ours):
    net = registry.build(name)
    row = next(row.name for row in net.rows if row.op == "bn")
    var = np.full(3, 0.5, np.float32)
    found = make_folder(net, [theirs])(f"{row}/var", var)
    np.testing.assert_allclose(found + ours, var + epsilon, rtol=1e-6)
    np.testing.assert_array_equal(make_folder(net, [theirs])(f"{row}/mean", var), var)


@pytest.mark.parametrize("name", registry.NETS)
def test_every_name_of_a_layer_leads_to_a_row(name):
    net = registry.build(name)
    known = list_shapes(net)
    for naming in ("torch", "keras"):
        try:
            table = list_names(naming, net)
        except ValueError:
            assert name in ("googlenet", "caffe_alexnet", "caffenet")
            continue
        assert {target.partition(" ")[0] for target in table.values()} <= known.keys()
        if naming == "torch":
            assert known.keys() <= set(table.values())
