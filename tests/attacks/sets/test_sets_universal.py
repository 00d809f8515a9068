"""The universal perturbation: its optimum on a linear network, its rates, its bounds."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import Status, attacks, from_function

SIDE, COUNT = 4, 6


def score(params, image):
    """Computes the scores (f, 0), f = w (x - 1/2) + b."""
    return {"scores": jnp.stack([jnp.sum(params["w"] * (image - 0.5)) + params["b"], 0.0])}


def make():
    w = np.random.default_rng(1).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
    return from_function(
        score, {"w": w, "b": np.float32(1.0)}, input_size=(SIDE, SIDE), scores="scores"
    )


def draw(seed=2):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.45, 0.55, (COUNT, SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module", params=["linf", pytest.param("l2", marks=pytest.mark.slow)])
def found(request):
    """Returns (norm, epsilon, Run) of a perturbation half as large again as the least one."""
    net, params = make()
    w, norm = np.abs(params["w"]), request.param
    largest = max(np.sum(params["w"] * (image - 0.5)) + 1 for image in (*draw(), *draw(3)))
    epsilon = 1.5 * float(largest / (w.sum() if norm == "linf" else np.sqrt((w**2).sum())))
    run = attacks.universal(
        net, params, draw(), epsilon=epsilon, norm=norm, held_out=draw(3), steps=80, batch=4
    )
    return norm, epsilon, run


def test_it_is_the_steepest_direction_of_a_linear_network(found):
    norm, epsilon, run = found
    w = make()[1]["w"]
    best = -epsilon * (np.sign(w) if norm == "linf" else w / np.sqrt((w**2).sum()))
    cosine = np.sum(best * run.z) / np.sqrt(np.sum(best**2) * np.sum(run.z**2))
    assert cosine > 0.97
    np.testing.assert_allclose(run.facts["distance"], epsilon, rtol=1e-3)
    assert run.facts["distance"] <= epsilon * (1 + 1e-6)


def test_it_fools_all_images_also_those_that_it_has_not_seen(found):
    _, _, run = found
    assert run.facts["fooling_rate"] == run.facts["held_out_rate"] == 1
    assert run.status == Status.DONE and run.trace["loss"].shape == (80,)
    assert run.trace["loss"][-1] > run.trace["loss"][0]


def test_the_picture_is_the_perturbation_magnified(found):
    _, _, run = found
    assert run.image.min() >= 0 and run.image.max() <= 1
    np.testing.assert_allclose((run.image - 0.5) * 2 * np.abs(run.z).max(), run.z, atol=1e-6)


@pytest.mark.slow
def test_too_small_a_perturbation_fools_nobody():
    net, params = make()
    run = attacks.universal(net, params, draw(), epsilon=1e-4, steps=3, batch=4)
    assert run.facts["fooling_rate"] == 0 and np.isnan(run.facts["held_out_rate"])


@pytest.mark.slow
def test_broken_and_constant_networks_end_with_a_defined_result():
    net, params = make()
    broken = {**params, "b": np.float32(np.nan)}
    run = attacks.universal(net, broken, draw(), epsilon=0.1, steps=3, batch=4)
    assert run.status == Status.FAILED and not run.z.any() and not run.facts["fooling_rate"]
    flat = {**params, "w": 0 * params["w"]}
    run = attacks.universal(net, flat, draw(), epsilon=0.1, steps=3, batch=4)
    assert run.status == Status.DEAD and not run.z.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0}, "epsilon must be above 0"),
        ({"epsilon": 8}, "grey levels"),
        ({"epsilon": 0.1, "norm": "l1"}, "choose one of"),
        ({"epsilon": 0.1, "steps": 0}, "steps must be above 0"),
        ({"epsilon": 0.1, "targets": 0}, "is its true class"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        attacks.universal(*make(), draw(), **options)
