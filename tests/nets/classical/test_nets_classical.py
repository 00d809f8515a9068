"""HOG and dense SIFT against loops over pixels, and as networks like any other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import invert, load
from jaxvis.nets import layers_table
from jaxvis.nets.classical.networks import dsift, hog
from jaxvis.nets.registry import FIXED, build
from jaxvis.nets.table.geometry import geometry
from jaxvis.nets.table.layers import minimum, shapes
from jaxvis.types import Status


def grey_level(pixel):
    return 255 * float(
        0.298936021293775 * pixel[0] + 0.587043074451121 * pixel[1] + 0.114020904255104 * pixel[2]
    )


def gradient_bins(image, count, pad, *, hard):
    """Returns the magnitude of each pixel's gradient in its bin(s), by angle."""
    grey = [[grey_level(pixel) for pixel in line] for line in np.asarray(image, float)]
    height, width = len(grey), len(grey[0])

    def at(y, x):
        return grey[y][x] if 0 <= y < height and 0 <= x < width else 0.0

    out = np.zeros((height - 2 + 2 * pad, width - 2 + 2 * pad, count))
    for y in range(1 - pad, height - 1 + pad):
        for x in range(1 - pad, width - 1 + pad):
            right = (at(y, x + 1) - at(y, x - 1)) / 2
            down = (at(y + 1, x) - at(y - 1, x)) / 2
            turn = np.degrees(np.arctan2(down, right)) % 360 / (360 / count)
            place = out[y - 1 + pad, x - 1 + pad]
            if hard:
                place[int(np.floor(turn + 0.5)) % count] += np.hypot(right, down)
            else:
                low = int(np.floor(turn))
                share = turn - low
                place[low % count] += (1 - share) * np.hypot(right, down)
                place[(low + 1) % count] += share * np.hypot(right, down)
    return out


