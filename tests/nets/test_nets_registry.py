"""Names, options, shapes and parameter counts of every network."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from jaxvis.nets import NETS, build, parameter_shapes, random_params
from jaxvis.nets.table.geometry import parameter_counts
from jaxvis.nets.table.layers import minimum, shapes
from jaxvis.network import Network
from tests.families import FAMILIES

# As published: torchvision's own figures, and the Caffe and MatConvNet models'.
PARAMETERS = {
    "alexnet": 61_100_840,
    "caffe_alexnet": 60_965_224,
    "caffenet": 60_965_224,
    "vgg_m": 102_908_520,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "googlenet": 6_998_552,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50d": 25_576_264,
    "resnet18_cifar": 11_173_962,
    "resnet50_cifar": 23_520_842,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "inception_v3": 23_834_568,  # without the auxiliary classifier
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_small": 2_542_856,
    "mobilenet_v3_large": 5_483_032,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "regnet_y_400mf": 4_344_144,
    "regnet_y_16gf": 83_590_140,
    "convnext_tiny": 28_589_128,
    "convnext_small": 50_223_688,
    "convnext_base": 88_591_464,
    "lenet5": 61_706,
    "vit_ti_16": 5_717_416,
    "vit_s_16": 22_050_664,
    "vit_b_16": 86_567_656,
    "vit_b_32": 88_224_232,
    "deit_ti_16": 5_717_416,
    "deit_s_16": 22_050_664,
    "deit_b_16": 86_567_656,
}
# Tap -> its shape at the native size, from the papers and prototxts.
SHAPES = {
    "alexnet": {"conv1": (55, 55, 64), "pool2": (13, 13, 192), "pool5": (6, 6, 256)},
    "caffe_alexnet": {"norm1": (55, 55, 96), "pool1": (27, 27, 96), "fc6": (4096,)},
    "caffenet": {"pool1": (27, 27, 96), "norm1": (27, 27, 96), "pool5": (6, 6, 256)},
    "vgg_m": {"conv1": (109, 109, 96), "pool2": (13, 13, 256), "pool5": (6, 6, 512)},
    "vgg16": {"relu3_3": (56, 56, 256), "pool5": (7, 7, 512), "fc8": (1000,)},
    "vgg19_bn": {"bn4_4": (28, 28, 512), "relu5_4": (14, 14, 512), "prob": (1000,)},
    "squeezenet1_1": {"conv1": (111, 111, 64), "conv10": (13, 13, 1000)},
    "googlenet": {
        "inception_3a/output": (28, 28, 256),
        "inception_4c/3x3_reduce": (14, 14, 128),
        "inception_5b/output": (7, 7, 1024),
        "loss3/classifier": (1000,),
    },
    "resnet18": {"maxpool": (56, 56, 64), "layer3.0.downsample.1": (14, 14, 256)},
    "resnet50": {"layer1.0.relu_2": (56, 56, 256), "layer4.2.add": (7, 7, 2048)},
    "densenet121": {
        "features.denseblock1.denselayer6.cat": (56, 56, 224),
        "features.transition3.pool": (7, 7, 512),
        "features.denseblock4.cat": (7, 7, 1024),
    },
    "resnet50d": {"conv1.6": (112, 112, 64), "layer2.0.downsample.0": (28, 28, 256)},
    "resnet18_cifar": {"relu": (32, 32, 64), "layer4.1.add": (4, 4, 512), "fc": (10,)},
    "inception_v3": {
        "maxpool2": (35, 35, 192),
        "Mixed_6e.cat": (17, 17, 768),
        "Mixed_7c.cat_2": (8, 8, 2048),
    },
    "mobilenet_v2": {"features.1.conv.2": (112, 112, 16), "features.18.2": (7, 7, 1280)},
    "mobilenet_v3_large": {
        "features.4.block.2.fc1": (24,),
        "features.4.block.2.mul": (28, 28, 72),
        "features.16.2": (7, 7, 960),
    },
    "efficientnet_b4": {"features.0.2": (190, 190, 48), "features.8.2": (12, 12, 1792)},
    "regnet_y_16gf": {"trunk_output.block4.block4-0.activation": (7, 7, 3024)},
    "convnext_tiny": {"features.1.2.block.3": (56, 56, 384), "features.7.2.add": (7, 7, 768)},
    "lenet5": {"pool1": (14, 14, 6), "pool2": (5, 5, 16), "fc1": (120,)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_count_equals_the_published(name):
    assert sum(parameter_counts(build(name)).values()) == PARAMETERS[name]


def test_every_network_has_its_published_count():
    assert set(NETS) - {"demo"} == set(PARAMETERS)


def test_every_network_belongs_to_one_family():
    members = [name for first, others in FAMILIES.items() for name in (first, *others)]
    assert sorted(members) == sorted(NETS)


def test_every_builder_takes_the_number_of_classes_and_of_channels():
    for name in set(NETS) - {"demo"}:  # which has a class for each of its own images
        keywords = inspect.signature(NETS[name]).parameters
        assert keywords["classes"].default in (10, 1000), name
        assert keywords["channels"].default in (1, 3), name


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "demo"])
def test_first_and_last_kernels_follow_the_channels_and_the_classes(name):
    net = build(name, classes=7, channels=2)
    spec = parameter_shapes(net)
    kernels = [row.name for row in net.rows if "kernel" in spec.get(row.name, {})]
    first, last = kernels[0], kernels[-1]
    assert net.channels == 2 and spec["input"] == {"scale": (2,), "shift": (2,)}
    assert spec[first]["kernel"][2] == 2 and spec[last]["kernel"][-1] == 7
    assert shapes(net.rows, net.input_size)[net.scores] == (7,)


@pytest.mark.parametrize("option", ["classes", "channels"])
def test_build_refuses_a_number_below_one(option):
    with pytest.raises(ValueError, match=f"{option} is at least 1, not 0"):
        build("resnet18", **{option: 0})


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_at_the_native_size_are_the_papers(name):
    net = build(name)
    table = shapes(net.rows, net.input_size)
    assert {tap: table[tap] for tap in SHAPES[name]} == SHAPES[name]


@pytest.mark.parametrize("name", FAMILIES)
def test_apply_gives_the_shapes_of_the_table(name):
    net = build(name)
    params = jax.eval_shape(lambda key: random_params(net, key), jax.random.key(0))
    image = jax.ShapeDtypeStruct((*net.input_size, net.channels), jnp.float32)
    taps = jax.eval_shape(lambda p, x: net.apply(p, x), params, image)
    at = shapes(net.rows, net.input_size)
    assert {tap: value.shape for tap, value in taps.items()} == {tap: at[tap] for tap in net.taps}
    assert net.taps[0] == "input" and net.scores in net.taps


@pytest.mark.parametrize("name", NETS)
def test_networks_built_alike_are_equal_and_hash_alike(name):
    first, second = build(name), build(name)
    assert first == second and hash(first) == hash(second)
    assert first != build(name, head="linear")
    assert first.name == name


@pytest.mark.parametrize("name", NETS)
def test_head_chooses_what_follows_the_scores(name):
    def ops(head):
        net = build(name, head=head)
        names = [row.name for row in net.rows]
        return [row.op for row in net.rows[names.index(net.scores) + 1 :]]

    assert ops("softmax") == ops(None) == ["softmax"]
    assert ops("relu") == ["relu"]
    assert ops("linear") == []


@pytest.mark.parametrize("name", [n for n in NETS if n.startswith("vgg1")])
def test_pool_chooses_the_pooling_of_vgg(name):
    for pool, wanted in ((None, "max"), ("max", "max"), ("avg", "avg")):
        net = build(name, pool=pool)
        ops = {row.op for row in net.rows if row.name.startswith("pool")}
        assert ops == {wanted}


def test_fully_connected_layers_follow_the_input_size():
    kernel = parameter_shapes(build("vgg19", input_size=(256, 256)))["fc6"]["kernel"]
    assert kernel == (8 * 8 * 512, 4096)


def test_build_lists_the_known_names_for_an_unknown_one():
    with pytest.raises(ValueError, match="'vgg17'.*alexnet.*vgg16"):
        build("vgg17")


def test_build_names_an_option_that_the_network_lacks():
    with pytest.raises(ValueError, match="resnet18 has no option 'pool'.*head"):
        build("resnet18", pool="avg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "sum"}, "'max' or 'avg', not 'sum'"),
        ({"head": "sigmoid"}, "softmax, linear, relu, not 'sigmoid'"),
        ({"input_size": (31, 31)}, "too small"),
    ],
    ids=["pool", "head", "input_size"],
)
def test_build_refuses_a_value_that_an_option_does_not_take(options, message):
    with pytest.raises(ValueError, match=message):
        build("vgg11", **options)


@pytest.mark.parametrize("name", NETS)
def test_every_option_is_a_keyword_that_build_offers(name):
    offered = set(inspect.signature(build).parameters)
    parameters = inspect.signature(NETS[name]).parameters.values()
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert keywords <= offered
    assert isinstance(build(name), Network)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("alexnet", 63),
        ("vgg16", 32),
        ("squeezenet1_0", 21),
        ("squeezenet1_1", 17),
        ("googlenet", 31),
        ("inception_v3", 75),
        ("convnext_tiny", 32),
        ("mobilenet_v2", 1),
    ],
)
def test_the_smallest_image_is_known(name, side):
    # torchvision's own, but for GoogLeNet, whose fourth pooling is Caffe's 3x3.
    rows = build(name).rows
    assert minimum(rows) == side
    with pytest.raises(ValueError, match="too small"):
        shapes(rows, (side - 1, side - 1))
