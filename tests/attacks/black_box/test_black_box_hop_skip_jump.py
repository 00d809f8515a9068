"""HopSkipJump and the boundary attack: how near they come, and what they ask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_nets import draw_images, find_boundary, find_scores, linear

from jaxvis import Status, attacks, from_function

SIDE = 4
COUNT = 3


def score(params, image):
    """Computes the scores (f, 0), f = w (x - 1/2) + b."""
    f = jnp.sum(params["w"] * (image - 0.5)) + params["b"]
    return {"scores": jnp.stack([f, 0.0])}


def score_one_hot(params, image):
    """Says which class it is, and nothing else."""
    return {"scores": jax.nn.one_hot(jnp.argmax(score(params, image)["scores"]), 2)}


def make(function=score, bias=0.8):
    """Returns (net, params) of a linear network."""
    w = np.random.default_rng(1).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
    params = {"w": w, "b": np.float32(bias)}
    return from_function(function, params, input_size=(SIDE, SIDE), scores="scores")


def draw():
    rng = np.random.default_rng(2)
    return rng.uniform(0.45, 0.55, (COUNT, SIDE, SIDE, 3)).astype(np.float32)


def least(norm):
    """Returns the least perturbation of every image, |f| / |w| in the dual norm."""
    _, params = make()
    f = np.array([np.sum(params["w"] * (image - 0.5)) + params["b"] for image in draw()])
    w = np.abs(params["w"])
    return np.abs(f) / (w.sum() if norm == "linf" else np.sqrt((w**2).sum()))


@pytest.fixture(scope="module", params=["l2", "linf"])
def found(request):
    """Returns (norm, Run) of HopSkipJump."""
    return request.param, attacks.hop_skip_jump(*make(), draw(), norm=request.param, steps=20)


@pytest.mark.slow
def test_it_comes_near_the_least_perturbation(found):
    norm, run = found
    ratio = run.facts["distance"] / least(norm)
    assert run.facts["success"].all() and (run.status == Status.DONE).all()
    assert (ratio > 1 - 1e-4).all() and (ratio < (1.06 if norm == "l2" else 1.12)).all()


@pytest.mark.slow
def test_the_distance_never_grows(found):
    _, run = found
    trace = run.trace["loss"]
    for row in trace:
        row = row[~np.isnan(row)]
        assert (np.diff(row[np.isfinite(row)]) >= 0).all()


@pytest.mark.slow
def test_labels_are_all_that_it_looks_at(found):
    norm, run = found
    if norm == "linf":
        pytest.skip("the labels are looked at in one place for both norms")
    labels = attacks.hop_skip_jump(*make(score_one_hot), draw(), norm=norm, steps=20)
    np.testing.assert_allclose(labels.image, run.image, atol=1e-5)
    np.testing.assert_array_equal(labels.facts["queries"], run.facts["queries"])


@pytest.mark.slow
@pytest.mark.parametrize("budget", [10, 333])
def test_a_budget_is_kept(budget):
    net, params = make()
    run = attacks.hop_skip_jump(net, params, draw(), budget=budget, steps=20)
    assert (run.facts["queries"] <= budget).all()
    assert np.isfinite(run.image).all()
    if budget == 333:
        assert (run.facts["queries"] == budget).all() and run.facts["success"].all()


@pytest.mark.slow
def test_epsilons_share_one_search():
    net, params = make()
    least_one = least("l2")
    epsilon = [0.5 * least_one.min(), 2 * least_one.max()]
    run = attacks.hop_skip_jump(net, params, draw(), epsilon=epsilon, steps=20)
    assert run.facts["success"].tolist() == [[False, True]] * COUNT
    assert (run.facts["queries"][:, 0] == run.facts["queries"][:, 1]).all()


@pytest.mark.slow
def test_a_start_that_is_given_costs_no_search():
    net, params = make()
    # Against w the score falls.
    starts = np.clip(0.5 - 10 * params["w"], 0, 1)
    run = attacks.hop_skip_jump(net, params, draw(), starts=starts, steps=20, budget=333)
    assert run.facts["success"].all() and np.isfinite(run.trace["loss"][:, 0]).all()


def test_a_start_that_does_not_fool_is_refused():
    net, params = make()
    with pytest.raises(ValueError, match="start of image 0 is classified as 0"):
        attacks.hop_skip_jump(net, params, draw(), starts=draw())
    with pytest.raises(ValueError, match="one picture of the images' size"):
        attacks.hop_skip_jump(net, params, draw(), starts=draw()[:2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attack", "steps"), [(attacks.hop_skip_jump, 20), (attacks.boundary, 400)]
)
def test_where_no_start_is_found_it_ends_with_the_image(attack, steps):
    net, params = make(bias=1e6)
    run = attack(net, params, draw(), steps=steps)
    assert not run.facts["success"].any() and (run.status == Status.DONE).all()
    np.testing.assert_array_equal(run.image, draw())
    # 32 batches of noise, and the picture in the end.
    assert (run.facts["queries"] == 32 * 32 + 1).all()


@pytest.mark.slow
def test_the_boundary_attack_comes_near_the_least_perturbation():
    run = attacks.boundary(*make(), draw(), steps=400)
    ratio = run.facts["distance"] / least("l2")
    assert run.facts["success"].all() and (ratio > 1 - 1e-4).all() and (ratio < 1.01).all()


@pytest.mark.slow
def test_the_boundary_attack_keeps_its_budget():
    run = attacks.boundary(*make(), draw(), budget=101)
    assert (run.facts["queries"] <= 101).all() and run.facts["success"].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget must be above 0"),
        ({"steps": 0}, "steps must be above 0"),
        ({"norm": "l1"}, "choose one of"),
        ({"batch": 0}, "batch must be above"),
    ],
)
def test_bad_numbers_are_refused(options, message):
    for attack in (attacks.hop_skip_jump, attacks.boundary):
        with pytest.raises(ValueError, match=message):
            attack(*make(), draw(), **options)


@pytest.mark.slow
def test_a_target_is_reached_from_noise_of_its_class():
    net, params = linear()
    images = draw_images()
    labels = find_scores(images).argmax(-1)
    noise = np.random.default_rng(3).uniform(size=(2000, *images.shape[1:]))
    first, second = np.bincount(find_scores(noise).argmax(-1), minlength=4).argsort()[:1:-1]
    targets = np.where(labels == first, second, first)
    run = attacks.hop_skip_jump(net, params, images, targets=targets, steps=20)
    assert run.facts["success"].all() and (run.facts["label"] == targets).all()
    least_ones = [find_boundary(image, "l2") for image in images]
    assert (run.facts["distance"] >= np.array(least_ones) * (1 - 1e-4)).all()