def spatial_cells(bins, side, pad):
    """Returns cells, each pixel giving to the cells whose window it lies in."""
    height, width, count = bins.shape
    high, wide = ((n + 2 * pad - 2 * side) // side + 1 for n in (height, width))
    out = np.zeros((high, wide, count))
    for i in range(high):
        for j in range(wide):
            for a in range(2 * side):
                for b in range(2 * side):
                    y, x = i * side - pad + a, j * side - pad + b
                    if 0 <= y < height and 0 <= x < width:
                        row = 1 - abs(a + 1 - (2 * side + 1) / 2) / side
                        column = 1 - abs(b + 1 - (2 * side + 1) / 2) / side
                        out[i, j] += row * column * bins[y, x]
    return out


def hog_by_loops(image, *, side, hard):
    """Returns HOG `[h, w, 27]`, cell by cell, block by block."""
    cells = spatial_cells(gradient_bins(image, 18, 1, hard=hard), side, side // 2)
    high, wide = cells.shape[:2]
    unsigned = cells[..., :9] + cells[..., 9:]
    out = np.zeros((high, wide, 27))
    for i in range(high):
        for j in range(wide):
            for top in (i - 1, i):
                for left in (j - 1, j):
                    if not (0 <= top < high - 1 and 0 <= left < wide - 1):
                        continue
                    block = unsigned[top : top + 2, left : left + 2]
                    norm = max(np.sqrt((block**2).sum()), 1e-6)
                    entries = [*cells[i, j], *unsigned[i, j]]
                    out[i, j] += [0.5 * min(entry / norm, 0.2) for entry in entries]
    return out


def sift_by_loops(image, *, side):
    """Returns dense SIFT `[h, w, 128]`, block by block."""
    cells = spatial_cells(gradient_bins(image, 8, 0, hard=False), side, 0)
    high, wide = ((n - 4) // 3 + 1 for n in cells.shape[:2])
    out = np.zeros((high, wide, 128))
    for i in range(high):
        for j in range(wide):
            entries = []
            for a in range(4):
                for b in range(4):
                    weight = np.exp(-((a - 1.5) ** 2 + (b - 1.5) ** 2) / 4.5)
                    entries += list(weight * cells[3 * i + a, 3 * j + b])
            norm = np.sqrt(1e-6 + sum(entry**2 for entry in entries))
            out[i, j] = [min(entry / norm, 0.2) for entry in entries]
    return out


CASES = {
    "hog": (hog(cell=4, input_size=(22, 19)), {"side": 4, "hard": True}),
    "hogb": (
        hog(binning="bilinear", cell=4, input_size=(22, 19)),
        {"side": 4, "hard": False},
    ),
    "dsift": (dsift(cell=3, input_size=(27, 31)), {"side": 3}),
}
NAMES = pytest.mark.parametrize("name", CASES)


def by_loops(name, image):
    function = sift_by_loops if name == "dsift" else hog_by_loops
    return function(image, **CASES[name][1])


def compiled(net, image, *, stop=None):
    """Returns the taps of an image; one program compiles faster than its many parts."""
    run = jax.jit(lambda x: net.apply({}, x, stop=stop))
    return run.lower(image).compile({"xla_backend_optimization_level": 0})(image)


@functools.cache
def example(name):
    """Returns (net, smooth random image, all taps)."""
    net = CASES[name][0]
    image = np.random.default_rng(3).random((*net.input_size, 3)).astype(np.float32)
    image = (image + np.roll(image, 1, 0) + np.roll(image, 1, 1)) / 3
    return net, image, compiled(net, image)


@NAMES
def test_values_equal_the_loops(name):
    net, image, taps = example(name)
    expected = by_loops(name, image)
    assert taps[net.taps[-1]].shape == expected.shape
    np.testing.assert_allclose(taps[net.taps[-1]], expected, atol=2e-5)
    assert 0.02 < expected.mean() < 0.4 and expected.std() > 0.02


@NAMES
def test_bins_and_cells_equal_the_loops(name):
    net, image, taps = example(name)
    count, pad = (8, 0) if name == "dsift" else (18, 1)
    bins = gradient_bins(image, count, pad, hard=name == "hog")
    np.testing.assert_allclose(taps["bins"], bins, atol=2e-3)
    side = CASES[name][1]["side"]
    cells = spatial_cells(bins, side, pad * side // 2)
    np.testing.assert_allclose(taps["cells"], cells, rtol=1e-4, atol=1e-2)


@NAMES
def test_gradient_equals_finite_differences_of_the_loops(name):
    net, image, taps = example(name)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=taps[net.taps[-1]].shape)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(weights * net.apply({}, x)[net.taps[-1]])))(image)
    # Single pixels: a direction through all of them crosses kinks.
    worst, scale = [], np.abs(gradient).max()
    for _ in range(6):
        y, x = rng.integers(3, np.array(image.shape[:2]) - 3)
        step = np.zeros(image.shape)
        step[y, x] = 1e-6
        up, down = (by_loops(name, image.astype(float) + s * step) for s in (1, -1))
        expected = np.sum(weights * (up - down)) / 2e-6
        worst.append(abs(float(gradient[y, x].sum()) - expected) / scale)
    assert max(worst) < 5e-3, worst


def test_hard_bins_have_the_gradient_of_the_winners_magnitude():
    stages = build("hog").forward.stages
    grey = jnp.asarray([[0.0, 0.0, 0.0], [1.0, 5.0, 7.0], [4.0, 4.0, 4.0]])[..., None]

    def middle(grey):
        return stages[2](stages[1](grey))[1, 1]

    gradient = jax.jit(jax.grad(lambda x: middle(x).sum()))(grey)[..., 0]
    right, down = (7 - 1) / 2, (4 - 0) / 2
    expected = np.zeros((3, 3))
    expected[1, 2], expected[1, 0] = right / 2, -right / 2
    expected[2, 1], expected[0, 1] = down / 2, -down / 2
    np.testing.assert_allclose(gradient, expected / np.hypot(right, down), rtol=1e-4, atol=1e-6)
    assert np.count_nonzero(middle(grey)) == 1


@NAMES
def test_a_flat_image_has_finite_values_and_gradients(name):
    net = CASES[name][0]
    flat = jnp.full((*net.input_size, 3), 0.5)

    def total(x):
        code = net.apply({}, x)[net.taps[-1]]
        return jnp.sum(code), code

    gradient, code = jax.jit(jax.grad(total, has_aux=True))(flat)
    assert np.isfinite(code).all() and np.isfinite(gradient).all()
    # Nothing but the dark frame that padding is.
    inside = code if name == "dsift" else code[1:-1, 1:-1]
    assert inside.size
    np.testing.assert_array_equal(inside, 0)


def ramp(turn, size):
    """Returns an image whose grey levels rise in one direction, in degrees."""
    y, x = np.mgrid[: size[0], : size[1]] / 100
    turn = np.radians(turn)
    level = 0.5 + 0.5 * (x * np.cos(turn) + y * np.sin(turn))
    return np.repeat(level[..., None], 3, -1).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "turn", "wanted"),
    [
        ("hog", 0, {0: 1}),
        ("hog", 42, {2: 1}),
        ("hog", 200, {10: 1}),
        ("hogb", 90, {4: 0.5, 5: 0.5}),
        ("hogb", 345, {17: 0.75, 0: 0.25}),
        ("dsift", 90, {2: 1}),
        ("dsift", 292.5, {6: 0.5, 7: 0.5}),
    ],
)
def test_a_ramp_is_in_the_bins_of_its_direction(name, turn, wanted):
    net = CASES[name][0]
    bins = compiled(net, ramp(turn, net.input_size), stop="bins")["bins"][5:-5, 5:-5]
    expected = np.zeros(bins.shape[-1])
    for number, share in wanted.items():
        expected[number] = share * 255 * 0.5 / 100
    np.testing.assert_allclose(bins.mean((0, 1)), expected, atol=2e-3)


