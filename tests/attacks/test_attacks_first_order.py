"""FGSM, BIM, MI-FGSM, PGD and the penalty form, on networks whose optimum is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from linear_nets import CLASSES, draw_images, find_boundary, find_scores, linear, measure

from jaxvis import Status, attacks, from_function

EPSILON = {"linf": 0.1, "l2": 0.4, "l1": 2.0}


def two_classes():
    """Returns (net, params) whose classes 2 and 3 never win, and whose slope is w = w_1 - w_0."""
    net, params = linear()
    kernel = params["kernel"].copy()
    kernel[0], kernel[2:] = 0, 0
    bias = np.float32([find_scores(draw_images(1)[0])[1] + 10, 0, -1e6, -1e6])
    return net, {"kernel": kernel, "bias": bias}, kernel[1]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ("linf", "l2"))
def test_one_step_is_the_optimum_of_a_linear_network(norm):
    net, params, slope = two_classes()
    image, epsilon = draw_images(1)[0], EPSILON[norm]
    one = attacks.fgsm(net, params, image, 0, epsilon=epsilon, norm=norm)
    many = attacks.pgd(
        net, params, image, 0, epsilon=epsilon, norm=norm, steps=30, random_start=False
    )
    direction = np.sign(slope) if norm == "linf" else slope / np.linalg.norm(slope)
    expected = image + epsilon * direction.reshape(image.shape)
    np.testing.assert_allclose(one.image, expected, atol=1e-5)
    np.testing.assert_allclose(many.image, expected, atol=1e-5)


@pytest.mark.slow
def test_pgd_from_anywhere_ends_at_the_same_optimum():
    net, params, slope = two_classes()
    image = draw_images(1)[0]
    run = attacks.pgd(net, params, image, 0, epsilon=0.1, steps=20, keep="best", restarts=2)
    expected = image + 0.1 * np.sign(slope).reshape(image.shape)
    np.testing.assert_allclose(run.image, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ("linf", "l2"))
def test_an_attack_succeeds_just_beyond_the_boundary_and_not_before(norm):
    images = draw_images()
    least = np.array([find_boundary(image, norm) for image in images])
    for scale, expected in ((0.98, False), (1.02, True)):
        for image, radius in zip(images, least):
            run = attacks.bim(
                *linear(), image, epsilon=scale * radius, norm=norm, steps=40, loss="margin"
            )
            assert bool(run.facts["success"]) == expected


def test_momentum_by_hand():
    def score(params, image):
        x = image.ravel()
        # The gradient of the first score is (1, -2 x_1): its second part changes.
        return {"scores": jnp.stack([jnp.sum(params["w"] * 0), x[0] - x[1] ** 2 - 9.0])}

    net, params = from_function(
        score, {"w": jnp.ones(1)}, input_size=(1, 1), scores="scores", name="bent"
    )
    image = np.float32([[[0.5, 0.25, 0.5]]])
    run = attacks.mi_fgsm(
        net,
        params,
        image,
        0,
        epsilon=0.2,
        norm="l2",
        steps=2,
        momentum=0.5,
        loss=lambda scores, label, target: scores[1],
        keep="last",
    )

    def slope(x):
        return np.array([1.0, -2 * x[1], 0.0])

    x, g = image.ravel().astype(float), np.zeros(3)
    for _ in range(2):
        now = slope(x)
        g = 0.5 * g + now / np.abs(now).sum()
        x = x + 0.1 * g / np.linalg.norm(g)
    np.testing.assert_allclose(run.image.ravel(), x, atol=1e-6)


@pytest.mark.slow
def test_what_is_kept():
    net, params, _ = two_classes()
    image = draw_images(1)[0]
    call = {"epsilon": 0.8, "steps": 10, "random_start": False}
    first = attacks.pgd(net, params, image, 0, **call)
    last = attacks.pgd(net, params, image, 0, **call, keep="last")
    assert first.facts["success"] and last.facts["success"]
    assert first.facts["distance"] < last.facts["distance"]
    assert first.facts["queries"] < last.facts["queries"] == 10
    # Away from the class that is wanted: the last picture is worse than the image.
    loss = {"loss": lambda scores, label, target: -scores[1]}
    worse = attacks.fgsm(net, params, image, 0, epsilon=0.1, keep="last", **loss)
    assert find_scores(worse.image, params)[1] < find_scores(image, params)[1]


def find_loss(scores):
    """Returns the cross-entropy of the class that wins, by NumPy."""
    return float(np.log(np.exp(scores - scores.max()).sum()))


@pytest.mark.slow
def test_views_are_averaged_and_counted():
    def shift(key, image):
        del key
        return image + 0.01

    run = attacks.pgd(*linear(), draw_images(1)[0], epsilon=1e-4, steps=3, view=shift, samples=4)
    assert int(run.facts["queries"]) == 12
    # The first loss is that of the image as the view shows it.
    scores = find_scores(draw_images(1)[0].astype(np.float64) + 0.01)
    start = find_loss(scores)
    assert abs(run.trace["loss"][0] - start) < 0.05


@pytest.mark.slow
def test_a_network_without_gradient_is_dead():
    net, params = linear()
    still = {**params, "kernel": 0 * params["kernel"], "bias": np.float32([1, 0, 0, 0])}
    run = attacks.pgd(net, still, draw_images(), epsilon=0.1, steps=3)
    assert (run.status == Status.DEAD).all() and not run.facts["success"].any()


@pytest.mark.slow
def test_all_epsilons_are_those_of_calls_of_their_own():
    epsilons = [0.001, 0.02, 0.3]
    images = draw_images()
    curve = attacks.pgd(*linear(), images, epsilon=epsilons, steps=8, random_start=False, chunk=3)
    for at, epsilon in enumerate(epsilons):
        alone = attacks.pgd(
            *linear(), images, epsilon=epsilon, steps=8, random_start=False, chunk=3
        )
        assert (alone.facts["success"] == curve.facts["success"][:, at]).all()
        assert alone.image.shape == curve.image[:, at].shape


@pytest.mark.slow
@pytest.mark.parametrize("norm", ("l1", "l0"))
def test_sparse_norms_change_few_values(norm):
    epsilon = {"l1": 1.5, "l0": 2}[norm]
    run = attacks.pgd(*linear(), draw_images(), epsilon=epsilon, norm=norm, steps=20, keep="best")
    delta = run.image - draw_images()
    assert (measure(delta, "l0") <= {"l1": 8, "l0": 2}[norm]).all()
    assert (measure(delta, norm) > 0.9 * epsilon).all()


def hill(params, image):
    """Computes scores of which the second is a hill: a . x - |x - middle|^2 / 2."""
    x = image.ravel() - 0.5
    return {"scores": jnp.stack([params["a"][0] * 0 + 99.0, params["a"] @ x - x @ x / 2])}


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "norm", ("linf", pytest.param("l2", marks=SLOW), pytest.param("l1", marks=SLOW))
)
def test_a_penalty_stops_where_the_score_rises_no_faster(norm):
    slope = np.float32([0.3, -0.2, 0.1, 0.05, 0, 0, 0.02, 0, 0.01, 0, 0, 0])
    net, params = from_function(hill, {"a": slope}, input_size=(2, 2), scores="scores", name="hill")
    image = np.full((2, 2, 3), 0.5, np.float32)
    price = {"linf": 0.3, "l2": 0.2, "l1": 0.15}[norm]
    run = attacks.penalty(
        net, params, image, 0, penalty=price, norm=norm, steps=300, step_size=0.05
    )
    # The least of |d - a|^2 / 2 + price |d|: a shrunk by the norm's proximal map.
    if norm == "l2":
        expected = slope * (1 - price / np.linalg.norm(slope))
    elif norm == "l1":
        expected = np.sign(slope) * np.maximum(np.abs(slope) - price, 0)
    else:
        level = 0.1  # what lies above it, 0.2 + 0.1, is the price
        expected = np.clip(slope, -level, level)
    np.testing.assert_allclose(np.ravel(run.image - image), expected, atol=2e-4)
    assert not run.facts["success"] and run.status == Status.DONE


@pytest.mark.slow
def test_a_price_above_the_gradient_changes_nothing():
    net, params = linear()
    price = 2 * np.abs(params["kernel"]).sum(1).max()
    run = attacks.penalty(net, params, draw_images(), penalty=price, steps=5)
    np.testing.assert_allclose(run.image, draw_images(), atol=1e-6)
    free = attacks.penalty(net, params, draw_images(), penalty=0.0, steps=40)
    assert free.facts["success"].all()
    with pytest.raises(ValueError, match="penalty must be 0 or more, got -1"):
        attacks.penalty(net, params, draw_images(), penalty=-1)


@pytest.mark.slow
def test_a_target_of_a_penalty_is_reached():
    labels = find_scores(draw_images()).argmax(-1)
    targets = (labels + 1) % CLASSES
    run = attacks.penalty(
        *linear(), draw_images(), labels, penalty=0.1, targets=targets, steps=60, epsilon=[0, 1]
    )
    assert run.facts["success"].tolist() == [[False, True]] * 3
    assert (run.facts["label"][:, 1] == targets).all()
