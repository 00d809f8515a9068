"""Networks of other packages in JAX, as they come: their logits, and a picture of one class."""

from importlib import import_module
from typing import NamedTuple

import jax
import numpy as np
import pytest

import jaxvis

# Packages may warn of their own use of JAX and NumPy, which is not judged here.
pytestmark = pytest.mark.filterwarnings("ignore")
SIZE = (32, 32)


class Case(NamedTuple):
    """A network of a package: adapted, called by the package itself, and its taps."""

    net: jaxvis.Network
    params: dict
    own: np.ndarray
    taps: set


@pytest.fixture(scope="module")
def image():
    """Returns one fixed image."""
    return jax.random.uniform(jax.random.key(1), (*SIZE, 3))


def need(name):
    """Returns a module of a package, or skips."""
    pytest.importorskip(name.partition(".")[0], exc_type=ImportError)
    return import_module(name)


def call_keras(model, image):
    """Returns what a model of Keras says of an image, compiled as one program."""
    groups = (model.trainable_variables, model.non_trainable_variables)
    variables = [[variable.value for variable in group] for group in groups]
    return jax.jit(lambda x: model.stateless_call(*variables, x, training=False)[0][0])(image[None])


def equimo_convnext(image):
    """Returns a narrow ConvNeXt of equimo, whose norms are mapped over pixels."""
    models, eqx = need("equimo.models"), need("equinox")
    net = models.ConvNeXt(
        in_channels=3, dims=[4, 8], depths=[1, 1], num_classes=5, key=jax.random.key(0)
    )
    own = eqx.filter_jit(eqx.nn.inference_mode(net))(image.transpose(2, 0, 1))
    taps = {"blocks.0", "norm", "head", "output"}
    return Case(*jaxvis.from_equinox(net, input_size=SIZE), own, taps)


def equimo_vit(image):
    """Returns a small vision transformer of equimo."""
    models, eqx = need("equimo.models"), need("equinox")
    net = models.VisionTransformer(
        img_size=32,
        in_channels=3,
        dim=8,
        patch_size=16,
        num_heads=2,
        depths=[2],
        num_classes=5,
        key=jax.random.key(0),
    )
    own = eqx.filter_jit(eqx.nn.inference_mode(net))(image.transpose(2, 0, 1))
    taps = {"patch_embed", "blocks.0", "norm", "head"}
    return Case(*jaxvis.from_equinox(net, input_size=SIZE), own, taps)


def jaxonmodels_resnet(image):
    """Returns ResNet-18 of jaxonmodels, whose batch norms have a state."""
    module, eqx = need("jaxonmodels.models.resnet"), need("equinox")
    net, state = eqx.nn.make_with_state(module.ResNet)(
        module.BasicBlock, [1, 1, 1, 1], 5, False, 1, 64, None, jax.random.key(0)
    )
    own, _ = eqx.nn.inference_mode(net)(image.transpose(2, 0, 1), state)
    taps = {"conv1", "bn", "layer1.blocks.0.bn2", "layer2.blocks.0.downsample.conv", "fc"}
    return Case(*jaxvis.from_equinox(net, state=state, input_size=SIZE), own, taps)


def equinox_alone(image):
    """Returns a Sequential of Equinox's own layers."""
    eqx = need("equinox")
    keys = jax.random.split(jax.random.key(0))
    layers = [
        eqx.nn.Conv2d(3, 4, 3, stride=2, key=keys[0]),
        eqx.nn.BatchNorm(4, "batch", mode="batch"),
        eqx.nn.Lambda(jax.nn.relu),
        eqx.nn.AdaptiveAvgPool2d(1),
        eqx.nn.Lambda(jax.numpy.ravel),
        eqx.nn.Dropout(0.5),
        eqx.nn.Linear(4, 5, key=keys[1]),
    ]
    net, state = eqx.nn.make_with_state(eqx.nn.Sequential)(layers)
    own, _ = eqx.filter_jit(eqx.nn.inference_mode(net))(image.transpose(2, 0, 1), state)
    taps = {f"layers.{i}" for i in range(7)}
    return Case(*jaxvis.from_equinox(net, state=state, input_size=SIZE), own, taps)


def keras_functional(image):
    """Returns MobileNet of keras.applications, which ends with a softmax."""
    keras = need("keras")
    net = keras.applications.MobileNet((*SIZE, 3), alpha=0.25, weights=None, classes=5)
    logits = keras.Model(net.inputs, net.get_layer("reshape_2").output)
    taps = {"conv1", "conv_dw_3_bn", "conv_pw_13_relu", "predictions.scores", "predictions"}
    adapted = jaxvis.from_keras(net, range=(-1, 1))
    return Case(*adapted, call_keras(logits, 2 * image - 1), taps)


def keras_hub_resnet(image):
    """Returns a small ResNet of keras_hub: a subclass around a functional backbone."""
    hub = need("keras_hub")
    backbone = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(*SIZE, 3),
    )
    net = hub.models.ImageClassifier(backbone=backbone, num_classes=5)
    taps = {"predictions"}
    return Case(*jaxvis.from_keras(net, input_size=SIZE), call_keras(net, image), taps)


def flaxmodels_resnet(image):
    """Returns ResNet-18 of flaxmodels, a Linen module."""
    models = need("flaxmodels")
    net = models.ResNet18(output="logits", pretrained=None, num_classes=5)
    variables = net.init(jax.random.key(0), image[None], train=False)
    own = net.apply(variables, image[None], train=False, mutable=False)[0]
    adapted = jaxvis.from_linen(net, variables, input_size=SIZE, arguments={"train": False})
    return Case(*adapted, own, {"BasicBlock_0.Conv_0", "BasicBlock_7", "Dense_0"})


