"""Robustness: curves of attacks, and the signs of obfuscated gradients."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.evaluate.robustness.curves import measure_robustness
from jaxvis.evaluate.robustness.verdict import check_curves
from jaxvis.nets.adapters import from_function

SIZE = (4, 4)
RADII = np.array([0.1, 0.2, 0.4])


def score(params, image):
    """Says bright or dark by the mean; a `hidden` gradient lies in a step."""
    mean = jnp.mean(image) - 0.5
    seen = jnp.where(params["hidden"], jnp.sign(mean), 10.0 * mean)
    return {"scores": jnp.stack([-seen, seen])}


PARAMS = {"hidden": jnp.array(False)}
# One network for all tests, so that its programs are compiled once.
NET, _ = from_function(score, PARAMS, input_size=SIZE, scores="scores", name="threshold")


def images():
    """Returns four bright and four dark images, whose means are 0.05 to 0.35 from the middle."""
    gaps = np.array([0.05, 0.15, 0.25, 0.35])
    means = 0.5 + np.concatenate([gaps, -gaps])
    return np.broadcast_to(means[:, None, None, None], (8, *SIZE, 3)).astype(np.float32)


def measure(*, hidden):
    params, labels = {"hidden": jnp.array(hidden)}, [1] * 4 + [0] * 4
    options = {"epsilons": RADII, "steps": 8, "restarts": 2, "queries": 60, "chunk": 8}
    return measure_robustness(NET, params, images(), labels, **options)


def test_an_honest_network_is_fooled_exactly_where_its_margin_ends():
    found = measure(hidden=False)
    # Of the gaps 0.05, 0.15, 0.25 and 0.35 one, two and four are within 0.1, 0.2 and 0.4.
    for name in ("one step", "many steps"):
        np.testing.assert_allclose(found.accuracy[name], [0.75, 0.5, 0.0])
    assert found.clean == 1.0 and found.unbounded == 0.0 and found.still == 0.0
    assert all(check.passed for check in found.checks), found.checks
    assert "honest" in found.verdict


def test_a_network_that_hides_its_gradient_is_not_trusted():
    found = measure(hidden=True)
    np.testing.assert_allclose(found.accuracy["many steps"], [1.0, 1.0, 1.0])
    # Without a bound a random start alone may cross the step.
    assert found.unbounded > 0.5 and found.still == 1.0
    failed = {check.name for check in found.checks if not check.passed}
    assert {"without a bound every image is fooled", "gradients arrive"} <= failed
    assert found.verdict.startswith("Do not trust")


FINE = {
    "epsilons": np.array([0.1, 0.2]),
    "accuracy": {
        "noise": np.array([0.9, 0.8]),
        "one step": np.array([0.6, 0.4]),
        "many steps": np.array([0.5, 0.2]),
        "scores alone": np.array([0.6, 0.5]),
    },
    "clean": 0.9,
    "queries": {},
    "unbounded": 0.0,
    "restarts": np.array([0.5, 0.48]),
    "still": 0.0,
    "at": 0.1,
}


def curves(**changes):
    return {
        **FINE["accuracy"],
        **{name.replace("_", " "): np.array(value) for name, value in changes.items()},
    }


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"accuracy": curves(one_step=[0.3, 0.1])}, "one step is no stronger than many"),
        ({"accuracy": curves(scores_alone=[0.3, 0.1])}, "a black box is no stronger"),
        ({"accuracy": curves(noise=[0.9, 0.0])}, "noise is no stronger than gradients"),
        ({"accuracy": curves(many_steps=[0.2, 0.5])}, "a larger ball leaves no more"),
        ({"unbounded": 0.02}, "without a bound every image is fooled"),
        ({"restarts": np.array([0.5, 0.2])}, "more restarts find little more"),
        ({"still": 0.5}, "gradients arrive"),
    ],
)
def test_each_sign_is_found(change, name):
    assert all(check.passed for check in check_curves(100, **FINE))
    failed = [check.name for check in check_curves(100, **{**FINE, **change}) if not check.passed]
    assert any(one.startswith(name) for one in failed), failed


def test_labels_that_are_never_right_are_refused():
    with pytest.raises(ValueError, match="none of the 8 images right"):
        measure_robustness(NET, PARAMS, images(), [0] * 4 + [1] * 4, epsilons=[0.1])
    with pytest.raises(ValueError, match="linf, l2"):
        measure_robustness(NET, PARAMS, images(), norm="l1")
