"""The operations of graphs against values by hand, NumPy and lax, in the graph's own layout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxvis.nets.frameworks.graph import OPERATIONS
from jaxvis.nets.frameworks.layout import Map, to_map, to_plain

X = np.array([-3.0, -0.5, 0.0, 1.0, 4.0], np.float32)
SIGMOID = 1 / (1 + np.exp(-X))


def run(op, *inputs, **options):
    """Returns what an operation gives for arrays in the layout of the graph."""
    given = (jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs)
    return to_plain(OPERATIONS[op](*given, **options))


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "op, options, expected",
    [
        ("relu", {}, np.maximum(X, 0)),
        ("clamp", {"low": -1.0, "high": 2.0}, np.clip(X, -1, 2)),
        ("clamp", {"high": 2.0}, np.minimum(X, 2)),
        ("leaky_relu", {"slope": 0.1}, np.where(X > 0, X, 0.1 * X)),
        ("elu", {"alpha": 2.0}, np.where(X > 0, X, 2 * np.expm1(X))),
        ("elu", {"alpha": 2.0, "scale": 3.0}, 3 * np.where(X > 0, X, 2 * np.expm1(X))),
        ("sigmoid", {}, SIGMOID),
        ("silu", {}, X * SIGMOID),
        ("hardsigmoid", {}, np.clip(X / 6 + 0.5, 0, 1)),
        ("hardswish", {}, X * np.clip(X + 3, 0, 6) / 6),
        ("softplus", {}, np.log1p(np.exp(X))),
        (
            "softplus",
            {"beta": 2.0, "threshold": 1.0},
            [0.5 * np.log1p(np.exp(-6)), *[0.5 * np.log1p(np.exp(-1)), 0.5 * np.log(2), 1.0, 4.0]],
        ),
        ("mish", {}, X * np.tanh(np.log1p(np.exp(X)))),
        ("gelu", {}, [-0.0040496, -0.1542688, 0.0, 0.8413447, 3.9998733]),
        ("gelu", {"tanh": True}, [-0.0036374, -0.1542860, 0.0, 0.8411920, 3.9999298]),
        ("threshold", {"low": 0.5, "value": 7.0}, [7, 7, 7, 1, 4]),
        ("softsign", {}, X / (1 + np.abs(X))),
        ("reciprocal", {}, 1 / np.where(X == 0, np.inf, X)),
    ],
)
def test_activation_functions(op, options, expected):
    x = X if op != "reciprocal" else np.where(X == 0, np.inf, X).astype(np.float32)
    np.testing.assert_allclose(run(op, x, **options), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "op, inputs, options, expected",
    [
        ("add", (X, 2.0), {"factor": 3}, X + 6),
        ("subtract", (X, 2.0), {"factor": 3}, X - 6),
        ("divide", (X, 2.0), {}, X / 2),
        ("divide", (X, 2.0), {"rounding": "floor"}, [-2, -1, 0, 0, 2]),
        ("divide", (X, 2.0), {"rounding": "trunc"}, [-1, 0, 0, 0, 2]),
        ("divide", (X, 2.0), {"rounding": "whole"}, X / 2),
        ("power", (X, 2), {}, X**2),
        ("where", (X > 0, X, 9.0), {}, [9, 9, 9, 1, 4]),
        ("greater", (X, 0.0), {}, X > 0),
        ("cast", (X,), {"dtype": "int64"}, [-3, 0, 0, 1, 4]),
    ],
)
def test_numbers_meet_numbers(op, inputs, options, expected):
    np.testing.assert_allclose(run(op, *inputs, **options), expected, rtol=1e-6)


def test_sizes_are_computed_without_jax():
    shape = OPERATIONS["shape"](jnp.zeros((2, 3)))
    half = OPERATIONS["divide"](shape, np.array(2), rounding="whole")
    whole = OPERATIONS["concatenate"]((half, np.array([-7]) // 1), axes=(0,))
    assert isinstance(whole, np.ndarray) and whole.tolist() == [1, 1, -7]
    quotient = OPERATIONS["divide"](np.array([7, -7]), 2, rounding="whole")
    assert quotient.tolist() == [3, -3] and quotient.dtype == np.int64


@pytest.mark.parametrize("groups, stride, dilation", [(1, (1, 2), (1, 1)), (2, (2, 1), (2, 1))])
def test_convolution(groups, stride, dilation):
    x, weight, bias = draw(1, 4, 9, 8), draw(6, 4 // groups, 3, 2, seed=1), draw(6, seed=2)
    pads = ((1, 2), (0, 1))
    kernel = weight.transpose(2, 3, 1, 0)
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    y = run("convolve", x, kernel, bias, pads=pads, **options)
    expected = lax.conv_general_dilated(
        x, weight, stride, pads, rhs_dilation=dilation, feature_group_count=groups
    )
    np.testing.assert_allclose(y, expected + bias[:, None, None], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("extra", [(0, 0), (1, 0)])
def test_transposed_convolution_is_the_gradient_of_a_convolution(groups, extra):
    weight, stride, pads, dilation = draw(4, 6 // groups, 3, 2), (2, 1), ((1, 1), (0, 0)), (1, 2)
    x = draw(1, 4, 5, 6, seed=1)
    height = (5 - 1) * 2 - 2 + 3 + extra[0]
    width = 6 - 1 + 2 * 1 + 1 + extra[1]

    def forward(y):
        # The rows of the weight are the outputs of the convolution that is turned round.
        return lax.conv_general_dilated(
            y, weight, stride, pads, rhs_dilation=dilation, feature_group_count=groups
        )

    _, pull = jax.vjp(forward, jnp.zeros((1, 6, height, width)))
    options = {"stride": stride, "pads": pads, "dilation": dilation, "groups": groups}
    y = run("convolve_transposed", x, weight, extra=extra, **options)
    np.testing.assert_allclose(y, pull(jnp.asarray(x))[0], rtol=1e-4, atol=1e-5)


def test_norms():
    x = draw(1, 4, 3, 5)
    scale, bias, mean, variance = (draw(4, seed=seed) for seed in range(1, 5))
    variance = variance**2 + 1

    def along(v):
        return v[:, None, None]

    expected = (x - along(mean)) / np.sqrt(along(variance) + 0.1) * along(scale) + along(bias)
    y = run("batch_norm", x, scale, bias, mean, variance, epsilon=0.1)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)

    parts = x.reshape(1, 2, 2, 3, 5)
    centred = parts - parts.mean((2, 3, 4), keepdims=True)
    parts = centred / np.sqrt((centred**2).mean((2, 3, 4), keepdims=True) + 0.1)
    expected = parts.reshape(x.shape) * along(scale) + along(bias)
    y = run("group_norm", x, scale, bias, groups=2, epsilon=0.1)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)

    centred = x - x.mean((2, 3), keepdims=True)
    expected = centred / np.sqrt((centred**2).mean((2, 3), keepdims=True) + 0.1)
    np.testing.assert_allclose(run("group_norm", x, epsilon=0.1), expected, rtol=1e-4, atol=1e-5)

    centred = x - x.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(
        run("layer_norm", x, first=-2, epsilon=0.1), expected, rtol=1e-4, atol=1e-5
    )
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.1)
    np.testing.assert_allclose(
        run("root_norm", x, first=3, epsilon=0.1), expected, rtol=1e-4, atol=1e-5
    )


def test_local_norm_over_neighbouring_channels():
    x = np.arange(1.0, 5, dtype=np.float32).reshape(1, 4, 1, 1)
    y = run("local_norm", x, size=3, alpha=3.0, beta=1.0, kappa=1.0, before=1)
    sums = np.array([1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16])
    np.testing.assert_allclose(y[0, :, 0, 0], [1, 2, 3, 4] / (1.0 + sums), rtol=1e-6)


def test_prelu_has_a_slope_a_channel():
    x = -np.ones((1, 2, 1, 1), np.float32)
    y = run("prelu", x, np.array([0.5, 2.0], np.float32))
    assert y[0, :, 0, 0].tolist() == [-0.5, -2.0]


LINE = np.array([1.0, 5, 2, 4, 3], np.float32).reshape(1, 1, 1, 5)
POOL = {"size": (1, 2), "stride": (1, 2)}


@pytest.mark.parametrize(
    "op, options, expected",
    [
        ("pool_max", {}, [5, 4]),
        ("pool_max", {"ceil": True}, [5, 4, 3]),
        ("pool_max", {"pads": ((0, 0), (1, 1))}, [1, 5, 4]),
        ("pool_max", {"pads": "SAME"}, [5, 4, 3]),
        ("pool_max", {"dilation": (1, 2)}, [2, 3]),
        ("pool_mean", {}, [3, 3]),
        ("pool_mean", {"ceil": True}, [3, 3, 3]),
        ("pool_mean", {"pads": ((0, 0), (1, 1))}, [0.5, 3.5, 3.5]),
        ("pool_mean", {"pads": ((0, 0), (1, 1)), "with_pads": False}, [1, 3.5, 3.5]),
        ("pool_mean", {"divisor": 4}, [1.5, 1.5]),
    ],
)
def test_pools(op, options, expected):
    assert run(op, LINE, **POOL, **options).reshape(-1).tolist() == expected
    turned = {
        key: value[::-1] if isinstance(value, tuple) else value
        for key, value in (POOL | options).items()
    }
    assert run(op, LINE.swapaxes(2, 3), **turned).reshape(-1).tolist() == expected


def test_a_maximum_among_equals_gives_its_gradient_to_the_first():
    grad = jax.grad(lambda x: run("pool_max", x, size=(2, 2), stride=(2, 2)).sum())
    assert grad(jnp.ones((1, 1, 2, 2))).reshape(-1).tolist() == [1, 0, 0, 0]


def test_windows_larger_than_the_map_are_refused():
    with pytest.raises(ValueError, match="smaller than a window of 6"):
        run("pool_max", LINE, size=(1, 6), stride=(1, 1))


def test_adaptive_pools():
    assert run("pool_adaptively", LINE, size=(1, 1)).reshape(-1).tolist() == [3]
    # Cells of three overlap: [0, 2), [1, 4), [3, 5).
    found = run("pool_adaptively", LINE, size=(None, 3)).reshape(-1)
    np.testing.assert_allclose(found, [3, 11 / 3, 3.5], rtol=1e-6)
    assert run("pool_adaptively", LINE, size=(1, 3), largest=True).reshape(-1).tolist() == [5, 5, 4]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"method": "nearest", "coordinates": "asymmetric"}, [0, 0, 4, 4]),
        ({"method": "linear", "coordinates": "half_pixel"}, [0, 1, 3, 4]),
        ({"method": "linear", "coordinates": "align_corners"}, [0, 4 / 3, 8 / 3, 4]),
        ({"method": "linear", "coordinates": "asymmetric"}, [0, 2, 4, 4]),
        # At 1/4 the taps on the right are 3/4 and 7/4 away: 0.26171875 - 0.03515625 of 4.
        ({"method": "cubic"}, [-0.421875, 0.90625, 3.09375, 4.421875]),
    ],
)
def test_resizing(options, expected):
    x = np.array([0.0, 4], np.float32).reshape(1, 1, 1, 2)
    for size, factors in (((1, 4), None), (None, (1.0, 2.0)), (None, (1.0, 1.0, 1.0, 2.0))):
        y = run("resize", x, size, factors, **options)
        np.testing.assert_allclose(y.reshape(-1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "rounding, expected",
    [("floor", 0), ("ceil", 1), ("round_prefer_floor", 0), ("round_prefer_ceil", 1)],
)
def test_the_nearest_of_two_equally_near(rounding, expected):
    x = np.arange(2.0, dtype=np.float32).reshape(1, 1, 1, 2)
    y = run("resize", x, (1, 1), method="nearest", coordinates="half_pixel", rounding=rounding)
    assert y.reshape(-1).tolist() == [expected]


def test_channels_and_blocks():
    x = np.arange(8.0, dtype=np.float32).reshape(1, 8, 1, 1)
    near = run("channels_to_blocks", x, block=2)
    assert near[0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    far = run("channels_to_blocks", x, block=2, order="DCR")
    assert far[0].tolist() == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]
    for y, order in ((near, "CRD"), (far, "DCR")):
        np.testing.assert_array_equal(run("blocks_to_channels", y, block=2, order=order), x)


def test_attention():
    query, key, value = (draw(1, 2, 3, 4, seed=seed) for seed in range(3))
    scores = np.einsum("bhqd,bhkd->bhqk", query, key)

    def mix(scores):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True) @ value

    np.testing.assert_allclose(run("attend", query, key, value), mix(scores / 2), rtol=1e-4)
    y = run("attend", query, key, value, scale=0.1, causal=True)
    hidden = np.where(np.tril(np.ones((3, 3), bool)), scores * 0.1, -np.inf)
    np.testing.assert_allclose(y, mix(hidden), rtol=1e-4)
    y = run("attend", query, key, value, np.ones((3, 3), np.float32) * [1, 2, 3])
    np.testing.assert_allclose(y, mix(scores / 2 + [1, 2, 3]), rtol=1e-4)


MAP = draw(1, 3, 4, 5)


@pytest.mark.parametrize(
    "op, inputs, options, expected",
    [
        ("mean", (), {"axes": (2, 3)}, MAP.mean((2, 3))),
        ("mean", (), {"axes": (-1, -2), "keep": True}, MAP.mean((2, 3), keepdims=True)),
        ("sum", (), {}, MAP.sum()),
        ("max", (), {"axes": (1,)}, MAP.max(1)),
        ("min", (), {"axes": (2,)}, MAP.min(2)),
        ("variance", (), {"axes": (2, 3)}, MAP.var((2, 3), ddof=1)),
        ("norm", (), {"axes": (1,), "keep": True}, np.linalg.norm(MAP, axis=1, keepdims=True)),
        ("norm", (), {"axes": (0,), "order": 1.0}, np.abs(MAP).sum(0)),
        ("softmax", (), {"axes": (1,)}, np.exp(MAP) / np.exp(MAP).sum(1, keepdims=True)),
        ("log_softmax", (), {"axes": (-1,)}, MAP - np.log(np.exp(MAP).sum(-1, keepdims=True))),
        ("slice", (1, None, 2), {"axes": (3,)}, MAP[..., 1::2]),
        ("slice", (0, -1), {"axes": (1,)}, MAP[:, :-1]),
        ("select", (-1,), {"axes": (1,)}, MAP[:, -1]),
        ("select", (0,), {"axes": (0,)}, MAP[0]),
        ("select", (2,), {"axes": (2,)}, MAP[:, :, 2]),
        ("flip", (), {"axes": (1, 3)}, MAP[:, ::-1, :, ::-1]),
        ("roll", (), {"shifts": (1, -2), "axes": (2, 3)}, np.roll(MAP, (1, -2), (2, 3))),
        ("cumulate", (), {"axes": (1,)}, MAP.cumsum(1)),
        ("take_all", (np.array([2, 0]),), {"axes": (1,)}, MAP[:, [2, 0]]),
        (
            "pad",
            (((1, 2), (-1, 0)), 7.0),
            {"axes": (-1, -2)},
            np.pad(MAP[:, :, 1:], ((0, 0), (0, 0), (0, 0), (1, 2)), constant_values=7),
        ),
        (
            "pad",
            (((1, 2),),),
            {"axes": (3,), "mode": "reflect"},
            np.pad(MAP, ((0, 0), (0, 0), (0, 0), (1, 2)), mode="reflect"),
        ),
        (
            "pad",
            (np.array([0, 1, 0, 0, 0, 0, 2, 0]),),
            {},
            np.pad(MAP, ((0, 0), (1, 0), (0, 2), (0, 0))),
        ),
        ("permute", (), {"order": (0, 2, 3, 1)}, MAP.transpose(0, 2, 3, 1)),
        ("permute", (), {"order": (0, -1, 1, 2)}, MAP.transpose(0, 3, 1, 2)),
        ("permute", (), {}, MAP.transpose()),
        ("reshape", (), {"shape": (1, 3, -1)}, MAP.reshape(1, 3, 20)),
        ("reshape", (), {"shape": (0, -1), "keeps_zeros": False}, MAP.reshape(1, 60)),
        ("flatten", (), {"start": 1, "end": -1}, MAP.reshape(1, 60)),
        ("flatten", (), {"start": 2, "end": 3}, MAP.reshape(1, 3, 20)),
        ("unflatten", (), {"axis": 2, "sizes": (2, -1)}, MAP.reshape(1, 3, 2, 2, 5)),
        ("squeeze", (), {"axes": (0,)}, MAP[0]),
        ("squeeze", (), {}, MAP[0]),
        ("unsqueeze", (), {"axes": (1,)}, MAP[:, None]),
        ("expand", ((2, 3, -1, 5),), {}, np.broadcast_to(MAP, (2, 3, 4, 5))),
        ("tile", ((1, 2, 1, 1),), {}, np.tile(MAP, (1, 2, 1, 1))),
        ("index", (None, np.array([1, 1, 0])), {}, MAP[:, [1, 1, 0]]),
        ("gather", (np.array(1),), {"axes": (2,)}, MAP[:, :, 1]),
        (
            "set_slice",
            (np.float32(0), 1, 3, 1),
            {"axes": (1,)},
            np.where(np.arange(3)[:, None, None] >= 1, 0, MAP),
        ),
        ("matmul", (draw(5, 2, seed=3),), {}, MAP @ draw(5, 2, seed=3)),
        ("add", (draw(3, 1, 1, seed=3),), {}, MAP + draw(3, 1, 1, seed=3)),
        ("multiply", (draw(1, 3, 4, 5, seed=3),), {}, MAP * draw(1, 3, 4, 5, seed=3)),
        ("multiply", (draw(2, 1, 3, 4, 5),), {}, MAP * draw(2, 1, 3, 4, 5)),
    ],
)
def test_a_map_gives_what_an_array_in_the_graphs_layout_gives(op, inputs, options, expected):
    kept_last = Map(jnp.asarray(MAP.transpose(0, 2, 3, 1)))
    for x in (jnp.asarray(MAP), kept_last):
        found = run(op, x, *inputs, **options)
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_several_maps_and_parts():
    last = to_map(jnp.asarray(MAP.transpose(0, 2, 3, 1)))
    np.testing.assert_array_equal(
        run("concatenate", (last, jnp.asarray(MAP)), axes=(1,)), np.concatenate((MAP, MAP), 1)
    )
    np.testing.assert_array_equal(run("stack", (last, last), axes=(0,)), np.stack((MAP, MAP)))
    for op, options in (
        ("chunk", {"count": 2}),
        ("split", {"sizes": 2}),
        ("split", {"sizes": (2, 1)}),
    ):
        first, second = run(op, last, **options, axes=(1,))
        np.testing.assert_array_equal(first, MAP[:, :2])
        np.testing.assert_array_equal(second, MAP[:, 2:])


def test_channels_are_moved_nowhere_on_the_way_to_tokens():
    tokens = OPERATIONS["flatten"](Map(jnp.zeros((1, 4, 5, 3))), start=2, end=3)
    assert isinstance(tokens, Map) and tokens.shape == (1, 3, 20)
    assert not isinstance(OPERATIONS["permute"](tokens, order=(0, 2, 1)), Map)
    jaxpr = jax.make_jaxpr(lambda x: OPERATIONS["permute"](Map(x), order=(0, 2, 3, 1)))
    assert not jaxpr(jnp.zeros((1, 4, 5, 3))).eqns


def test_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 5\) cannot be reshaped to \(7,"):
        run("reshape", MAP, shape=(7, -1))
