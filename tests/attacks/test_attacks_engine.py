"""How attacks are driven: slots that are filled again, epsilons that settle, Ctrl-C."""

import signal
from dataclasses import dataclass, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_nets import draw_images

from jaxvis import from_function
from jaxvis.attacks import programs
from jaxvis.attacks.attack import Attack, Report, Row
from jaxvis.attacks.line import Line, Result
from jaxvis.attacks.rows import choose_victims
from jaxvis.attacks.run import count_within, run_attack
from jaxvis.types import Interrupted, Status


@dataclass(frozen=True)
class Countdown(Attack):
    """An attack that takes as many steps as the label says, and draws its picture.

    Args:
      wins: the epsilon from which on it makes the picture that fools the network.
    """

    wins: float = np.inf

    @property
    def stops_when_fooled(self):
        return True

    def begin(self, model, row, key):
        return jax.random.uniform(key, row.image.shape), jnp.int32(1)

    def step(self, model, row, state, key, step):
        state = 0.5 * state + 0.5 * jax.random.uniform(key, state.shape)
        return state, Report(step.astype(jnp.float32), step >= row.label, jnp.int32(2))

    def end(self, model, row, state):
        # A little of what was drawn, but for the value that says the class.
        noise = (0.01 * row.epsilon * (state - 0.5)).at[0, 0, 0].set(0)
        won = row.image.at[0, 0, 0].set(15 / 16)
        return jnp.where(row.epsilon >= self.wins, won, row.image + noise)


def read_class(params, image):
    """Computes scores of the class that the first value of an image names, in sixteenths."""
    return {"scores": -params["scale"] * jnp.abs(jnp.arange(16) - 16 * image[0, 0, 0])}


@cache
def reader():
    """Returns (net, params) of the network that reads the class from the first value."""
    return from_function(
        read_class, {"scale": jnp.ones(1)}, input_size=(4, 4), scores="scores", name="reader"
    )


def draw_victims(labels):
    """Returns images that name their classes, which say how long they take."""
    images = draw_images(len(labels))
    images[:, 0, 0, 0] = np.array(labels) / 16
    return images


def find_victims(labels, epsilon=0.5):
    """Returns victims whose labels say how long they take, none of them misclassified."""
    images = draw_victims(labels)
    return choose_victims(*reader(), images, labels, norm="linf", epsilon=epsilon)


def attack(labels, *, epsilon=0.5, countdown=None, **options):
    countdown = countdown or Countdown("linf", 20)
    options = {"chunk": 4, **options}
    return run_attack(countdown, *reader(), find_victims(labels, epsilon), **options)


LABELS = [3, 0, 7, 1, 1, 5, 2, 9, 4]


@pytest.mark.parametrize(
    "chunk", (4, *(pytest.param(chunk, marks=pytest.mark.slow) for chunk in (1, 2, 9, 12)))
)
def test_a_slot_that_is_free_takes_the_next_image(chunk):
    run = attack(LABELS, chunk=chunk)
    # A step before it says so, and one query at the start.
    assert run.facts["queries"].tolist() == [1 + 2 * (label + 1) for label in LABELS]
    for label, loss in zip(LABELS, run.trace["loss"]):
        np.testing.assert_array_equal(loss[: label + 1], np.arange(label + 1))
        assert np.isnan(loss[label + 1 :]).all()


@pytest.mark.slow
def test_random_draws_do_not_depend_on_the_slot():
    alone, together = attack(LABELS, chunk=1), attack(LABELS, chunk=4)
    np.testing.assert_allclose(alone.image, together.image, atol=1e-6)
    first = attack(LABELS[:2], chunk=4)
    np.testing.assert_allclose(first.image, alone.image[:2], atol=1e-6)


def test_restarts_draw_anew_and_more_extend_few():
    one, two = (attack([2, 2], restarts=restarts) for restarts in (1, 2))
    assert (two.facts["queries"] == 2 * one.facts["queries"]).all()
    assert not np.allclose(one.image[0], one.image[1])


def test_steps_end_where_the_attack_does_not():
    run = attack([15, 1], countdown=Countdown("linf", 4))
    assert run.trace["loss"].shape == (2, 4)
    assert run.facts["queries"].tolist() == [9, 5]


@pytest.mark.parametrize(
    ("labels", "most", "calls"),
    [
        # What takes all steps is known to be done after them; what ends before is known one
        # step later.
        ([15, 15], 4, 4),
        ([2, 2], 20, 4),
        # One slot is free from the second step on: after two idle steps it is filled.
        ([0, 15, 2], 20, 17),
    ],
)
def test_no_step_is_taken_in_vain(labels, most, calls, monkeypatch):
    taken, advance = [], programs.advance

    def count(*arguments):
        taken.append(1)
        return advance(*arguments)

    monkeypatch.setattr(programs, "advance", count)
    monkeypatch.setattr("jaxvis.attacks.engine.find_devices", lambda _: jax.devices()[:1])
    attack(labels, countdown=Countdown("linf", most), chunk=2)
    assert len(taken) == calls