@pytest.mark.parametrize("name", ["hog", "hogb"])
def test_turning_the_image_turns_the_directions(name):
    net = build(name, input_size=(32, 48))
    image = np.random.default_rng(0).random((32, 48, 3)).astype(np.float32)
    one, other = (compiled(net, x)["hog"] for x in (image, image[::-1, ::-1].copy()))
    order = [*range(9, 18), *range(9), *range(18, 27)]
    np.testing.assert_allclose(one[::-1, ::-1][..., order], other, atol=1e-5)


@pytest.mark.parametrize("name", FIXED)
def test_contrast_and_brightness_hardly_matter_inside_and_bins_are_bounded(name):
    net, params = load(name, input_size=(64, 64))
    image = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)
    border = 0 if name == "dsift" else 2
    one, other = (
        compiled(net, x)[net.taps[-1]][border : 8 - border, border : 8 - border]
        for x in (image, 0.3 + 0.4 * image)
    )
    assert one.size and params == {}
    np.testing.assert_allclose(one, other, atol=1e-5)
    most = 0.2 if name == "dsift" else 0.4
    assert 0 <= one.min() and most * 0.8 < one.max() <= most + 1e-6


@pytest.mark.parametrize("name", FIXED)
def test_load_needs_no_weights_and_takes_none(name):
    net, params = load(name)
    assert params == {} and net.name == name
    for weights in ("file.safetensors", jax.random.key(0)):
        with pytest.raises(ValueError, match=f"{name} has no parameters: leave"):
            load(name, weights=weights)


@pytest.mark.parametrize("name", FIXED)
def test_networks_built_alike_are_equal_and_hash_alike(name):
    first, second = build(name), build(name)
    assert first == second and hash(first) == hash(second)
    assert first != build(name, input_size=(64, 96))
    assert first.scores is None and first.taps[:2] == ("input", "grey")


@pytest.mark.parametrize("name", FIXED)
def test_taps_have_the_shapes_of_the_rows_at_any_size(name):
    net = build(name)
    for size in ((64, 64), (61, 83)):
        taps = jax.eval_shape(
            lambda x: net.apply({}, x), jax.ShapeDtypeStruct((*size, 3), "float32")
        )
        found = {tap: value.shape for tap, value in taps.items()}
        assert found == shapes(net.rows, size)


def test_shapes_at_the_native_size():
    for name in ("hog", "hogb"):
        assert build(name).shape({}, "hog") == (32, 32, 27)
        assert build(name).shape({}, "blocks") == (31, 31, 108)
    assert build("dsift").shape({}, "dsift") == (9, 9, 128)
    assert build("hog").shape({}, "hog", size=(227, 227)) == (28, 28, 27)


@NAMES
def test_start_and_stop_recompose_the_whole(name):
    net, image, whole = example(name)
    pairs = list(zip(net.taps, net.taps[1:]))
    steps = jax.jit(lambda whole: [net.apply({}, whole[a], start=a, stop=b) for a, b in pairs])(
        whole
    )
    for (before, tap), parts in zip(pairs, steps):
        assert set(parts) == {before, tap}
        np.testing.assert_allclose(parts[tap], whole[tap], rtol=1e-5, atol=1e-5)
    stop = ("cells", "grey")
    parts = jax.eval_shape(lambda x: net.apply({}, x, stop=stop), image)
    assert set(parts) == set(net.taps[: net.taps.index("cells") + 1])
    with pytest.raises(ValueError, match="'grey' cannot be reached.*comes before"):
        net.apply({}, whole["cells"], start="cells", stop="grey")


@pytest.mark.parametrize("name", ["hogb"])
def test_jit_eager_and_vmap_agree(name):
    net, image, whole = example(name)
    last = net.taps[-1]
    eager = net.apply({}, image)[last]
    both = jax.jit(jax.vmap(lambda x: net.apply({}, x)[last]))
    two = both(np.stack([image, image[::-1]]))
    np.testing.assert_allclose(eager, whole[last], atol=1e-5)
    np.testing.assert_allclose(two[0], whole[last], atol=1e-5)
    assert np.abs(two[1] - two[0]).max() > 0.01


