"""LeNet-5 and the generator of digits: what they compute, and what they draw."""

import jax
import numpy as np
import pytest

import jaxvis
from benchmarks.quality import digits


@pytest.fixture(scope="module")
def data(data_file):
    """Returns the data folder, or skips."""
    for name in digits.FILES:
        path = data_file(name)
    return path.parents[2]


@pytest.mark.slow
def test_both_compute_what_the_reference_says(data, data_file):
    reference = np.load(data_file("reference/ref_small_nets.npz"))
    net, params = digits.load_lenet5(data)
    for image, scores in zip(reference["mnist:input_32"], reference["mnist:logits"]):
        found = net.apply(params, image.transpose(1, 2, 0), stop="fc7")["fc7"]
        np.testing.assert_allclose(found, scores, atol=2e-4)
    reference = np.load(data_file("reference/ref_mnist_dcgan.npz"))
    arrays = digits.read_generator(data)
    look = jax.jit(lambda x: jax.nn.softmax(net.apply(params, x, stop="fc7")["fc7"]))
    for z, wanted in zip(reference["z"], reference["lenet_softmax"]):
        image = jax.jit(digits.draw_digit)(arrays, z.reshape(64))
        np.testing.assert_allclose(look(image), wanted, atol=2e-3)


@pytest.mark.slow
def test_every_digit_is_maximised_in_grey(data):
    net, params = digits.load_lenet5(data)
    run = jaxvis.maximize(net, params, index=range(10), steps=64)
    assert run.image.shape == (10, 1, 32, 32, 1) and (run.status == jaxvis.Status.DONE).all()
    assert digits.find_hits(net, params, run.image).all()
    scores = jax.vmap(lambda x: net.apply(params, x, stop="fc7")["fc7"])(run.image[:, 0])
    assert np.diag(jax.nn.softmax(scores)).min() > 0.9


@pytest.mark.slow
def test_the_latents_give_every_digit_that_is_wanted(data):
    run = digits.draw_from_latents(data, seeds=4, steps=40)
    net, params = digits.load_lenet5(data)
    assert digits.find_hits(net, params, run.image).mean() >= 0.95  # by chance: 0.1
    assert np.abs(run.z).max() <= 2.5
    # Codes as a normal's: not drawn together into an average digit.
    np.testing.assert_allclose(np.sqrt((run.z**2).mean(-1)), 1, atol=0.2)
