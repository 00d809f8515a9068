"""The attacks for the smallest perturbation, where it is known: networks that are linear."""

from functools import cache

import numpy as np
import pytest

from jaxvis import Status, attacks, from_function

SIDE = 4
SIZE = SIDE * SIDE * 3
QUICK = {"steps": 40, "runs": 6, "constant": 1.0, "step_size": 0.05}


def score(params, image):
    return {"scores": params["kernel"] @ image.ravel() + params["bias"]}


@cache
def linear(classes=2):
    """Returns (net, params) of z = W x + b; of two classes z_1 - z_0 = w.x + b."""
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(classes, SIZE)).astype(np.float32)
    bias = rng.normal(size=classes).astype(np.float32)
    params = {"kernel": kernel, "bias": bias}
    return from_function(score, params, input_size=(SIDE, SIDE), scores="scores", name="linear")


@cache
def draw_near():
    """Returns images `[4, ...]` near the boundary of two classes, and their distances to it.

    They are far from 0 and 1, which no perturbation then meets.
    """
    rng = np.random.default_rng(2)
    images = rng.uniform(0.4, 0.6, (4, SIDE, SIDE, 3))
    _, params = linear()
    w = np.asarray(params["kernel"][1] - params["kernel"][0], np.float64)
    b = float(params["bias"][1] - params["bias"][0])
    wanted = np.array([0.6, -0.4, 0.3, -0.2])
    flat = images.reshape(4, -1)
    flat += ((wanted - b - flat @ w) / (w @ w))[:, None] * w
    gap = np.abs(flat @ w + b)
    least = {
        "l2": gap / np.linalg.norm(w),
        "linf": gap / np.abs(w).sum(),
        "l1": gap / np.abs(w).max(),
    }
    return flat.reshape(images.shape).astype(np.float32), least


# The elastic net also lowers the sum of squares, which the least sum of values does not.
CASES = [
    (attacks.deepfool, "l2", {"overshoot": 0.0, "steps": 1}, 1e-3),
    (attacks.deepfool, "linf", {"overshoot": 0.0, "steps": 1}, 1e-3),
    (attacks.carlini_wagner, "l2", {**QUICK, "steps": 150, "step_size": 0.002}, 0.02),
    (attacks.carlini_wagner, "linf", {**QUICK, "runs": 30, "step_size": 0.005}, 0.12),
    (attacks.ddn, "l2", {"steps": 60, "radius": 0.1}, 0.02),
    (attacks.fmn, "l2", {"steps": 40}, 0.02),
    (attacks.fmn, "linf", {"steps": 40}, 0.05),
    (attacks.fmn, "l1", {"steps": 40}, 0.05),
    (attacks.elastic_net, "l1", {**QUICK, "rule": "l1"}, 0.4),
]


@pytest.mark.slow
@pytest.mark.parametrize(("call", "norm", "options", "tolerance"), CASES)
def test_the_least_perturbation_of_a_linear_network_is_found(call, norm, options, tolerance):
    images, least = draw_near()
    run = call(*linear(), images, norm=norm, **options)
    assert run.facts["success"].all() and (run.status == Status.DONE).all()
    ratio = run.facts["distance"] / least[norm]
    assert ratio.min() >= 1 - 1e-4
    assert ratio.max() <= 1 + tolerance


@pytest.mark.slow
def test_deepfool_crosses_by_its_overshoot():
    images, least = draw_near()
    run = attacks.deepfool(*linear(), images, overshoot=0.1, steps=3)
    np.testing.assert_allclose(run.facts["distance"], 1.1 * least["l2"], rtol=1e-3)
    # One image for the classes, one for the step, one that sees the success.
    assert (run.facts["queries"] == 3).all()


@pytest.mark.slow
def test_deepfool_takes_the_nearest_of_the_boundaries_that_it_looks_at():
    net, params = linear(classes=6)
    image = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    w, b = np.asarray(params["kernel"], np.float64), np.asarray(params["bias"], np.float64)
    z = w @ image.ravel() + b
    order = np.argsort(-z)
    away = [(z[order[0]] - z[k]) / np.linalg.norm(w[order[0]] - w[k]) for k in order[1:]]
    run = attacks.deepfool(net, params, image, steps=1, candidates=6)
    np.testing.assert_allclose(run.facts["distance"], 1.02 * min(away), rtol=1e-2)
    two = attacks.deepfool(net, params, image, steps=1, candidates=2)
    np.testing.assert_allclose(two.facts["distance"], 1.02 * away[0], rtol=1e-2)
    target = int(order[-1])
    run = attacks.deepfool(net, params, image, targets=target, norm="linf")
    assert run.facts["success"] and int(run.facts["label"]) == target


