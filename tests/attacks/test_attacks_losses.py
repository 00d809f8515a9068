"""The losses that attacks raise, by hand and beside SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from jaxvis.attacks import losses
from jaxvis.attacks.losses import choose_loss, is_fooled

cross_entropy, margin, dlr = map(jax.jit, (losses.cross_entropy, losses.margin, losses.dlr))

SCORES = jnp.float32([5, 1, 4, 2])
NONE = jnp.int32(-1)


def test_cross_entropy_is_scipys():
    logs = log_softmax(np.asarray(SCORES, np.float64))
    for label in range(4):
        found = cross_entropy(SCORES, jnp.int32(label), NONE)
        assert float(found) == pytest.approx(-logs[label], rel=1e-5)
        found = cross_entropy(SCORES, jnp.int32(0), jnp.int32(label))
        assert float(found) == pytest.approx(logs[label], rel=1e-5)


def test_cross_entropy_of_a_sure_network_has_a_gradient():
    scores = jnp.float32([60, 0, 0])
    gradient = jax.jit(jax.grad(cross_entropy))(scores, jnp.int32(0), NONE)
    expected = 2 * np.exp(-60.0) / (1 + 2 * np.exp(-60.0))
    np.testing.assert_allclose(gradient, [-expected, expected / 2, expected / 2], rtol=1e-4)


def test_the_margin_by_hand():
    assert float(margin(SCORES, jnp.int32(0), NONE)) == 4 - 5
    assert float(margin(SCORES, jnp.int32(1), NONE)) == 5 - 1
    assert float(margin(SCORES, jnp.int32(0), jnp.int32(3))) == 2 - 5
    assert float(margin(SCORES, jnp.int32(1), jnp.int32(0))) == 5 - 4


def test_dlr_by_hand():
    # Sorted 5, 4, 2, 1: -(z_0 - 4) / (5 - 2), and -(z_y - z_t) / (5 - (2 + 1) / 2).
    assert float(dlr(SCORES, jnp.int32(0), NONE)) == pytest.approx(-1 / 3)
    assert float(dlr(SCORES, jnp.int32(1), NONE)) == pytest.approx(4 / 3)
    assert float(dlr(SCORES, jnp.int32(0), jnp.int32(3))) == pytest.approx(-3 / 3.5)


@pytest.mark.parametrize("target", (-1, 2))
def test_dlr_does_not_change_with_the_scale_of_the_scores(target):
    small, large = (
        dlr(scale * SCORES + 3, jnp.int32(0), jnp.int32(target)) for scale in (0.5, 1000)
    )
    assert float(small) == pytest.approx(float(large), rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    (dlr, *(pytest.param(loss, marks=pytest.mark.slow) for loss in (cross_entropy, margin))),
)
def test_networks_of_few_classes_have_losses(loss):
    for scores in ([2.0], [2.0, 1.0], [1.0, 1.0], [3.0, 2.0, 1.0]):
        found, slope = jax.jit(jax.value_and_grad(loss))(jnp.float32(scores), jnp.int32(0), NONE)
        assert np.isfinite(found) and np.isfinite(np.asarray(slope)).all(), scores


@pytest.mark.parametrize("loss", (cross_entropy, margin, dlr))
def test_losses_rise_towards_success(loss):
    def climbed(label, target):
        slope = jax.jit(jax.grad(loss))(SCORES, jnp.int32(label), jnp.int32(target))
        return loss(SCORES + 1e-2 * slope, jnp.int32(label), jnp.int32(target)), slope

    value, slope = climbed(0, -1)
    assert value > loss(SCORES, jnp.int32(0), NONE) and slope[0] < 0
    value, slope = climbed(0, 3)
    assert value > loss(SCORES, jnp.int32(0), jnp.int32(3)) and slope[3] > 0


def test_who_is_fooled():
    def fooled(scores, label, target=-1):
        return bool(is_fooled(jnp.float32(scores), jnp.int32(label), jnp.int32(target)))

    assert fooled([1, 2], 0) and not fooled([2, 1], 0)
    assert fooled([1, 2], 0, 1) and not fooled([2, 1], 0, 1)
    assert not fooled([1, 1], 0)  # the first of equal scores wins
    assert not fooled([1, np.nan], 0) and not fooled([np.inf, np.inf], 1)


def test_losses_by_name_and_as_functions():
    assert choose_loss("dlr") is losses.dlr and choose_loss(margin) is margin
    with pytest.raises(ValueError, match="loss='hinge' is not known: choose cross_entropy, mar"):
        choose_loss("hinge")
