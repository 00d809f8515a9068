"""FAB: steps to hyperplanes inside a box, and the least perturbation of a linear network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_nets import draw_images, find_boundary, find_scores, linear, measure
from scipy import optimize

from jaxvis import attacks
from jaxvis.attacks import fab_planes

COUNT = 9
step_to_plane = jax.jit(fab_planes.step_to_plane, static_argnums=3)


def solve_linear(image, normal, gap, norm):
    """Solves for the least step in Linf or L1 as a linear program, by SciPy."""
    n = image.size
    if norm == "linf":  # variables d and its largest value
        cost = np.r_[np.zeros(n), 1]
        bound = np.block([[np.eye(n), -np.ones((n, 1))], [-np.eye(n), -np.ones((n, 1))]])
        equal = np.r_[normal, 0][None]
        limits = [*zip(-image, 1 - image), (0, None)]
    else:  # variables d and the absolute values
        cost = np.r_[np.zeros(n), np.ones(n)]
        bound = np.block([[np.eye(n), -np.eye(n)], [-np.eye(n), -np.eye(n)]])
        equal = np.r_[normal, np.zeros(n)][None]
        limits = [*zip(-image, 1 - image), *[(0, None)] * n]
    found = optimize.linprog(cost, bound, np.zeros(len(bound)), equal, [gap], limits)
    assert found.status == 0
    return found.fun


def solve_square(image, normal, gap):
    """Solves for the least step in L2, by SciPy."""
    found = optimize.minimize(
        lambda d: d @ d,
        np.zeros(image.size),
        jac=lambda d: 2 * d,
        bounds=[*zip(-image, 1 - image)],
        constraints={"type": "eq", "fun": lambda d: normal @ d - gap, "jac": lambda d: normal},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    return np.sqrt(found.fun)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("norm", ("linf", "l2", "l1"))
def test_the_step_is_the_shortest(norm, seed):
    rng = np.random.default_rng(seed)
    image, normal = rng.uniform(size=COUNT), rng.normal(size=COUNT)
    normal[seed] = 0
    room = np.where(normal > 0, 1 - image, image) @ np.abs(normal)
    gap = (0.3 + 0.1 * seed) * room * 0.9
    if seed % 2:
        gap = -(0.3 + 0.1 * seed) * 0.9 * np.where(normal < 0, 1 - image, image) @ np.abs(normal)
    step = step_to_plane(
        jnp.float32(image).reshape(3, 1, 3), jnp.float32(normal).reshape(3, 1, 3), gap, norm
    )
    step = np.asarray(step, float).ravel()
    assert normal @ step == pytest.approx(gap, rel=1e-4)
    assert (image + step >= -1e-6).all() and (image + step <= 1 + 1e-6).all()
    best = (
        solve_square(image, normal, gap) if norm == "l2" else solve_linear(image, normal, gap, norm)
    )
    assert measure(step.reshape(3, 1, 3), norm) == pytest.approx(best, rel=2e-4)


@pytest.mark.parametrize("norm", ("linf", "l2", "l1"))
def test_a_plane_out_of_reach_is_approached_as_far_as_may_be(norm):
    image, normal = np.float32([[[0.2, 0.9, 0.5]]]), np.float32([[[1, -2, 0]]])
    step = step_to_plane(jnp.asarray(image), jnp.asarray(normal), jnp.float32(99), norm)
    np.testing.assert_allclose(step, [[[0.8, -0.9, 0]]], atol=1e-6)
    none = step_to_plane(jnp.asarray(image), jnp.asarray(normal), jnp.float32(0), norm)
    assert not np.asarray(none).any()
    flat = step_to_plane(jnp.asarray(image), 0 * jnp.asarray(normal), jnp.float32(1), norm)
    assert not np.asarray(flat).any()


def find_least(image, norm):
    """Returns the least norm that changes the class of the linear network, inside the box."""
    if norm == "l2":  # whose step is spread so evenly that it meets no edge
        return find_boundary(image, norm)
    kernel, scores = linear()[1]["kernel"].astype(float), find_scores(image)
    label = int(scores.argmax())
    return min(
        solve_linear(image.ravel(), kernel[i] - kernel[label], scores[label] - scores[i], norm)
        for i in range(4)
        if i != label
    )


@pytest.mark.slow
@pytest.mark.parametrize("norm", ("linf", "l2", "l1"))
def test_the_least_perturbation_of_a_linear_network(norm):
    images = draw_images()
    least = [find_least(image, norm) for image in images]
    run = attacks.fab(*linear(), images, norm=norm, steps=20, chunk=3)
    assert run.facts["success"].all()
    np.testing.assert_allclose(measure(run.image - images, norm), least, rtol=0.01)
    aimed = attacks.fab_t(*linear(), images, norm=norm, steps=20, chunk=3)
    np.testing.assert_allclose(aimed.facts["distance"], least, rtol=0.01)


@pytest.mark.slow
def test_it_counts_within_the_epsilons_of_a_curve():
    image = draw_images(1)[0]
    least = find_boundary(image, "linf")
    run = attacks.fab(*linear(), image, epsilon=[0.9 * least, 1.1 * least], steps=20, chunk=3)
    assert run.facts["success"].tolist() == [False, True]
    np.testing.assert_array_equal(run.image[0], image)
    assert len(set(run.facts["queries"].tolist())) == 1


@pytest.mark.slow
def test_the_loss_is_minus_the_least_norm_so_far():
    run = attacks.fab(*linear(), draw_images(), norm="l2", steps=20, chunk=3)
    loss = run.trace["loss"]
    assert (np.diff(loss[:, 1:]) >= 0).all() and (loss[:, 0] == -np.inf).all()
    assert (-loss[:, -1] >= run.facts["distance"] - 1e-6).all()


@pytest.mark.slow
def test_a_target_and_restarts():
    labels = find_scores(draw_images()).argmax(-1)
    targets = (labels + 1) % 4
    run = attacks.fab(*linear(), draw_images(), labels, targets=targets, steps=20, chunk=3)
    assert (run.facts["label"] == targets).all()
    again = attacks.fab(*linear(), draw_images(), labels, steps=20, restarts=2, chunk=3)
    once = attacks.fab(*linear(), draw_images(), labels, steps=20, chunk=3)
    assert (again.facts["distance"] <= once.facts["distance"]).all()
    assert (again.facts["queries"] == 2 * once.facts["queries"]).all()
