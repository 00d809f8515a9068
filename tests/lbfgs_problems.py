"""Small problems for L-BFGS, and the same problems solved by SciPy."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize as scipy_optimize
from tiny_nets import FunctionLoss

from jaxvis.optimize import Problem, lbfgs, solve
from jaxvis.types import Canvas, Status

TIGHT = {"ftol": 1e-6, "gtol": 1e-4}
SIDE = 12
ZEROS = np.zeros(32, np.float32)


@dataclass(frozen=True)
class Vector(Canvas):
    """A canvas whose z is a plain vector; nothing depends on its image."""

    size: int

    def init(self, key):
        return jnp.zeros(self.size)

    def decode(self, shared, z, key):
        return jnp.zeros((1, 1, 3)) + jnp.mean(z)


def rosenbrock(params, z, item, key):
    far = jnp.sum(100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2)
    return params * far + 0 * jnp.sum(item), {}


def quadratic(params, z, item, key):
    matrix, vector = item
    return params * (z @ matrix @ z / 2 - vector @ z), {}


@functools.cache
def compile_both(loss):
    """Gives value and gradient of a loss, compiled once for all items."""

    def scalar(z, params, item):
        return loss(params, z, item, jax.random.key(0))[0]

    return jax.jit(jax.value_and_grad(scalar))


def solve_by_scipy(loss, item, start, params=1.0, bounds=None, **tolerances):
    """Solves one item by SciPy, from the same float32 values."""

    def value_and_grad(z):
        value, grad = compile_both(loss)(jnp.float32(z).reshape(start.shape), params, item)
        return float(value), np.asarray(grad, np.float64).ravel()

    tolerances = tolerances or TIGHT
    options = {**tolerances, "maxcor": 10, "maxfun": 2000, "maxiter": 2000}
    return scipy_optimize.minimize(
        value_and_grad,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options=options,
        bounds=None if bounds is None else [bounds] * start.size,
    )


def solve_by_ours(loss, items, starts, *, steps=80, chunk=None, params=1.0, **options):
    problem = Problem(FunctionLoss(loss), Vector(starts.shape[-1]), lbfgs(**options), steps)
    key, chunk = jax.random.key(0), chunk or len(starts)
    return solve(problem, np.float32(params), items, key, start=starts, chunk=chunk)


def draw_starts(seed, count=8, size=10):
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


def draw_quadratics(count, size, condition, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        basis, _ = np.linalg.qr(rng.normal(size=(size, size)))
        spread = np.logspace(0, np.log10(condition), size)
        found.append(basis * spread @ basis.T)
    return np.float32(found), np.float32(rng.normal(size=(count, size)))


def check_against_scipy(run, theirs, slack):
    """Checks that losses are no worse, evaluations alike, and every item has converged."""
    values = np.array([one.fun for one in theirs])
    evaluations = np.array([one.nfev for one in theirs])
    np.testing.assert_array_equal(run.status, Status.CONVERGED)
    assert np.mean(run.trace["loss"][:, -1] - values) <= slack
    ratio = run.facts["evaluations"].sum() / evaluations.sum()
    assert 0.7 < ratio <= 1.1, ratio
