"""What users' networks expect of their images: numbers, channels, layouts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.images import LUMINANCE, check_image
from jaxvis.nets import from_function
from jaxvis.nets.preprocessing import ImageOptions, Preprocessing

SIZE = (12, 16)
KERNEL = jax.random.normal(jax.random.key(1), (3, 3, 3, 8))


@pytest.fixture
def image(key):
    return jax.random.uniform(key, (*SIZE, 3))


def convolve(x, kernel=KERNEL):
    """Returns a convolution of `[H, W, C]`, stride 2."""
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x[None], kernel, (2, 2), "SAME", dimension_numbers=numbers)[
        0
    ]


def channels_last(params, x):
    maps = convolve(x)
    return {"maps": maps, "output": maps.mean((0, 1))}


def channels_first(params, x):
    kernel = jnp.transpose(KERNEL, (3, 2, 0, 1))
    maps = jax.lax.conv_general_dilated(x[None], kernel, (2, 2), "SAME")[0]
    return {"maps": maps, "output": maps.mean((1, 2))}


def turned_inside(params, x):
    return channels_first(params, jnp.moveaxis(x, -1, 0))


def one_channel(params, x):
    maps = convolve(x, KERNEL[:, :, :1])
    return {"maps": maps, "output": maps.mean((0, 1))}


def adapt(fn, **options):
    return from_function(fn, {}, input_size=SIZE, **options)


def test_options_are_those_of_the_dataclass():
    fields = {field.name for field in dataclasses.fields(Preprocessing)}
    assert set(ImageOptions.__annotations__) == fields


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [0.2, 0.4, 1.0]),
        ({"range": (0, 255)}, [51, 102, 255]),
        ({"range": (-1, 1)}, [-0.6, -0.2, 1.0]),
        ({"mean": 0.5, "std": 0.25}, [-1.2, -0.4, 2.0]),
        ({"mean": (0.1, 0.2, 0.3), "std": (1, 2, 0.7)}, [0.1, 0.1, 1.0]),
        ({"channels": "BGR", "range": (0, 255), "mean": (104, 117, 123)}, [151, -15, -72]),
        ({"channels": "grey"}, [0.4]),
        ({"channels": 1, "range": (0, 10)}, [4.0]),
        ({"channels": 3}, [0.2, 0.4, 1.0]),
        ({"channels": 2, "mean": (0.1, 0.2)}, [0.1, 0.3]),
        ({"channels": "grey", "range": (-1, 1), "mean": 0.5, "std": 0.5}, [-1.4]),
    ],
)
def test_the_network_takes_the_numbers_that_it_expects(options, wanted):
    colours = {1: [0.4], 2: [0.2, 0.5], 3: [0.2, 0.4, 1.0]}
    image = jnp.broadcast_to(jnp.array(colours[len(wanted)]), (*SIZE, len(wanted)))
    found = Preprocessing(**options).prepare(image)
    assert found.shape == (*SIZE, len(wanted))
    np.testing.assert_allclose(found[3, 5], wanted, atol=2e-4)
    net, params = adapt(lambda params, x: {"seen": x}, **options)
    assert net.channels == len(wanted)
    np.testing.assert_allclose(net.apply(params, image)["seen"], found)
    np.testing.assert_allclose(net.apply(params, image)["input"], found)


def test_equal_options_make_equal_networks():
    one = adapt(channels_last, mean=0.5, range=(0, 1))[0]
    assert one == adapt(channels_last, mean=(0.5, 0.5, 0.5), std=1)[0]
    assert hash(one) == hash(adapt(channels_last, mean=0.5)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (104, 117, 123)}, r"lies outside range=\(0, 1\): pass range=\(0, 255\)"),
        ({"mean": -0.5}, r"lies outside range=\(0, 1\): pass another range"),
        (
            {"mean": (0.485, 0.456, 0.406), "range": (0, 255)},
            "on a scale from 0 to 1.*multiply mean and std by 255, or leave range out",
        ),
        ({"mean": (0.1, 0.2)}, "mean is one finite number, or one for each of the channels"),
        ({"mean": float("nan")}, "mean is one finite number"),
        ({"mean": (0.1, 0.2, 0.3), "channels": "grey"}, r"channels grey \(1\)"),
        ({"std": 0}, "std must be above 0"),
        ({"range": (1, 0)}, "range is what black and white are"),
        ({"range": (0, float("inf"))}, "range is what black and white are"),
        ({"range": 255}, "range is what black and white are"),
        ({"layout": "NCHW"}, "layout is one of 'HWC', 'CHW', not 'NCHW'"),
        ({"channels": "gray"}, "channels is one of 'RGB', 'BGR', 'grey', not 'gray'"),
        ({"channels": 0}, "channels is one of 'RGB', 'BGR', 'grey', not 0"),
    ],
)
def test_options_that_fit_no_network_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        adapt(channels_last, **options)


def test_an_option_that_there_is_not_is_named():
    with pytest.raises(TypeError, match="scale"):
        adapt(channels_last, scale=255)


def test_a_network_with_its_channels_first_has_the_taps_of_its_twin(image):
    twin, _ = adapt(channels_last, channels="BGR", mean=0.4)
    net, params = adapt(channels_first, layout="CHW", channels="BGR", mean=0.4)
    wanted, found = twin.apply({}, image), net.apply(params, image)
    assert net.shape(params, "maps") == (6, 8, 8)
    for tap in wanted:
        np.testing.assert_allclose(found[tap], wanted[tap], rtol=1e-4, atol=1e-5)
    batched, _ = from_function(
        lambda params, x: {k: v[None] for k, v in channels_first(params, x[0]).items()},
        {},
        input_size=SIZE,
        batched=True,
        layout="CHW",
        channels="BGR",
        mean=0.4,
    )
    np.testing.assert_allclose(batched.apply({}, image)["maps"], found["maps"], rtol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), SIZE, (8, 8)], ids=str)
@pytest.mark.parametrize(
    ("fn", "options", "message"),
    [
        (turned_inside, {}, "gives 'maps' with its channels first, .*: pass layout='CHW'"),
        (
            lambda params, x: channels_last(params, jnp.moveaxis(x, 0, -1)),
            {"layout": "CHW"},
            "gives 'maps' with its channels last.*leave layout out",
        ),
        (channels_first, {}, r"fails on an image .* it does take one with layout='CHW'"),
        (channels_last, {"layout": "CHW"}, "it does take one with layout='HWC'"),
        (one_channel, {}, "it does take one with channels='grey'"),
        (one_channel, {"layout": "CHW"}, "it does take one with layout='HWC', channels='grey'"),
        (channels_last, {"channels": "grey"}, "it does take one with channels='RGB'"),
        (
            lambda params, x: {k: v[None] for k, v in channels_last(params, x).items()},
            {},
            r"returns 'maps' with a batch axis, \(1, .*pass batched=True if it takes",
        ),
        (lambda params, x: {"output": x.mean((0, 1))[None]}, {}, "returns 'output' with a batch"),
        (lambda params, x: channels_last(params, x[0]), {}, "it does take one with batched=True"),
        (lambda params, x: x @ jnp.ones((7, 2)), {}, "fails on an image.*It said: "),
    ],
)
def test_a_network_adapted_wrongly_is_refused_with_the_cure(fn, options, message, size):
    with pytest.raises(ValueError, match=message):
        from_function(fn, {}, input_size=size, **options)


def test_the_layout_of_a_network_for_one_size_is_told_by_its_square_maps():
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 4))

    def fixed(params, x, turned):
        maps = convolve(x, kernel)
        scores = maps.reshape(-1) @ jnp.ones((8 * 8 * 4, 3))
        return {"maps": jnp.moveaxis(maps, -1, 0) if turned else maps, "output": scores}

    net, params = from_function(lambda p, x: fixed(p, x, False), {}, input_size=(16, 16))
    assert net.shape(params, "maps") == (8, 8, 4)
    with pytest.raises(ValueError, match=r"channels first, \(4, 8, 8\)"):
        from_function(lambda p, x: fixed(p, x, True), {}, input_size=(16, 16))


def test_maps_of_attention_and_pooled_ones_are_no_mistake():
    def attend(params, x):
        tokens = convolve(x).reshape(-1, 8)
        weights = jax.nn.softmax(tokens @ tokens.T)
        pooled = convolve(x).mean((0, 1), keepdims=True)
        return {"heads": jnp.stack([weights, weights]), "pooled": pooled, "tokens": tokens}

    net, params = adapt(attend)
    assert net.shape(params, "heads") == (2, 48, 48) and net.shape(params, "tokens") == (48, 8)


def test_a_network_of_one_channel_sees_the_luminance(image):
    net, params = adapt(one_channel, channels="grey", scores="output")
    grey = image @ jnp.array(LUMINANCE)
    wanted = convolve(grey[..., None], KERNEL[:, :, :1])
    shown = check_image(image, "the image", channels=net.channels)
    np.testing.assert_allclose(net.apply(params, shown)["maps"], wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"takes one image \[H, W, 1\].*makes a grey image of RGB"):
        net.apply(params, image)


@pytest.mark.slow
def test_methods_work_with_a_network_of_one_channel():
    net, params = adapt(one_channel, channels="grey")
    run = jaxvis.maximize(net, params, index=[0, 3], steps=16)
    assert run.image.shape == (2, 1, *SIZE, 1) and run.status.tolist() == [[0], [0]]
    grey = np.random.default_rng(0).random(SIZE, dtype=np.float32)
    run = jaxvis.invert(net, params, grey, tap="maps", steps=8)
    assert run.image.shape == (1, *SIZE, 1)
    assert run.trace["loss"][0, -1] < run.trace["loss"][0, 0]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((12, 16, 1), r"makes RGB of a grey image"),
        ((12, 16), r"makes RGB of a grey image"),
        ((3, 12, 16), "channels last"),
        ((12, 16, 4), "channels last"),
        ((1, 12, 16, 3), "use jax.vmap for a batch"),
    ],
)
def test_images_that_are_no_rgb_are_not_broadcast(shape, message):
    for net, params in (adapt(channels_last), jaxvis.load("demo")):
        with pytest.raises(ValueError, match=message):
            net.apply(params, jnp.ones(shape))
