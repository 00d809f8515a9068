"""What every attack keeps, in every norm that it knows: one row an attack.

The network is linear, z = W x + b, of four classes and images of 4 x 4 pixels. All tests call
an attack with as many images and epsilons, so that its programs are compiled once a norm:
constant and broken scores come from other parameters of the same network.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from attack_table import CASES, EPSILONS
from linear_nets import (
    CLASSES,
    SIDE,
    choose_two,
    draw_images,
    find_boundary,
    find_scores,
    linear,
    measure,
)

from jaxvis import Status


def list_rows(*, targeted=False):
    """Returns a row for every attack and norm; those after an attack's first norm are slow."""
    return [
        pytest.param(name, norm, marks=[pytest.mark.slow] * (case.slow or norm != case.norms[0]))
        for name, case in CASES.items()
        for norm in case.norms
        if case.targeted or not targeted
    ]


each = pytest.mark.parametrize(("name", "norm"), list_rows())
CHUNK = 4
"""As many as there are rows of most attacks, which then need no program that fills slots again."""


def find_labels():
    """Returns what the network says of the images, but a wrong label for the last one."""
    labels = find_scores(draw_images()).argmax(-1)
    labels[-1] = (labels[-1] + 1) % CLASSES
    return labels


@cache
def attack(name, norm, *, targeted=False, key=0, chunk=CHUNK, kind="linear"):
    """Returns the Run of an attack with all epsilons, once."""
    net, params = linear()
    params = CHANGES[kind](params)
    options = dict(CASES[name].options)
    if targeted:
        options["targets"] = (find_labels() + 2) % CLASSES
    return CASES[name].call(
        net,
        params,
        draw_images(),
        find_labels(),
        epsilon=EPSILONS[norm],
        norm=norm,
        key=key,
        chunk=chunk,
        **options,
    )


CHANGES = {
    "linear": dict,
    "constant": lambda params: {name: jnp.zeros_like(leaf) for name, leaf in params.items()},
    "broken": lambda params: {**params, "bias": params["bias"] * jnp.nan},
}
"""What becomes of the parameters."""


@each
def test_it_stays_inside_the_ball_and_the_image(name, norm):
    run = attack(name, norm)
    original = draw_images()[:, None]
    image = np.asarray(run.image)
    assert image.shape == (3, 3, SIDE, SIDE, 3)
    assert image.min() >= 0 and image.max() <= 1
    distance = measure(image - original, norm)
    assert (distance <= np.array(EPSILONS[norm]) * (1 + 1e-5) + 1e-6).all()
    np.testing.assert_allclose(run.facts["distance"], distance, rtol=1e-4, atol=1e-6)


@each
def test_epsilon_0_is_the_identity_and_costs_nothing(name, norm):
    run = attack(name, norm)
    np.testing.assert_array_equal(run.image[:, 0], draw_images())
    if not CASES[name].smallest:  # whose epsilons share their queries
        assert not run.facts["queries"][:, 0].any()
    assert run.facts["success"][:, 0].tolist() == [False, False, True]


@each
def test_what_is_misclassified_costs_nothing(name, norm):
    run = attack(name, norm)
    np.testing.assert_array_equal(run.image[2], np.stack([draw_images()[2]] * 3))
    assert run.facts["success"][2].all() and not run.facts["queries"][2].any()
    assert all(np.isnan(trace[2]).all() for trace in run.trace.values())


@each
def test_success_is_what_the_network_says_of_the_picture(name, norm):
    run = attack(name, norm)
    best = find_scores(run.image).argmax(-1)
    assert (run.facts["label"] == best).all()
    assert (run.facts["success"] == (best != find_labels()[:, None])).all()
    if CASES[name].sure:
        assert run.facts["success"][:, 2].all()


@pytest.mark.parametrize(("name", "norm"), list_rows(targeted=True))
def test_a_target_is_reached_by_the_same_climb(name, norm):
    run = attack(name, norm, targeted=True)
    targets = (find_labels() + 2) % CLASSES
    best = find_scores(run.image).argmax(-1)
    assert (run.facts["success"] == (best == targets[:, None])).all()
    if CASES[name].sure:
        assert run.facts["success"][:2, 2].all()


@each
def test_the_loss_is_never_below_its_start(name, norm):
    run = attack(name, norm)
    scores, start = find_scores(run.image), find_scores(draw_images())

    def gap(scores, labels):
        others = scores.copy()
        np.put_along_axis(others, labels[..., None], -np.inf, -1)
        return others.max(-1) - np.take_along_axis(scores, labels[..., None], -1)[..., 0]

    labels = find_labels()
    now = gap(scores, np.repeat(labels[:, None], 3, 1))
    assert (now >= gap(start, labels)[:, None] - 1e-4).all()


@each
def test_the_same_key_gives_the_same_pictures(name, norm):
    first, again = attack(name, norm), attack.__wrapped__(name, norm)
    np.testing.assert_array_equal(first.image, again.image)


@each
def test_it_needs_the_least_perturbation_of_a_linear_network(name, norm):
    if norm == "l0":
        pytest.skip("see the tests of the attacks that change few pixels")
    case, params, image = CASES[name], choose_two(), draw_images(1)[0]
    least = find_boundary(image, norm, params)
    options = {"norm": norm, "chunk": CHUNK, **case.options}
    if case.smallest:
        run = case.call(linear()[0], params, image, 0, **options)
        assert run.facts["success"]
        assert 1 - 1e-4 <= run.facts["distance"] / least <= 1 + case.slack
    elif case.sure:
        # Steps in L1 change several values, of which one alone would do.
        enough = 2.0 if norm == "l1" else 1 + case.slack
        epsilon = [0.98 * least, enough * least]
        run = case.call(linear()[0], params, image, 0, epsilon=epsilon, **options)
        assert run.facts["success"].tolist() == [False, True]
    else:
        run = case.call(linear()[0], params, image, 0, **options)
        assert run.facts["success"] == (run.facts["distance"] >= least * (1 - 1e-4))


@pytest.mark.slow  # other programs than those of the other tests
@each
def test_the_chunk_changes_nothing_but_rounding(name, norm):
    many, few = attack(name, norm), attack(name, norm, chunk=CHUNK - 1)
    np.testing.assert_allclose(many.image, few.image, atol=1e-4)
    assert (many.facts["success"] == few.facts["success"]).all()


@each
def test_constant_scores_end_with_a_defined_result(name, norm):
    run = attack(name, norm, kind="constant")
    assert np.isfinite(run.image).all()
    wrong = find_labels() != 0  # the first class wins of equal scores
    assert (run.facts["success"] == wrong[:, None]).all()
    assert np.isin(run.status, [Status.DEAD, Status.DONE]).all()


@each
def test_scores_that_are_no_numbers_fail(name, norm):
    run = attack(name, norm, kind="broken")
    assert (run.status == Status.FAILED).all()
    assert not run.facts["success"].any() and not run.facts["queries"].any()
    np.testing.assert_array_equal(run.image, np.stack([draw_images()] * 3, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_network_of_one_class_cannot_be_fooled(name):
    net, params = linear(classes=1)
    norm = CASES[name].norms[0]
    run = CASES[name].call(
        net, params, draw_images()[0], epsilon=EPSILONS[norm][1], norm=norm, **CASES[name].options
    )
    assert not run.facts["success"] and np.isfinite(run.image).all()
    assert int(run.facts["label"]) == 0
