"""Maximise: shapes, presets, what is refused, and pictures with known answers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny_nets import (
    SIDE,
    compilations,
    conv_net,
    counted_net,
    fc_net,
    photograph,
    relu_net,
)

import jaxvis
from jaxvis import maximize
from jaxvis.loss.alpha import composite
from jaxvis.loss.canvas import Fourier, Pixels, Tanh
from jaxvis.loss.compose import Weighted
from jaxvis.loss.objectives import Amplify, CrossEntropy, Direction, Excite, Match
from jaxvis.loss.priors import L2, TotalVariation
from jaxvis.loss.views import Roll
from jaxvis.methods.maximize import _join_groups, plan_maximize
from jaxvis.nets import from_nnx
from jaxvis.nets.demo.images import CLASSES
from jaxvis.optimize import lbfgs, step_programs
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.rules import adam, sgd
from jaxvis.recipes import RECIPES, Natural, Recipe, plain, robust
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.presets import choose_seen
from jaxvis.recipes.targets import choose_target
from jaxvis.types import Interrupted, Run, Status
from tests.demo_answers import matches
from tests.pictures import check_same_picture

STEPS = 3
SWEEP = {"tap": "relu2", "index": [0, 3], "seeds": 2, "steps": STEPS}
# The recipe that compiles fastest, where any would do.
PLAIN = {"recipe": "plain", "steps": STEPS}


def plan(net, params, *, seeds=1, recipe="robust", steps=None, **what):
    """Plans what `maximize` makes."""
    target = choose_target(net, params, **what)
    target, chosen = choose_recipe(net, params, target, recipe, steps=steps)
    return plan_maximize(net, params, target, chosen, seeds=seeds)


@pytest.fixture(scope="module")
def swept():
    """Gives the run of two channels and two seeds, with the default recipe."""
    net, params = conv_net()
    return maximize(net, params, **SWEEP)


@pytest.mark.slow
def test_run_has_an_axis_for_indices_and_one_for_seeds(swept):
    assert swept.image.shape == (2, 2, SIDE, SIDE, 3)
    assert swept.trace["loss"].shape == (2, 2, STEPS)
    assert swept.status.shape == (2, 2)
    assert np.all(swept.status == Status.DONE)
    assert 0 <= swept.image.min() < swept.image.max() <= 1


def test_seeds_and_indices_give_different_pictures(swept):
    flat = swept.image.reshape(4, -1)
    apart = np.abs(flat[:, None] - flat[None]).max(-1) + np.eye(4)
    assert apart.min() > 1e-3


def test_same_key_same_pictures(swept):
    net, params = conv_net()
    for key in (0, jax.random.key(0)):
        again = maximize(net, params, key=key, **SWEEP)
        np.testing.assert_array_equal(again.image, swept.image)
    other = maximize(net, params, key=1, **SWEEP)
    assert np.abs(other.image - swept.image).max((2, 3, 4)).min() > 1e-3


def test_one_index_still_has_both_axes():
    net, params = conv_net()
    run = maximize(net, params, tap="relu2", index=3, **PLAIN)
    assert run.image.shape == (1, 1, SIDE, SIDE, 3)


def test_a_plan_makes_every_picture_chunk_by_chunk():
    net, params = conv_net()
    options = {"tap": "relu2", "index": [0, 3, 5], "seeds": 2, **PLAIN}
    run = maximize(net, params, chunk=4, **options)
    assert run.image.shape == (3, 2, SIDE, SIDE, 3)
    chunks = list(plan(net, params, **options).chunks(chunk=4))
    assert [(where.tolist(), part.image.shape) for where, part in chunks] == [
        ([0, 1, 2, 3], (4, SIDE, SIDE, 3)),
        ([4, 5], (2, SIDE, SIDE, 3)),
    ]
    np.testing.assert_array_equal(chunks[1][1].image, run.image[2])


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_excites_its_channel_and_compiles_once(recipe):
    net, params = conv_net()
    options = {"tap": "relu2", "recipe": recipe, "steps": 60}
    run = maximize(net, params, index=[1, 6], **options)
    assert run.image.shape == (2, 1, SIDE, SIDE, 4 if recipe == "alpha" else 3)
    assert 0 <= run.image.min() < run.image.max() <= 1
    images = run.image[:, 0]
    images = composite(images, 0.5) if recipe == "alpha" else images
    codes = [np.asarray(net.code(params, image, "relu2")).mean((0, 1)) for image in images]
    assert codes[0][1] > codes[1][1]
    assert codes[1][6] > codes[0][6]
    terms = run.trace["objective"][:, 0]
    assert np.all(terms[:, -15:].mean(1) < terms[:, :5].mean(1))

    programs = (step_programs.begin, step_programs.step_once, step_programs.finish)
    before = [program.count_compilations() for program in programs]
    weights = jax.tree.map(lambda leaf: 0.5 * leaf, params)
    maximize(net, weights, index=[2, 4], key=5, **options)
    assert [program.count_compilations() for program in programs] == before


def test_pictures_have_the_size_asked_for():
    net, params = conv_net()
    run = maximize(net, params, tap="relu2", size=(20, 24), **PLAIN)
    assert run.image.shape == (1, 1, 20, 24, 3)


def test_plain_starts_at_the_mean_colour():
    net, params = conv_net()
    recipe = replace(plain((SIDE, SIDE)), optimizer=adam(0.0))
    still = maximize(net, params, tap="relu2", recipe=recipe, steps=1)
    np.testing.assert_allclose(still.image[0, 0, 3, 3], (0.485, 0.456, 0.406), atol=1e-6)


@pytest.mark.parametrize("position", ["centre", (1, 6)])
def test_position_excites_one_neuron(position):
    net, params = conv_net()
    neuron = Excite("conv2", 2, position=position)
    run = maximize(net, params, objective=neuron, recipe="plain", steps=20)
    code = np.asarray(net.code(params, run.image[0, 0], "conv2"))[..., 2]
    assert np.unravel_index(code.argmax(), code.shape) == (
        (4, 4) if position == "centre" else position
    )


def test_a_unit_is_the_same_by_its_index_and_by_its_objective():
    net, params = conv_net()
    named = starts_of(tap="relu2", index=[0, 3])
    units = [Excite("relu2", index) for index in (0, 3)]
    np.testing.assert_array_equal(starts_of(objective=units), named)
    target = choose_target(net, params, tap="relu2", index=[3], position="centre")
    (key,) = item_keys(jax.random.key(0), seeds=1, indices=target.indices, name=target.name)
    alone = choose_target(net, params, objective=Excite("relu2", 3, position="centre"))
    (same,) = item_keys(jax.random.key(0), seeds=1, indices=alone.indices, name=alone.name)
    assert jax.random.key_data(key).tolist() == jax.random.key_data(same).tolist()


def test_class_scores_are_the_default():
    net, params = conv_net()
    run = maximize(net, params, index=range(5), **PLAIN)
    assert run.image.shape == (5, 1, SIDE, SIDE, 3)
    both = [Excite("fc", i) + CrossEntropy("fc", i) for i in range(5)]
    # The plain recipe starts flat, so that the random keys do not matter.
    named = maximize(net, params, objective=both, **PLAIN)
    np.testing.assert_allclose(run.image, named.image, atol=1e-5)


@pytest.mark.slow
def test_fully_connected_networks_are_shown_their_own_size():
    net, params = fc_net()
    run = maximize(net, params, index=[1], steps=STEPS, size=(24, 24))
    assert run.image.shape == (1, 1, 24, 24, 3)
    assert np.all(run.status == Status.DONE)


@pytest.mark.slow
def test_objectives_of_ones_own_are_swept_too():
    net, params = conv_net()
    vectors = jnp.eye(8)[:3]
    directions = [Direction("relu2", vector) for vector in vectors]
    run = maximize(net, params, objective=directions, seeds=2, **PLAIN)
    assert run.image.shape == (3, 2, SIDE, SIDE, 3)
    # A direction along one axis is that channel.
    channels = maximize(net, params, tap="relu2", index=range(3), seeds=2, **PLAIN)
    np.testing.assert_allclose(run.image, channels.image, atol=1e-4)


def test_one_objective_is_one_picture():
    net, params = conv_net()
    both = Excite("relu2", 1) - 0.5 * Excite("relu1", 2) + 1e-3 * Amplify("relu2")
    run = maximize(net, params, objective=both, **PLAIN)
    assert run.image.shape == (1, 1, SIDE, SIDE, 3)
    assert np.all(run.status == Status.DONE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": "relu9"}, r"no tap 'relu9'; its taps are input, conv1, relu1"),
        ({"tap": "relu2", "index": 8}, r"'relu2' of tiny_conv has 8 channels, 0..7"),
        ({"index": -1}, r"'fc' of tiny_conv has 5 channels, 0..4; got index -1"),
        ({"index": []}, "has 5 channels"),
        ({"index": range(0)}, "has 5 channels"),
        (
            {"recipe": "sharp"},
            "recipe is one of robust, lucid, plain, maco, cppn, alpha, vital, accent, "
            "mahendran, or a Recipe; not 'sharp'",
        ),
        ({"index": 1.5}, "has 5 channels, 0..4; got index 1.5"),
        ({"objective": Excite("fc", 1), "tap": "fc"}, "leave tap out, or leave objective out"),
        ({"objective": Excite("fc", 1), "index": 1}, "leave index out"),
        ({"objective": []}, "objective= is an empty list"),
        ({"objective": 3}, "a function of the taps"),
        ({"key": -1}, "a seed is a whole number from 0"),
        ({"canvas": Pixels((8, 8)), "size": (9, 9)}, "has 8x8 pixels already: leave size out"),
        ({"canvas": Fourier((SIDE, SIDE))}, "projection Tidy.* is for the z of Pixels"),
        ({"priors": {"l2": L2()}}, r"maps a name to \(weight, prior\)"),
        ({"priors": {"loss": (1.0, L2())}}, "every prior needs a name of its own"),
        ({"start": photograph(8)}, "has 8x8 pixels, this recipe makes 16x16: resize it"),
        ({"recipe": replace(plain((SIDE, SIDE)), optimizer=lbfgs())}, "lower=, upper="),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"objective": Excite("relu2", 0, position=(8, 0))}, r"8x8 cells of 'relu2', not \(8, 0\)"),
        ({"objective": Excite("nowhere", 1)}, "no tap 'nowhere'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_refused(options, message):
    net, params = conv_net()
    with pytest.raises(ValueError, match=message):
        maximize(net, params, **{**PLAIN, **options})


def test_a_picture_that_a_fully_connected_layer_cannot_take_is_refused():
    net, params = fc_net()
    with pytest.raises(ValueError, match="'fc' takes images of 16x16"):
        maximize(net, params, recipe="plain", size=(20, 20), steps=STEPS)


def test_a_network_without_scores_asks_for_a_tap():
    net, params = relu_net(SIDE)
    with pytest.raises(ValueError, match="names no class scores: pass tap="):
        maximize(net, params, steps=STEPS)


@pytest.mark.slow
def test_a_second_call_compiles_nothing():
    net, params, _ = counted_net()

    def again(index, seed):
        weights = jax.tree.map(lambda leaf: leaf * (1 + seed), params)
        recipe = replace(robust((SIDE, SIDE)), optimizer=adam(0.05 + 0.01 * seed))
        options = {"recipe": recipe, "steps": 8 + seed}
        priors = {"l2": (0.1 + seed, L2())}
        maximize(net, weights, index=index, seeds=2, key=seed, priors=priors, **options)

    assert compilations(lambda: again([0, 1], 0)) > 0
    assert compilations(lambda: again([2, 3], 1)) == 0


def test_a_function_of_ones_own_is_maximised():
    net, params, _ = counted_net()
    run = maximize(net, params, index=[0, 3], recipe="plain", steps=20)
    assert run.image.shape == (2, 1, SIDE, SIDE, 3)
    assert np.all(run.trace["objective"][..., -1] < run.trace["objective"][..., 0])


def test_an_nnx_module_of_ones_own_is_maximised():
    class Small(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)

        def __call__(self, x):
            return jnp.mean(nnx.relu(self.conv(x)), axis=(1, 2))

    net, params = from_nnx(Small(nnx.Rngs(0)), input_size=(SIDE, SIDE))
    run = maximize(net, params, tap="conv", index=[0, 1], recipe="plain", steps=20)
    assert run.image.shape == (2, 1, SIDE, SIDE, 3)
    assert np.all(run.trace["objective"][..., -1] < run.trace["objective"][..., 0])


def test_a_function_of_the_taps_is_an_objective():
    net, params = conv_net()
    run = maximize(net, params, objective=lambda taps: -taps["relu2"][..., 3].mean(), **PLAIN)
    named = maximize(net, params, objective=Excite("relu2", 3), **PLAIN)
    assert run.image.shape == (1, 1, SIDE, SIDE, 3)
    np.testing.assert_allclose(run.image, named.image, atol=1e-5)


def brightest(taps):
    return -jnp.max(taps["conv1"])


# Before any ReLU, so that none is dead on the flat start.
MIXED = [
    Excite("conv1", 2),
    Direction("conv2", jnp.eye(8)[1]),
    brightest,
    Excite("conv1", 4),
    Excite("fc", 3) + CrossEntropy("fc", 3),
]


@pytest.mark.slow
def test_objectives_on_different_taps_go_in_one_call():
    net, params = conv_net()
    run = maximize(net, params, objective=MIXED, seeds=2, **PLAIN)
    assert run.image.shape == (5, 2, SIDE, SIDE, 3) and run.z.shape[:2] == (5, 2)
    assert np.all(run.status == Status.DONE)
    for place in (1, 3):
        alone = maximize(net, params, objective=MIXED[place], seeds=2, **PLAIN)
        np.testing.assert_allclose(run.image[place], alone.image[0], atol=1e-4)
        np.testing.assert_allclose(run.trace["loss"][place], alone.trace["loss"][0], rtol=1e-3)


@pytest.mark.slow
def test_objectives_whose_targets_differ_in_shape_go_in_one_call():
    net, params = conv_net()
    code = net.code(params, photograph(SIDE), "relu2")
    pair = [Match("relu2", code), Match("relu2", code, mask=jnp.ones(8))]
    run = maximize(net, params, objective=pair, **PLAIN)
    np.testing.assert_allclose(run.image[0], run.image[1], atol=1e-5)
    with pytest.raises(ValueError, match="differ in their numbers alone"):
        plan(net, params, objective=pair, **PLAIN)


def test_groups_whose_canvases_differ_leave_z_out():
    image = np.zeros((1, 1, 4, 4, 3), np.float32)
    loss, done = {"loss": np.zeros((1, 1, 2))}, np.zeros((1, 1), np.int8)
    runs = [Run(np.zeros((1, 1, side, side, 3)), image, loss, done, {}) for side in (4, 4, 6)]
    places = [(np.array([place]), run) for place, run in enumerate(runs)]
    assert _join_groups(places[:2], 2).z.shape == (2, 1, 4, 4, 3)
    joined = _join_groups(places, 3)
    assert joined.z == () and joined.image.shape == (3, 1, 4, 4, 3)


def press(monkeypatch, number):
    """Presses Ctrl-C instead of taking step `number`."""
    step_once, calls = step_programs.step_once, []

    def step(*arguments):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return step_once(*arguments)

    step.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", step)


def test_an_interrupt_keeps_the_groups_before_and_what_was_in_progress(monkeypatch):
    net, params = conv_net()
    press(monkeypatch, 2 * STEPS)  # the last step of the second group
    with pytest.raises(Interrupted) as stop:
        maximize(net, params, objective=MIXED, **PLAIN)
    run = stop.value.run
    done, left = Status.DONE, Status.UNFINISHED
    assert run.status.ravel().tolist() == [done, left, left, done, left]
    assert run.facts["steps"].ravel().tolist() == [STEPS, STEPS - 1, 0, STEPS, 0]
    finite = [bool(np.isfinite(image).all()) for image in run.image]
    assert finite == [True, True, False, True, False]


def test_an_interrupted_sweep_has_both_axes(monkeypatch):
    net, params = conv_net()
    press(monkeypatch, STEPS + 2)
    with pytest.raises(Interrupted) as stop:
        maximize(net, params, tap="relu2", index=[0, 3, 5], seeds=2, chunk=2, **PLAIN)
    assert stop.value.finished == 2
    run = stop.value.run
    assert run.image.shape == (3, 2, SIDE, SIDE, 3)
    done, left = Status.DONE, Status.UNFINISHED
    assert run.status.tolist() == [[done, done], [left, left], [left, left]]
    assert np.isfinite(run.image[:2]).all() and np.isnan(run.image[2]).all()


def starts_of(**options):
    """Gives the first z of every picture, `[n, seeds, ...]`."""
    net, params = conv_net()
    recipe = Recipe(Pixels((SIDE, SIDE), noise=0.1), None, sgd(0.0), 1)
    return maximize(net, params, recipe=recipe, **options).z


@pytest.mark.slow
def test_a_picture_starts_the_same_alone_and_among_others():
    alone = starts_of(index=2)
    among = starts_of(index=[0, 4, 2], seeds=3)
    np.testing.assert_array_equal(alone[0, 0], among[2, 0])
    two, eight = starts_of(index=2, seeds=2), starts_of(index=2, seeds=8)
    np.testing.assert_array_equal(two[0], eight[0, :2])
    assert len({start.tobytes() for start in among.reshape(9, -1)}) == 9
    elsewhere = starts_of(tap="relu2", index=2)
    assert np.abs(elsewhere[0, 0] - alone[0, 0]).max() > 0.1


@pytest.mark.slow
def test_a_picture_is_the_same_alone_and_among_others():
    net, params = conv_net()
    alone = maximize(net, params, index=2, steps=STEPS)
    among = maximize(net, params, index=[1, 2], seeds=2, steps=STEPS)
    # The step of another chunk is another program: only the rounding differs.
    check_same_picture(alone.image[0, 0], among.image[1, 0])
    np.testing.assert_allclose(alone.trace["loss"][0, 0], among.trace["loss"][1, 0], rtol=1e-3)


@pytest.mark.slow
def test_what_is_left_of_a_sweep_comes_out_byte_for_byte():
    net, params = conv_net()
    job = plan(net, params, **SWEEP)
    whole, rest = job.run(chunk=2), job.run(chunk=2, skip=(0, 3))
    np.testing.assert_array_equal(rest.image[[0, 1], [1, 0]], whole.image[[0, 1], [1, 0]])
    left = Status.UNFINISHED
    assert rest.status.tolist() == [[left, Status.DONE], [Status.DONE, left]]


@pytest.mark.slow
def test_a_canvas_a_view_and_priors_of_ones_own():
    net, params = conv_net()
    priors = {"smooth": (0.5, TotalVariation()), "corner": (2.0, lambda image: image[0, 0, 0])}
    options = {"tap": "relu2", "index": 1, "steps": STEPS}
    canvas, view = Tanh((20, 24)), Roll(2)
    run = maximize(net, params, canvas=canvas, view=view, priors=priors, **options)
    assert run.image.shape == (1, 1, 20, 24, 3)
    assert set(run.trace) == {"loss", "objective", "smooth", "corner"}
    weighted = [Weighted(name, weight, prior) for name, (weight, prior) in priors.items()]
    same = maximize(net, params, canvas=canvas, view=view, priors=weighted, **options)
    np.testing.assert_array_equal(same.image, run.image)
    none = maximize(net, params, tap="relu2", priors={}, **PLAIN)
    assert set(none.trace) == {"loss", "objective"}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["plain", "robust", "lucid"])
def test_pictures_begin_from_an_image(recipe):
    net, params = conv_net()
    photo = 0.1 + 0.8 * photograph(SIDE)
    still = replace(RECIPES[recipe]((SIDE, SIDE)), optimizer=adam(1e-9))
    options = {"tap": "relu2", "index": [1, 3], "recipe": still, "steps": 1}
    run = maximize(net, params, start=photo, priors={}, **options)
    # The plain recipe blurs a little after every step, and sets small values to zero.
    error = np.abs(run.image - photo).mean(axis=(1, 2, 3, 4))
    assert np.all(error < (0.1 if recipe == "plain" else 1e-3))


def test_natural_pictures_begin_from_an_image_inside_their_margin():
    net, params = conv_net()
    photo = 0.3 + 0.4 * photograph(SIDE)
    options = {"recipe": Natural(jitter=5, optimizer=adam(1e-6)), "steps": 1}
    run = maximize(net, params, objective=Excite("relu2", 1), start=photo, **options)
    assert run.z.shape == (1, 1, SIDE + 4, SIDE + 4, 3)
    np.testing.assert_allclose(run.image[0, 0], photo, atol=1e-4)


def test_a_recipe_of_ones_own_keeps_its_size_and_steps():
    net, params = conv_net()
    recipe = Recipe(Pixels((20, 18)), None, adam(0.05), 4)
    run = maximize(net, params, tap="relu2", recipe=recipe)
    assert run.image.shape == (1, 1, 20, 18, 3) and run.trace["loss"].shape == (1, 1, 4)
    same = maximize(net, params, tap="relu2", recipe=recipe, size=(20, 18), steps=2)
    assert same.trace["loss"].shape == (1, 1, 2)
    with pytest.raises(ValueError, match="makes pictures of 20x18 pixels already: leave size"):
        maximize(net, params, tap="relu2", recipe=recipe, size=(16, 16))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["plain", "robust"])
def test_a_dead_unit_is_dead_and_its_neighbours_untouched(recipe):
    net, params = conv_net()
    bias = params["conv2"]["bias"].at[3].set(-1e3)
    params = {**params, "conv2": {**params["conv2"], "bias": bias}}
    options = {"tap": "relu2", "recipe": recipe, "steps": STEPS, "chunk": 2}
    run = maximize(net, params, index=[1, 3], **options)
    assert run.status.ravel().tolist() == [Status.DONE, Status.DEAD]
    assert np.isfinite(run.image).all()
    both = maximize(net, params, index=[1, 6], **options)
    assert both.status.ravel().tolist() == [Status.DONE, Status.DONE]
    np.testing.assert_array_equal(run.image[0], both.image[0])


def test_facts_say_the_chunk_that_was_used():
    net, params = conv_net()
    run = maximize(net, params, tap="relu2", index=[0, 3, 5], chunk=2, **PLAIN)
    assert run.facts["chunk"].tolist() == [[2], [2], [2]]
    assert run.facts["steps"].tolist() == [[STEPS]] * 3


@pytest.mark.slow
def test_pictures_of_the_demo_networks_classes_show_the_known_answers():
    net, params = jaxvis.load("demo")
    asked = list(range(0, len(CLASSES), 4))
    run = maximize(net, params, index=asked)
    shown, _ = choose_seen(net, params, ("fc8",), net.input_size)
    zoom = net.input_size[0] / shown
    wrong = [
        label
        for label, image in zip(CLASSES[::4], run.image[:, 0], strict=True)
        if not matches(label, image, zoom=zoom)
    ]
    assert not wrong
    scores = jax.vmap(lambda x: net.apply(params, x, stop="fc8")["fc8"])
    np.testing.assert_array_equal(np.argmax(scores(run.image[:, 0]), axis=1), asked)
