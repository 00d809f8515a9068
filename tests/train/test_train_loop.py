"""The training loop: it learns, it is resumed bit for bit, it refuses what is wrong."""

import subprocess
import sys
import time
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvis.train.checkpoint import peek, restore, save_checkpoint
from jaxvis.train.images import from_array
from jaxvis.train.loop import CheckpointFile, Validation, train

ADAM = optax.adam(0.03)


def start():
    params = {"mean": jnp.zeros(3)}
    return {"params": params, "opt": ADAM.init(params)}


def loss_of(params, images):
    return jnp.mean((images - params["mean"]) ** 2)


def step(state, images, key):
    images = images + 0.1 * jax.random.normal(key, images.shape)
    loss, grad = jax.value_and_grad(loss_of)(state["params"], images)
    updates, opt = ADAM.update(grad, state["opt"])
    return {"params": optax.apply_updates(state["params"], updates), "opt": opt}, {"loss": loss}


def measure(state, images, key):
    return {"loss": loss_of(state["params"], images)}


def nan_at_four(state, images, key):
    state, terms = step(state, images, key)
    return state, {"loss": jnp.where(state["opt"][0].count == 4, jnp.nan, terms["loss"])}


@pytest.fixture(scope="module")
def images():
    """Returns twenty plain images around one colour."""
    levels = np.random.default_rng(0).integers(150, 200, (20, 1, 1, 3))
    return from_array(np.broadcast_to(levels, (20, 4, 4, 3)).astype(np.uint8))


def run(images, steps=30, **options):
    options = {"batch": 4, "seed": 2, **options}
    return train(step, start(), images, jax.random.key(1), steps=steps, **options)


def test_it_learns_and_keeps_every_loss(images):
    seen = []
    trained = run(
        images,
        validation=Validation(images, measure, every=10),
        on_step=lambda step, terms: seen.append((step, float(terms["loss"]))),
    )
    loss, held = trained.curves["loss"], trained.curves["validation loss"]
    assert trained.done and trained.step == 30
    np.testing.assert_array_equal(loss, seen)
    assert list(held[:, 0]) == [10, 20, 30] and held[2, 1] < held[0, 1] / 2
    np.testing.assert_allclose(trained.state["params"]["mean"], 0.68, atol=0.1)


def test_interrupted_and_resumed_it_is_the_same_bit_for_bit(images, tmp_path):
    whole = run(images)

    def interrupt(step, terms):
        if step == 11:
            raise KeyboardInterrupt

    facts = {"width": (3, 4)}
    fresh = CheckpointFile(tmp_path / "c.safetensors", facts)
    resumed = CheckpointFile(tmp_path / "c.safetensors", facts, resume=True)
    part = run(images, on_step=interrupt, checkpoint=fresh)
    assert not part.done and part.step == 11 and len(part.curves["loss"]) == 11
    assert peek(tmp_path / "c.safetensors") == (11, {"width": [3, 4]})
    rest = run(images, checkpoint=resumed)
    chex.assert_trees_all_equal(rest.state, whole.state)
    chex.assert_trees_all_equal(rest.curves, whole.curves)
    again = run(images, checkpoint=resumed)
    assert again.step == 30
    chex.assert_trees_all_equal(again.state, whole.state)


def test_a_training_that_is_made_longer_is_the_longer_training(images, tmp_path):
    path = tmp_path / "c.safetensors"
    options = {"validation": Validation(images, measure, every=10)}
    run(images, steps=15, checkpoint=CheckpointFile(path), **options)
    longer = run(images, steps=25, checkpoint=CheckpointFile(path, resume=True), **options)
    whole = run(images, steps=25, **options)
    assert list(longer.curves["validation loss"][:, 0]) == [10, 20, 25]  # not at 15
    chex.assert_trees_all_equal(longer.curves, whole.curves)
    chex.assert_trees_all_equal(longer.state, whole.state)


KILLED = """
import sys; sys.path[:0] = [{tests!r}, {root!r}]
from test_train_loop import *
levels = np.random.default_rng(0).integers(150, 200, (20, 1, 1, 3))
images = from_array(np.broadcast_to(levels, (20, 4, 4, 3)).astype(np.uint8))
run(images, steps=10**6, checkpoint=CheckpointFile({path!r}, seconds=0))
"""


@pytest.mark.slow
def test_after_a_kill_it_goes_on_as_if_nothing_had_happened(images, tmp_path):
    path = tmp_path / "c.safetensors"
    here = Path(__file__).resolve().parent
    code = KILLED.format(tests=str(here), root=str(here.parents[1]), path=str(path))
    child = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 120
    while not (path.exists() and peek(path)[0] >= 3) and time.monotonic() < until:
        time.sleep(0.02)
    child.kill()
    child.wait()
    killed_at = peek(path)[0]
    assert killed_at >= 3
    rest = run(images, steps=killed_at + 5, checkpoint=CheckpointFile(path, resume=True))
    whole = run(images, steps=killed_at + 5)
    chex.assert_trees_all_equal(rest.state, whole.state)
    chex.assert_trees_all_equal(rest.curves, whole.curves)


def test_a_loss_that_is_not_finite_stops_it_and_spares_the_checkpoint(images, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(ValueError, match="step 4 is not finite: lower"):
        train(
            nan_at_four,
            start(),
            images,
            jax.random.key(0),
            steps=9,
            batch=2,
            checkpoint=CheckpointFile(path, seconds=0),
        )
    assert peek(path)[0] == 3


def test_the_same_state_is_the_same_checkpoint_byte_for_byte(tmp_path):
    facts = {f"option {i}": i for i in range(9)}
    curves = {"loss": np.zeros((3, 2)), "validation loss": np.ones((1, 2))}
    for name in "ab":
        save_checkpoint(tmp_path / name, start(), step=3, facts=facts, curves=curves)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_checkpoint_of_something_else_is_refused(images, tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, start(), step=1, facts={"net": "a"})
    assert restore(path, start(), facts={"net": "a"}).step == 1
    with pytest.raises(ValueError, match="net 'a' there, 'b' here"):
        run(images, checkpoint=CheckpointFile(path, {"net": "b"}, resume=True))
    other = {"params": {"mean": jnp.zeros(4), "new": jnp.zeros(1)}}
    with pytest.raises(ValueError, match="misshaped params/mean") as error:
        restore(path, other)
    assert "missing params/new" in str(error.value) and "extra opt" in str(error.value)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="damaged or truncated"):
        restore(path, start())
    with pytest.raises(ValueError, match="at least 1"):
        run(images, steps=0)