@pytest.mark.slow
def test_all_epsilons_share_one_search():
    images, _ = draw_near()
    plain = attacks.ddn(*linear(), images, steps=30, radius=0.05)
    epsilons = [0.0, float(np.median(plain.facts["distance"])), 9.0]
    run = attacks.ddn(*linear(), images, steps=30, radius=0.05, epsilon=epsilons)
    assert run.image.shape == (4, 3, SIDE, SIDE, 3) and run.trace["loss"].shape == (4, 3, 30)
    within = plain.facts["distance"][:, None] <= np.array(epsilons)
    np.testing.assert_array_equal(run.facts["success"], within)
    assert 0 < within[:, 1].sum() < 4
    np.testing.assert_array_equal(run.image[:, 2], plain.image)
    np.testing.assert_array_equal(run.image[~within], np.repeat(images, 3, 0)[~within.ravel()])
    np.testing.assert_array_equal(run.facts["queries"], [[0, 30, 30]] * 4)
    alone = attacks.ddn(*linear(), images[0], steps=30, epsilon=9.0)
    assert alone.image.shape == images[0].shape and alone.facts["success"].shape == ()


def test_epsilon_0_alone_takes_no_step():
    images, _ = draw_near()
    run = attacks.fmn(*linear(), images, epsilon=0.0, steps=30)
    np.testing.assert_array_equal(run.image, images)
    assert not run.facts["success"].any() and run.trace["loss"].shape == (4, 0)


@pytest.mark.slow
def test_confidence_is_the_margin_of_what_is_found():
    images, least = draw_near()
    net, params = linear()
    run = attacks.carlini_wagner(net, params, images, confidence=0.5, **QUICK)
    scores = run.image.reshape(4, -1) @ params["kernel"].T + params["bias"]
    assert run.facts["success"].all()
    gap = np.abs(scores[:, 1] - scores[:, 0])
    assert gap.min() >= 0.5 - 1e-3 and gap.max() <= 0.6
    assert (run.facts["distance"] > least["l2"]).all()


@pytest.mark.slow
def test_what_cannot_be_fooled_stays_as_it_is():
    net, params = linear()
    # The bias decides, whatever the image is.
    params = {**params, "bias": np.array([1e4, 0], np.float32)}
    images, _ = draw_near()
    for call, options in (
        (attacks.carlini_wagner, QUICK),
        (attacks.fmn, {"steps": 30}),
    ):
        run = call(net, params, images, labels=0, **options)
        assert not run.facts["success"].any()
        np.testing.assert_array_equal(run.image, images)
        np.testing.assert_array_equal(run.facts["distance"], 0)


BAD = [
    (attacks.carlini_wagner, {"norm": "l1"}, "l2, linf"),
    (attacks.carlini_wagner, {"runs": 0}, "runs must be above 0"),
    (attacks.carlini_wagner, {"constant": 0.0}, "constant must be above 0"),
    (attacks.deepfool, {"norm": "l0"}, "l2, linf"),
    (attacks.deepfool, {"candidates": 1}, "candidates must be above 1"),
    (attacks.elastic_net, {"norm": "l2"}, "l1"),
    (attacks.elastic_net, {"rule": "l2"}, "elastic, l1"),
    (attacks.ddn, {"norm": "linf"}, "l2"),
    (attacks.ddn, {"radius": -1.0}, "radius must be above 0"),
    (attacks.fmn, {"norm": "l3"}, "linf, l2, l1, l0"),
    (attacks.fmn, {"steps": 0}, "steps must be above 0"),
    (attacks.jsma, {"norm": "l2"}, "l0"),
    (attacks.jsma, {"change": 0.0}, "change"),
]


@pytest.mark.parametrize(("call", "options", "message"), BAD)
def test_what_an_attack_cannot_use_is_refused(call, options, message):
    images, _ = draw_near()
    with pytest.raises(ValueError, match=message):
        call(*linear(), images, **options)
