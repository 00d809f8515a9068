"""Users' own NNX modules, Linen modules and functions as networks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from jaxvis.nets import from_function, from_linen, from_nnx
from jaxvis.network import Network

SIZE = (12, 10)


class Block(nnx.Module):
    def __init__(self, inputs, width, rngs):
        self.conv = nnx.Conv(inputs, width, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x)))
        self.sow(nnx.Intermediate, "rectified", x)
        return self.drop(x)


class Inherits(Block):
    """Has the call of its parent, and no instance of the parent beside it."""


class Classifier(nnx.Module):
    def __init__(self, rngs, block=Block):
        self.stem = nnx.Sequential(nnx.Conv(3, 4, (3, 3), rngs=rngs), nnx.relu)
        self.blocks = nnx.List([block(4, 4, rngs), block(4, 4, rngs)])
        self.fc = nnx.Linear(4, 5, rngs=rngs)

    def __call__(self, x, *, scale=1.0):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return scale * self.fc(x.mean((1, 2)))


class Shared(nnx.Module):
    """Calls one convolution twice, the second time within remat, returns several."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 3, (1, 1), rngs=rngs)

    def __call__(self, x):
        first = self.conv(x)
        second = nnx.remat(lambda conv, x: conv(x))(self.conv, first)
        return {"second": second, "mean": second.mean((1, 2)), "loss": jnp.sum(x)}


class LinenBlock(linen.Module):
    width: int

    @linen.compact
    def __call__(self, x, train):
        x = linen.Conv(self.width, (3, 3))(x)
        x = linen.BatchNorm(use_running_average=not train)(x)
        x = linen.relu(x)
        self.sow("intermediates", "rectified", x)
        return x


class LinenClassifier(linen.Module):
    @linen.compact
    def __call__(self, x, train):
        for width in (4, 6):
            x = LinenBlock(width)(x, train)
        return linen.Dense(5, name="head")(x.mean((1, 2)))


@pytest.fixture
def image(key):
    return jax.random.uniform(key, (*SIZE, 3))


def _nnx(seed=0, **options):
    return from_nnx(Classifier(nnx.Rngs(seed)), input_size=SIZE, **options)


def _linen(**options):
    module = LinenClassifier()
    variables = module.init(jax.random.key(0), jnp.zeros((1, *SIZE, 3)), False)
    options = {"arguments": {"train": False}, **options}
    net, params = from_linen(module, variables, input_size=SIZE, **options)
    return module, variables, net, params


def _assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_nnx_taps_are_the_outputs_of_submodules_in_the_order_of_the_calls():
    net, _ = _nnx()
    block = ("conv", "norm", "drop", "rectified")
    assert net.taps == (
        "input",
        "stem.layers.0",
        "stem",
        *(f"blocks.0.{name}" for name in block),
        "blocks.0",
        *(f"blocks.1.{name}" for name in block),
        "blocks.1",
        "fc",
        "output",
    )
    assert isinstance(net, Network) and net.name == "Classifier"
    assert net.scores == net.classes == "output"


def test_nnx_taps_equal_the_module_in_evaluation_mode(image):
    module = Classifier(nnx.Rngs(0))
    net, params = from_nnx(module, input_size=SIZE)
    taps = net.apply(params, image)
    stem = nnx.relu(module.stem.layers[0](image[None]))
    _assert_close(taps["stem"], stem[0])
    kernel = params["fc"]["kernel"]
    mean = taps["blocks.1"].mean((0, 1))
    _assert_close(taps["output"], mean @ kernel + params["fc"]["bias"])
    _assert_close(taps["blocks.0.rectified"], jax.nn.relu(taps["blocks.0.norm"]))
    # Dropout is off in the adapted copy, and still on in the module itself.
    _assert_close(taps["blocks.0"], taps["blocks.0.rectified"])
    assert not module.blocks[0].drop.deterministic
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}


def test_nnx_taps_include_a_call_that_the_class_inherits():
    module = Classifier(nnx.Rngs(0), block=Inherits)
    net, _ = from_nnx(module, input_size=SIZE)
    assert net.taps == _nnx()[0].taps
    assert "__call__" not in vars(Inherits)


def test_nnx_further_calls_are_numbered_and_a_dict_names_its_own_taps(image):
    net, params = from_nnx(Shared(nnx.Rngs(0)), input_size=SIZE)
    assert net.taps == ("input", "conv", "conv_1", "second", "mean")
    assert net.scores is None
    taps = net.apply(params, image)
    _assert_close(taps["second"], taps["conv_1"])
    _assert_close(taps["mean"], taps["conv_1"].mean((0, 1)))
    assert np.abs(taps["conv"] - taps["conv_1"]).max() > 0


def test_linen_taps_equal_the_module(image):
    module, variables, net, params = _linen()
    assert net.taps == (
        "input",
        "LinenBlock_0.Conv_0",
        "LinenBlock_0.BatchNorm_0",
        "LinenBlock_0.rectified",
        "LinenBlock_0",
        "LinenBlock_1.Conv_0",
        "LinenBlock_1.BatchNorm_0",
        "LinenBlock_1.rectified",
        "LinenBlock_1",
        "head",
        "output",
    )
    taps = net.apply(params, image)
    _assert_close(taps["output"], module.apply(variables, image[None], False)[0])
    _assert_close(taps["LinenBlock_1"], taps["LinenBlock_1.rectified"])
    assert net.scores == "output" and taps["LinenBlock_0"].shape == (*SIZE, 4)


