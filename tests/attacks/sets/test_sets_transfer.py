"""The transfer table: counted by hand on linear networks, of several sizes and channels."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net, fc_net

from jaxvis import attacks, from_function

SIDE = 4


def score(params, image):
    """Computes the scores (f, 0), f = w (x - 1/2) + 0.1."""
    return {"scores": jnp.stack([jnp.sum(params["w"] * (image - 0.5)) + 0.1, 0.0])}


def make(w, side=SIDE):
    return from_function(score, {"w": w}, input_size=(side, side), scores="scores", name="linear")


W = np.random.default_rng(1).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
IMAGES = np.full((2, SIDE, SIDE, 3), 0.5, np.float32)


def test_what_fools_a_network_fools_its_twin_and_not_its_opposite():
    attack = partial(attacks.fgsm, epsilon=0.05)
    one = make(W)
    table = attacks.transfer_table([one, one, make(-W)], IMAGES, 0, attack=attack)
    # What lowers w x raises -w x.
    np.testing.assert_array_equal(table.rates, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(table.counts, np.full((3, 3), 2))
    assert table.names == ("linear", "linear #2", "linear #3") and len(table.runs) == 3


@pytest.mark.slow
def test_images_that_are_misclassified_do_not_count():
    attack = partial(attacks.fgsm, epsilon=0.05)
    table = attacks.transfer_table({"a": make(W)}, IMAGES, [0, 1], attack=attack)
    assert table.counts.tolist() == [[1]] and table.rates.tolist() == [[1.0]]
    table = attacks.transfer_table({"a": make(W)}, IMAGES, 1, attack=attack)
    assert table.counts.tolist() == [[0]] and np.isnan(table.rates[0, 0])


@pytest.mark.slow
def test_targets_must_be_reached():
    attack = partial(attacks.fgsm, epsilon=0.05)
    table = attacks.transfer_table([make(W), make(-W)], IMAGES, 0, targets=1, attack=attack)
    np.testing.assert_array_equal(table.rates, [[1, 0], [0, 1]])


@pytest.mark.slow
def test_networks_of_one_size_get_it_and_others_keep_the_images():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(2, 20, 20, 3)).astype(np.float32)
    attack = partial(attacks.fgsm, epsilon=0.3)
    table = attacks.transfer_table([conv_net(), fc_net()], images, 0, attack=attack)
    assert [run.image.shape[1:3] for run in table.runs] == [(20, 20), (16, 16)]
    assert table.rates.shape == table.counts.shape == (2, 2)


@pytest.mark.slow
def test_bad_input_is_refused():
    attack = partial(attacks.fgsm, epsilon=[0.1, 0.2])
    with pytest.raises(ValueError, match="attack of one epsilon"):
        attacks.transfer_table([make(W)], IMAGES, 0, attack=attack)
    with pytest.raises(ValueError, match="nets is empty"):
        attacks.transfer_table([], IMAGES, 0, attack=attack)
    with pytest.raises(ValueError, match="different classes"):
        attacks.transfer_table([make(W), conv_net()], IMAGES, 0, attack=attack)
