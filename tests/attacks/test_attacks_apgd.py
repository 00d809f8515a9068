"""Auto-PGD: its checkpoints, its moves by hand, the classes that it aims at."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_nets import CLASSES, draw_images, find_boundary, find_scores, linear

from jaxvis import attacks, from_function
from jaxvis.attacks.apgd import AutoClimb, find_checkpoints
from jaxvis.attacks.apgd_ranks import rank_class
from jaxvis.attacks.attack import Model, Row


def test_checkpoints_are_the_published_ones():
    found = find_checkpoints(100)
    # 22 steps, then 19, 16, 13, 10, 7, 6, 6...
    assert np.flatnonzero(found).tolist() == [22, 41, 57, 70, 80, 87, 93, 99]
    assert found[found > 0].tolist() == [22, 19, 16, 13, 10, 7, 6, 6]
    assert np.flatnonzero(find_checkpoints(3)).tolist() == [1, 2, 3]
    assert len(find_checkpoints(100)) == 101


def climb_by_hand(value, slope, image, start, epsilon, steps):
    """Runs algorithm 1 of the paper in Linf with NumPy; returns all iterates and steps."""

    def put_inside(x):
        return np.clip(np.clip(x, image - epsilon, image + epsilon), 0, 1)

    marks = find_checkpoints(steps)
    x, before, best, best_value = start, start, start, value(start)
    length, checked, halved, rises = 2 * epsilon, best_value, True, 0
    iterates, lengths, last = [start], [length], best_value
    gradient = slope(x)
    for step in range(steps):
        share = 0.75 if step else 1.0
        ahead = put_inside(x + length * np.sign(gradient))
        x, before = put_inside(x + share * (ahead - x) + (1 - share) * (x - before)), x
        now = value(x)
        rises += now > last
        last, gradient = now, slope(x)
        if now > best_value:
            best, best_value = x, now
        iterates.append(x)
        if marks[step + 1]:
            stays = not halved and checked >= best_value
            halved = rises <= 0.75 * marks[step + 1] or stays
            checked, rises = best_value, 0
            if halved:
                length, x, gradient = length / 2, best, slope(best)
        lengths.append(length)
    return iterates, lengths, best


def test_the_moves_are_those_of_the_paper():
    top = np.float32([0.52, 0.47, 0.5])

    def score(params, image):
        x = image.ravel() - params["top"]
        # A ridge: steep along one axis, so that steps jump over it.
        bent = jnp.array([1.0, 8.0, 30.0]) * x**2
        return {"scores": jnp.stack([params["top"][0] * 0 + 50.0, -jnp.sum(bent)])}

    net, params = from_function(
        score, {"top": top}, input_size=(1, 1), scores="scores", name="ridge"
    )
    image = np.full((1, 1, 3), 0.45, np.float32)
    attack = AutoClimb("linf", 30, lambda scores, label, target: scores[1])
    model = Model(lambda x: net.apply(params, x, stop="scores")["scores"])
    row = Row(*(jnp.asarray(part) for part in (image, 0, -1, np.float32(0.1))))
    state, queries = attack.begin(model, row, jax.random.key(3))
    weights = np.array([1.0, 8.0, 30.0])
    iterates, lengths, best = climb_by_hand(
        lambda x: -np.sum(weights * (x - top) ** 2),
        lambda x: -2 * weights * (x - top),
        image.ravel().astype(float),
        np.asarray(state.image, float).ravel(),
        0.1,
        30,
    )
    assert int(queries) == 0 and np.abs(state.image - image).max() == pytest.approx(0.1, rel=1e-5)
    step = jax.jit(partial(attack.step, model))
    for number in range(31):
        np.testing.assert_allclose(state.image.ravel(), iterates[number], atol=2e-5)
        state, report = step(row, state, jax.random.key(0), number)
        assert float(state.length) * 0.1 == pytest.approx(lengths[number], rel=1e-5)
        assert int(report.queries) == 1
    np.testing.assert_allclose(state.best.ravel(), best, atol=2e-5)
    assert lengths[-1] < 0.05


def test_the_ranks_are_the_likeliest_wrong_classes():
    scores = jnp.float32([3, 9, 5, 7])
    model = Model(lambda image: scores)

    def rank(label, restart, target=-1):
        row = Row(jnp.zeros((1, 1, 1)), jnp.int32(label), jnp.int32(target), 0.1)
        return int(rank_class(model, row._replace(restart=jnp.int32(restart))))

    assert [rank(1, restart) for restart in range(3)] == [3, 2, 0]
    assert [rank(2, restart) for restart in range(3)] == [1, 3, 0]
    assert rank(1, 0, target=2) == 2


@pytest.mark.slow
@pytest.mark.parametrize("loss", ("cross_entropy", "dlr"))
def test_it_succeeds_just_beyond_the_boundary_and_not_before(loss):
    image = draw_images(1)[0]
    least = find_boundary(image, "linf")
    epsilons = [0.98 * least, 1.02 * least]
    run = attacks.apgd(*linear(), image, epsilon=epsilons, steps=40, loss=loss, chunk=2)
    assert run.facts["success"].tolist() == [False, True]


@pytest.mark.slow
def test_one_class_after_another_until_one_succeeds():
    images = draw_images()
    least = [find_boundary(image, "linf") for image in images]
    small = attacks.apgd_t(*linear(), images, epsilon=0.5 * min(least), steps=4, chunk=4)
    # Three wrong classes, and for each a look at the image and four steps.
    assert small.facts["queries"].tolist() == [3 * 5] * 3 and not small.facts["success"].any()
    large = attacks.apgd_t(*linear(), images, epsilon=0.4, steps=4, chunk=4)
    assert large.facts["success"].all() and (large.facts["queries"] <= 5).all()
    two = attacks.apgd_t(*linear(), images, epsilon=0.5 * min(least), steps=4, classes=2, chunk=4)
    assert two.facts["queries"].tolist() == [2 * 5] * 3
    with pytest.raises(ValueError, match="classes must be at least 1, a whole number, got 0"):
        attacks.apgd_t(*linear(), images, epsilon=0.1, classes=0)


@pytest.mark.slow
def test_a_target_is_what_a_targeted_climb_reaches():
    labels = find_scores(draw_images()).argmax(-1)
    targets = (labels + 1) % CLASSES
    run = attacks.apgd(
        *linear(),
        draw_images(),
        labels,
        epsilon=0.4,
        targets=targets,
        loss="dlr",
        steps=40,
        chunk=2,
    )
    assert (run.facts["label"] == targets).all()


def test_other_norms_are_refused():
    for attack in (attacks.apgd, attacks.apgd_t, attacks.autoattack, attacks.square):
        with pytest.raises(ValueError, match="norm='l0' is not known here: choose one of linf"):
            attack(*linear(), draw_images(), epsilon=1, norm="l0")
