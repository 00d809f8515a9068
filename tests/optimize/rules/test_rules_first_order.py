"""First-order optimizers: they descend, take optax's steps, and compile once for all rates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_nets import compilations

from jaxvis.optimize.rules import (
    Rule,
    adam,
    adamax,
    lecture_sgd,
    nadam,
    nesterov,
    normalized_sgd,
    sgd,
    transformation_of,
)

OPTAX = [
    (adam(0.03), optax.adam(0.03)),
    (adam(0.03, b1=0.5, b2=0.9, eps=1e-3), optax.adam(0.03, b1=0.5, b2=0.9, eps=1e-3)),
    (nadam(0.03), optax.nadam(0.03)),
    (adamax(0.03), optax.adamax(0.03)),
    (sgd(0.03), optax.sgd(0.03)),
    (sgd(0.03, momentum=0.8), optax.sgd(0.03, momentum=0.8)),
    (nesterov(0.03, momentum=0.7), optax.sgd(0.03, momentum=0.7, nesterov=True)),
]


@pytest.mark.parametrize("rule", [rule for rule, _ in OPTAX])
def test_a_rule_says_what_builds_it(rule):
    assert repr(rule).startswith("Rule(") and " at 0x" not in repr(rule)
    assert repr(nadam(0.03)) == "Rule(adam, 0.03, nesterov=True)"


def _z(spread=1.0):
    return spread * jax.random.normal(jax.random.key(2), (6, 6, 3))


def _walk(optimizer, z, steps=5):
    """Gives z after some steps down |z - 1|^2, with the optimizer as a program's argument."""

    @jax.jit
    def walk(optimizer, z):
        transformation = transformation_of(optimizer)
        state = transformation.init(z)
        for _ in range(steps):
            updates, state = transformation.update(2 * (z - 1), state, z)
            z = optax.apply_updates(z, updates)
        return z

    if isinstance(optimizer, Rule):
        return walk(optimizer, z)
    return jax.jit(lambda z: walk.__wrapped__(optimizer, z))(z)


@pytest.mark.parametrize(("ours", "theirs"), OPTAX, ids=range(len(OPTAX)))
def test_a_rule_takes_the_steps_of_optaxs_own(ours, theirs):
    assert isinstance(ours, Rule)
    # A learning rate that is traced may round differently from one that is compiled in.
    np.testing.assert_allclose(_walk(ours, _z()), _walk(theirs, _z()), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("make", [adam, nadam, adamax, sgd, nesterov, normalized_sgd, lecture_sgd])
def test_rules_of_one_kind_differ_in_their_rate_alone_and_descend(make):
    assert make(0.01) == make(0.01) != make(0.02)
    assert jax.tree.structure(make(0.01)) == jax.tree.structure(make(0.02))
    assert jax.tree.leaves(make(0.01)) == [0.01]
    optimizer, z = transformation_of(make(0.01)), _z()
    update, _ = optimizer.update(2 * z, optimizer.init(z), z)
    assert float(jnp.sum(update * z)) < 0


def test_another_rate_compiles_nothing_and_another_option_does():
    @jax.jit
    def step(rule, z):
        transformation = transformation_of(rule)
        return transformation.update(z, transformation.init(z), z)[0]

    z = _z()
    rates = [jnp.float32(rate) for rate in (0.01, 0.02)]
    step(adam(rates[0]), z)
    assert compilations(lambda: step(adam(rates[1]), z)) == 0
    assert compilations(lambda: step(adam(rates[1], b1=0.5), z)) == 1


def test_a_transformation_of_optax_is_taken_as_it_is():
    theirs = optax.adam(0.1)
    assert transformation_of(theirs) is theirs


def test_a_rule_of_ones_own_may_build_any_transformation():
    def build(learning_rate, *, most):
        return optax.chain(optax.clip(most), optax.sgd(learning_rate))

    rule = Rule(build, 0.5, (("most", 0.1),))
    update, _ = transformation_of(rule).update(
        jnp.array([3.0, 0.04]), transformation_of(rule).init(jnp.zeros(2)), jnp.zeros(2)
    )
    np.testing.assert_allclose(update, [-0.05, -0.02], rtol=1e-6)


def test_normalized_sgd_moves_by_its_rate_on_average():
    optimizer, z = transformation_of(normalized_sgd(0.3)), _z(100.0)
    update, _ = optimizer.update(z, optimizer.init(z))
    assert float(jnp.mean(jnp.abs(update))) == pytest.approx(0.3, rel=1e-5)
    still, _ = optimizer.update(0 * z, optimizer.init(z))
    assert np.all(np.asarray(still) == 0)


def test_lecture_sgd_leaves_out_pixels_of_small_gradient():
    gradient = jnp.zeros((2, 2, 3)).at[0, 0].set(5.0).at[1, 1].set(0.1)
    optimizer = transformation_of(lecture_sgd(2.0, small=0.2))
    update, state = optimizer.update(gradient, optimizer.init(gradient))
    expected = np.asarray(-2 * gradient.at[1, 1].set(0.0))
    np.testing.assert_allclose(update, expected)
    update, _ = optimizer.update(gradient, state)
    np.testing.assert_allclose(update, 1.9 * expected, rtol=1e-6)


def test_a_rule_prints_without_an_address():
    assert repr(adam(0.05)) == "Rule(adam, 0.05, b1=0.9, b2=0.999, eps=1e-08)"