@pytest.mark.parametrize("batched", [False, True])
def test_function_taps_are_what_it_returns(batched, image):
    def fn(params, x):
        maps = x @ params["mix"]["kernel"]
        return {"maps": maps, "mean": maps.mean((-3, -2))}

    params = {"mix": {"kernel": jnp.eye(3)[:, :2]}}
    net, same = from_function(fn, params, input_size=SIZE, batched=batched)
    assert net.taps == ("input", "maps", "mean") and net.name == "fn"
    taps = net.apply(same, image)
    _assert_close(taps["maps"], image[..., :2])
    _assert_close(taps["mean"], image[..., :2].mean((0, 1)))
    assert same is params


def test_taps_can_be_chosen_and_renamed(image):
    net, params = _nnx(taps=("fc", "blocks.0"))
    assert net.taps == ("input", "blocks.0", "fc") and net.scores is None
    net, params = _nnx(taps={"logits": "output", "low": "stem"}, name="mine")
    assert net.taps == ("input", "low", "logits")
    assert (net.name, net.scores) == ("mine", "logits")
    whole = _nnx()[0].apply(params, image)
    taps = net.apply(params, image)
    _assert_close(taps["logits"], whole["output"])
    _assert_close(taps["low"], whole["stem"])


def test_mean_and_std_and_arguments_reach_the_module(image):
    net, params = _nnx()
    plain = net.apply(params, image)
    net, _ = _nnx(mean=(0.1, 0.2, 0.3), std=0.5, arguments={"scale": 2.0})
    given = image * 0.5 + jnp.array((0.1, 0.2, 0.3))
    taps = net.apply(params, given)
    np.testing.assert_allclose(taps["input"], image, atol=1e-6)
    np.testing.assert_allclose(taps["output"], 2 * plain["output"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nnx", "linen", "function"])
def test_jit_vmap_and_gradients_work(kind, image):
    if kind == "nnx":
        net, params = _nnx()
    elif kind == "linen":
        _, _, net, params = _linen()
    else:
        net, params = from_function(
            lambda p, x: {"output": jnp.tanh(x).sum((0, 1))}, {}, input_size=SIZE
        )
    eager = net.apply(params, image)["output"]
    two = jnp.stack([image, image[::-1]])
    batch = jax.jit(jax.vmap(lambda x: net.apply(params, x)["output"]))(two)
    np.testing.assert_allclose(batch[0], eager, rtol=1e-4, atol=1e-5)
    gradient = jax.grad(lambda x: net.apply(params, x)["output"][0])(image)
    assert gradient.shape == image.shape and np.abs(gradient).max() > 0


def test_modules_built_alike_do_not_compile_again(image):
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def run(net, params, image):
        traces.append(net.name)
        return net.apply(params, image)["output"]

    first, second = (run(*_nnx(seed), image) for seed in (0, 1))
    assert traces == ["Classifier"] and np.abs(first - second).max() > 0
    for _ in range(2):
        _, _, net, params = _linen()
        run(net, params, image)
    assert traces == ["Classifier", "LinenClassifier"]


def test_stop_drops_what_comes_later(image):
    net, params = _nnx()
    traced = {
        stop: jax.jit(lambda p, x, stop=stop: net.apply(p, x, stop=stop))
        .lower(params, image)
        .compile()
        .cost_analysis()["flops"]
        for stop in ("stem", "output")
    }
    assert traced["stem"] < traced["output"] / 2
    taps = net.apply(params, image, stop="stem")
    assert tuple(taps) == ("input", "stem.layers.0", "stem")
    assert tuple(net.apply(params, image, stop="input")) == ("input",)


def test_an_image_of_another_size_passes_where_the_module_allows_it():
    net, params = _nnx()
    taps = net.apply(params, jnp.ones((20, 16, 3)))
    assert taps["blocks.1"].shape == (20, 16, 4)


def test_an_image_of_a_size_that_the_module_refuses_says_the_native_one():
    def fn(params, x):
        return {"scores": x.reshape(-1) @ params["fc"]}

    params = {"fc": jnp.ones((12 * 10 * 3, 4))}
    net, params = from_function(fn, params, input_size=SIZE)
    assert net.apply(params, jnp.ones((*SIZE, 3)))["scores"].shape == (4,)
    with pytest.raises(ValueError, match="image of 9x9; its native size is 12x10"):
        net.apply(params, jnp.ones((9, 9, 3)))


def test_a_start_inside_an_adapted_network_is_refused(image):
    net, params = _nnx()
    with pytest.raises(ValueError, match="'stem'.*start= needs a network built from"):
        net.apply(params, image, start="stem")


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        (("stem", "head"), "Classifier has no output 'head'; its outputs are stem.lay"),
        ({"input": "stem"}, "cannot be called 'input'"),
        ((), "no activation"),
    ],
    ids=["unknown", "input", "none"],
)
def test_adapting_says_which_taps_are_wrong(taps, message):
    with pytest.raises(ValueError, match=message):
        _nnx(taps=taps)


def test_a_tap_without_the_batch_axis_is_refused_when_it_is_asked_for():
    with pytest.raises(ValueError, match=r"no output 'loss' per image, shape \(\)"):
        from_nnx(Shared(nnx.Rngs(0)), input_size=SIZE, taps=("loss",))


def test_unknown_scores_are_refused():
    with pytest.raises(ValueError, match="no tap 'logits'"):
        _nnx(scores="logits")