@pytest.mark.parametrize("name", ["hog", "dsift"])
def test_geometry_equals_the_support_of_one_units_gradient(name):
    net = build(name, input_size=(96, 96))
    image = np.random.default_rng(5).random((96, 96, 3)).astype(np.float32)
    for row in geometry(net):
        # What is clamped has no gradient.
        if row.name not in ("bins", "cells", "blocks", "hog"):
            continue
        at = row.shape[0] // 2
        gradient = jax.jit(
            jax.grad(
                lambda x, row=row, at=at: jnp.sum(
                    net.apply({}, x, stop=row.name)[row.name][at, at] ** 2
                )
            )
        )(image)
        seen = np.flatnonzero(np.abs(gradient).sum((1, 2)))
        centre, half = row.offset + at * row.stride, (row.receptive_field - 1) / 2
        assert (seen[0], seen[-1]) == (centre - half, centre + half), row.name


def test_geometry_and_the_layers_table_know_fields_and_strides():
    fields = {row.name: (row.receptive_field, row.stride) for row in geometry(hog())}
    assert fields["directions"] == (3, 1) and fields["cells"] == (18, 8)
    assert fields["blocks"] == (26, 8) and fields["hog"] == (34, 8)
    fields = {row.name: (row.receptive_field, row.stride) for row in geometry(dsift())}
    assert fields["cells"] == (18, 8) and fields["dsift"] == (42, 24)
    lines = layers_table(hog()).splitlines()
    assert lines[-2].split() == ["hog", "conv", "32x32x27", "34", "8", "3.5"]
    assert lines[-1].split() == ["total", "0"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hogb"])
def test_inversion_comes_near_the_code(name):
    net, params = load(name, input_size=(48, 48))
    y, x = np.mgrid[:48, :48] - 24
    disc = np.clip((12 - np.hypot(y, x)) / 4, -1, 1)
    image = np.repeat(0.5 + 0.3 * disc[..., None], 3, -1).astype(np.float32)
    run = invert(net, params, image, tap=net.taps[-1], steps=60)
    assert run.status.tolist() == [Status.DONE]
    assert run.facts["error"][0] < 0.45
    assert run.trace["loss"][0, -1] < 0.3 * run.trace["loss"][0, 0]


@pytest.mark.parametrize(
    ("build_it", "message"),
    [
        (lambda: hog(binning="soft"), "'hard' or 'bilinear', not 'soft'"),
        (lambda: hog(cell=5), "even and at least 2 pixels, not 5"),
        (lambda: hog(cell=0), "not 0"),
        (lambda: dsift(cell=1), "at least 2 pixels, not 1"),
        (lambda: hog(input_size=(12, 64)), "too small"),
        (lambda: build("hog", head="linear"), "hog has no option 'head'"),
        (lambda: build("hogg"), "'hogg'; there are .*, hog, hogb, dsift"),
    ],
)
def test_what_is_no_descriptor_is_refused(build_it, message):
    with pytest.raises(ValueError, match=message):
        build_it()


@pytest.mark.parametrize(("name", "side"), [("hog", 16), ("hogb", 16), ("dsift", 42)])
def test_an_image_that_is_too_small_is_refused(name, side):
    net = build(name)
    assert minimum(net.rows) == side
    with pytest.raises(ValueError, match=f"from an image of {side - 1}x64; at least"):
        net.apply({}, np.zeros((side - 1, 64, 3), np.float32))
    with pytest.raises(ValueError, match="takes one image"):
        net.apply({}, np.zeros((1, 64, 64, 3), np.float32))
    image = jax.ShapeDtypeStruct((side, side, 3), "float32")
    code = jax.eval_shape(lambda x: net.apply({}, x), image)[net.taps[-1]]
    assert code.shape[:2] == ((1, 1) if name == "dsift" else (2, 2))


def test_derivatives_that_are_given_count_though_grey_is_known_too():
    net, params = load("hogb", input_size=(32, 32))
    image = jnp.asarray(np.random.default_rng(4).random((32, 32, 3)), jnp.float32)
    taps = net.apply(params, image, stop=("grey", "directions", "bins"))
    start, given = ("grey", "directions"), (taps["grey"], 2 * taps["directions"])
    found = net.apply(params, given, start=start, stop="bins")["bins"]
    np.testing.assert_allclose(found, 2 * taps["bins"], rtol=1e-4, atol=1e-3)