@pytest.mark.parametrize("chunk", (4, pytest.param(10, marks=pytest.mark.slow)))
def test_a_success_settles_the_larger_epsilons(chunk):
    epsilons = [0.9, 0.0, 0.75, 0.8, 0.1]
    countdown = Countdown("linf", 20, wins=0.75)
    run = attack([5, 4], epsilon=epsilons, countdown=countdown, chunk=chunk)
    assert run.facts["success"].tolist() == [[True, False, True, True, False]] * 2
    # Those after the success cost nothing, and have its picture.
    assert run.facts["queries"].tolist() == [[0, 0, 13, 0, 13], [0, 0, 11, 0, 11]]
    np.testing.assert_array_equal(run.image[:, 0], run.image[:, 2])
    assert (run.facts["distance"][:, 0] <= 0.75).all()


def test_a_success_at_a_large_epsilon_settles_no_smaller_one():
    victims = find_victims([3], [0.1, 0.9])
    made = run_attack(Countdown("linf", 20, wins=0.75), *reader(), victims, chunk=4)
    assert made.facts["success"].tolist() == [[False, True]]
    line = Line(
        Row(victims.images, victims.labels, victims.targets, np.zeros(1)),
        np.array([0, 0]),
        victims.epsilons,
        np.zeros(2, np.int32),
        jax.random.split(jax.random.key(0), 2),
        np.array([0, 1]),
        {},
        True,
    )
    done = Result(victims.images[0], True, True, 0.5, 0, 3, np.zeros(3), True)
    assert line.take(2) == [0, 1]
    line.note(1, done)
    # After a restart for want of memory only the small one waits.
    again = replace(line)
    assert again.take(2) == [0]


def test_a_perturbation_beyond_epsilon_is_no_success():
    run = attack([3], epsilon=0.2, countdown=Countdown("linf", 20, wins=0.1))
    assert not run.facts["success"][0] and run.facts["label"][0] == 15
    assert run.facts["distance"][0] > 0.2


def test_what_is_skipped_costs_nothing():
    skip = np.array([[True, False], [False, True]])
    run = attack([2, 2], epsilon=[0.2, 0.3], skip=skip)
    assert (run.facts["queries"] > 0).tolist() == (~skip).tolist()
    np.testing.assert_array_equal(run.image[skip], draw_victims([2, 2]))


def test_the_smallest_perturbation_is_counted_within_each_epsilon():
    victims = find_victims([3, 2], [0.0, 0.1, 0.9])
    once = victims._replace(epsilons=np.float32([np.inf]), lead=(2,))
    found = run_attack(Countdown("linf", 20, wins=0.0), *reader(), once, chunk=4)
    run = count_within(found, victims)
    assert run.facts["success"].tolist() == [[False, False, True]] * 2
    np.testing.assert_array_equal(run.image[:, 1], draw_victims([3, 2]))
    assert (run.image[:, 2, 0, 0, 0] == 15 / 16).all()
    assert run.facts["distance"][:, 1].tolist() == [0, 0]


def test_ctrl_c_gives_what_there_is(monkeypatch):
    steps, advance = [], programs.advance

    def interrupt(*arguments):
        steps.append(1)
        if len(steps) == 6:
            signal.raise_signal(signal.SIGINT)
        return advance(*arguments)

    monkeypatch.setattr(programs, "advance", interrupt)
    with pytest.raises(Interrupted) as stopped:
        attack(LABELS, chunk=2)
    run = stopped.value.run
    status = np.asarray(run.status)
    assert (status == Status.DONE).sum() >= 1 and (status == Status.UNFINISHED).sum() >= 5
    begun = np.asarray(run.facts["queries"]) > 0
    assert np.isfinite(run.image[begun]).all() and np.isnan(run.image[~begun]).all()
    whole = attack(LABELS, chunk=2)
    np.testing.assert_allclose(run.image[status == 0], whole.image[status == 0], atol=1e-6)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch, caplog):
    advance = programs.advance

    def fail(program, count, params, rows, keys, slots):
        if len(slots.step) > 2:
            raise MemoryError
        return advance(program, count, params, rows, keys, slots)

    monkeypatch.setattr(programs, "advance", fail)
    run = attack(LABELS, chunk=8)
    assert "going on with 2 images together" in caplog.text
    assert run.facts["queries"].tolist() == [1 + 2 * (label + 1) for label in LABELS]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restarts": 0}, "restarts must be at least 1, a whole number, got 0"),
        ({"samples": 0}, "samples must be at least 1, a whole number, got 0"),
        ({"chunk": 0}, "chunk must be at least 1, a whole number, got 0"),
        ({"countdown": Countdown("linf", 0)}, "steps must be at least 1, a whole number, got 0"),
    ],
)
def test_numbers_below_1_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        attack([1], **options)