CASES = [
    equinox_alone,
    equimo_convnext,
    equimo_vit,
    jaxonmodels_resnet,
    keras_functional,
    keras_hub_resnet,
    flaxmodels_resnet,
]


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_the_logits_are_the_packages_own_and_a_class_has_a_picture(make, image):
    case = make(image)
    assert case.taps <= set(case.net.taps)
    found = case.net.code(case.params, image, case.net.scores)
    np.testing.assert_allclose(found, case.own, rtol=1e-4, atol=1e-4)
    run = jaxvis.maximize(case.net, case.params, index=1, recipe="plain", steps=2)
    assert run.image.shape == (1, 1, *SIZE, 3) and np.isfinite(run.image).all()


def test_equal_modules_of_equinox_are_equal_nets():
    eqx = need("equinox")

    def adapt(seed, features=5):
        key = jax.random.key(seed)
        module = eqx.nn.Sequential(
            [eqx.nn.Lambda(jax.numpy.ravel), eqx.nn.Linear(3 * 4 * 4, features, key=key)]
        )
        return jaxvis.from_equinox(module, input_size=(4, 4))[0]

    assert adapt(0) == adapt(1) and hash(adapt(0)) == hash(adapt(1))
    assert adapt(0) != adapt(0, features=6)


def test_a_state_that_is_missing_is_asked_for_and_one_within_is_found():
    eqx = need("equinox")
    norm = eqx.nn.BatchNorm(3, "batch", mode="batch")
    net, params = jaxvis.from_equinox(norm, input_size=(4, 4), name="norm")
    assert net.taps == ("input", "output") and "state" in params
    bare, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(3, "batch", mode="batch")
    with pytest.raises(ValueError, match="has a state of its own: pass it, state="):
        jaxvis.from_equinox(bare, input_size=(4, 4))
    same, _ = jaxvis.from_equinox(bare, state=state, input_size=(4, 4), name="norm")
    assert same == jaxvis.from_equinox(bare, state=state, input_size=(4, 4), name="norm")[0]


def test_a_key_that_is_demanded_is_given():
    eqx = need("equinox")

    class Noisy(eqx.Module):
        drop: eqx.nn.Dropout

        def __call__(self, x, *, key):
            return self.drop(x, key=key)

    net, params = jaxvis.from_equinox(Noisy(eqx.nn.Dropout(0.5)), input_size=(4, 4))
    image = jax.numpy.ones((4, 4, 3))
    np.testing.assert_array_equal(net.apply(params, image)["drop"], image)


def small_keras(keras, units=5, name="small"):
    """Returns a small functional model with a block in it."""
    layers = keras.layers
    inner = [layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")]
    block = keras.Sequential(inner, name="block")
    start = keras.Input((6, 6, 3))
    hidden = layers.GlobalAveragePooling2D(name="gap")(block(start))
    end = layers.Dense(units, activation="softmax", name="head")(hidden)
    return keras.Model(start, end, name=name)


def test_equal_models_of_keras_are_equal_nets():
    keras = need("keras")
    net, params = jaxvis.from_keras(small_keras(keras))
    same, others = jaxvis.from_keras(small_keras(keras))
    assert net == same and hash(net) == hash(same)
    assert net != jaxvis.from_keras(small_keras(keras, units=6))[0]
    taps = ["block.conv", "block.relu", "block", "gap", "head.scores", "head", "output"]
    assert list(net.taps[1:]) == taps
    assert net.scores == "head.scores" and set(params) == set(others)
    image = jax.random.uniform(jax.random.key(0), (6, 6, 3))
    assert not np.allclose(net.apply(params, image)["head"], net.apply(others, image)["head"])


def test_a_model_of_keras_stays_as_it_was():
    keras = need("keras")
    model = small_keras(keras)
    image = np.ones((1, 6, 6, 3), np.float32)
    before = model(image)
    net, params = jaxvis.from_keras(model)
    net.apply(params, image[0])
    assert all("call" not in vars(layer) for layer in model.layers)
    np.testing.assert_array_equal(model(image), before)


def test_a_subclass_of_keras_has_the_taps_of_its_layers():
    keras = need("keras")

    class Block(keras.layers.Layer):
        def __init__(self, name):
            super().__init__(name=name)
            self.conv = keras.layers.Conv2D(4, 3, name="conv")

        def call(self, x):
            return keras.ops.relu(self.conv(x))

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="model")
            self.blocks = [Block("first"), Block("second")]

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return keras.ops.mean(x, (1, 2))

    model = Model()
    with pytest.raises(ValueError, match="has no parameters yet: call it once"):
        jaxvis.from_keras(model, input_size=(8, 8))
    image = jax.random.uniform(jax.random.key(0), (8, 8, 3))
    own = model(image[None])[0]
    with pytest.raises(ValueError, match=r"pass input_size=\(H, W\)"):
        jaxvis.from_keras(model)
    net, params = jaxvis.from_keras(model, input_size=(8, 8))
    assert net.taps[1:] == ("first.conv", "first", "second.conv", "second", "output")
    np.testing.assert_allclose(net.apply(params, image)["output"], own, rtol=1e-5, atol=1e-6)


def test_keras_on_another_backend_is_refused_with_the_cure(monkeypatch):
    keras = need("keras")
    model = small_keras(keras)
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax before keras is imported"):
        jaxvis.from_keras(model)
