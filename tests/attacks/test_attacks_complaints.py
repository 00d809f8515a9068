"""What users of other packages of attacks complained of: each complaint is a test here.

Most attacks that are run here share one program: images three at a time, six steps of BIM.
"""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attack_table import CASES
from linear_nets import CLASSES, SIDE, draw_images, find_boundary, find_scores, linear, measure
from PIL import Image

from jaxvis import Run, Status, attacks, from_function
from jaxvis.attacks import programs
from jaxvis.attacks.rounding import round_to_levels
from jaxvis.attacks.rows import choose_victims, score_images

run_module = importlib.import_module("jaxvis.attacks.run")
ensemble = importlib.import_module("jaxvis.attacks.autoattack")
STEPS = 6
every = pytest.mark.parametrize("name", CASES)


def climb(images=None, labels=None, *, network=None, epsilon=0.05, **options):
    """Runs the attack that most tests share."""
    net, params = network or linear()
    images = draw_images() if images is None else images
    options = {"steps": STEPS, "chunk": 3, **options}
    return attacks.bim(net, params, images, labels, epsilon=epsilon, **options)


def call(name, images, labels=None, **options):
    """Calls an attack of the table."""
    case = CASES[name]
    options = {"norm": case.norms[0], **case.options, **options}
    return case.call(*linear(), images, labels, **options)


@pytest.fixture
def slots(monkeypatch):
    """Returns the list of how many images each step was taken of."""
    seen, advance = [], programs.advance

    def watch(*arguments):
        seen.append(len(arguments[-1].step))
        return advance(*arguments)

    monkeypatch.setattr(programs, "advance", watch)
    return seen


def test_images_and_epsilons_are_in_0_to_1_whatever_a_network_subtracts():
    net, params = linear()
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])

    def score(params, image):
        flat = ((image - mean) / deviation).ravel()
        return {"scores": params["kernel"] @ flat + params["bias"]}

    behind = from_function(score, params, input_size=(SIDE, SIDE), scores="scores", name="behind")
    kernel = params["kernel"] / np.tile(deviation, SIDE * SIDE)
    bias = params["bias"] - kernel @ np.tile(mean, SIDE * SIDE)
    folded = net, {"kernel": kernel, "bias": bias}
    levels = np.rint(255 * draw_images()).astype(np.uint8)
    found = climb(levels, network=behind, epsilon=2 / 255)
    same = climb(levels / np.float32(255), network=folded, epsilon=2 / 255)
    np.testing.assert_allclose(found.image, same.image, atol=1e-5)
    # What moved did so by 2 of 255 levels, not by 2 of the network's own units.
    distance = measure(found.image - levels / 255, "linf")
    assert (distance <= 2 / 255 + 1e-6).all() and distance.max() > 1.99 / 255
    for wrong, said in ((255 * draw_images(), "0"), (draw_images() - 0.6, "0")):
        with pytest.raises(ValueError, match=said):
            climb(wrong)
    with pytest.raises(ValueError, match="write 8/255"):
        climb(epsilon=8)


def test_a_value_that_rounding_moved_out_of_the_range_is_no_error():
    images = draw_images()
    images[0, 0, 0, 0], images[1, 0, 0, 0] = -3e-8, 1 + 1e-7
    run = climb(images)
    assert run.image.min() >= 0 and run.image.max() <= 1
    assert (measure(run.image - images, "linf") <= 0.05 + 1e-6).all()


@every
def test_accuracy_at_epsilon_0_is_that_of_the_images(name, slots):
    labels = find_scores(draw_images()).argmax(-1)
    labels[1] = (labels[1] + 1) % CLASSES
    run = call(name, draw_images(), labels, epsilon=0.0)
    assert run.facts["success"].tolist() == [False, True, False]
    np.testing.assert_array_equal(run.image, draw_images())
    assert not run.facts["queries"].any() and not slots


def pretend(broken, asked):
    """Returns a search that breaks the images `broken`, and notes which it is to skip."""

    def search(attack, net, params, victims, *, skip, **options):
        asked.append(skip[:, 0].tolist())
        shape = (len(victims.images), 1)
        success = np.isin(np.arange(shape[0]), broken)[:, None] & ~skip
        facts = {"success": success, "distance": 0.1 * success, "epsilon": np.ones(shape)}
        facts |= {"queries": 1 * ~skip, "label": 1 * success}
        images = victims.images[:, None] + 0.1 * success[..., None, None, None]
        return Run((), images, {"loss": np.zeros((*shape, 1))}, np.zeros(shape, np.int8), facts)

    return search


def test_autoattack_counts_what_any_of_its_attacks_broke_in_the_published_order(monkeypatch):
    asked = []
    choose = ensemble._choose_members

    def replace_searches(*arguments):
        members = choose(*arguments)
        breaks = ([0], [], [2], [0, 1])
        return [
            ensemble.replace(member, search=pretend(those, asked))
            for member, those in zip(members, breaks)
        ]

    monkeypatch.setattr(ensemble, "_choose_members", replace_searches)
    images = np.concatenate([draw_images(), draw_images()[:1]])
    run = attacks.autoattack(*linear(), images, epsilon=0.1)
    assert list(run.trace) == ["apgd_ce", "apgd_t", "fab_t", "square"]
    yes, no = True, False
    assert asked == [[no] * 4, [yes, no, no, no], [yes, no, no, no], [yes, no, yes, no]]
    assert run.facts["success"].tolist() == [yes, yes, yes, no]
    assert run.facts["attack"].tolist() == ["apgd_ce", "square", "fab_t", ""]
    assert run.facts["queries"].tolist() == [1, 4, 3, 4]


@pytest.mark.slow
def test_autoattack_says_the_same_again_and_of_an_image_alone():
    options = {"epsilon": 0.4, "budget": 0.03, "chunk": 3}
    first, again = (attacks.autoattack(*linear(), draw_images(), **options) for _ in range(2))
    assert set(first.facts["attack"]) == {"apgd_ce"}
    np.testing.assert_array_equal(first.image, again.image)
    alone = attacks.autoattack(*linear(), draw_images()[0], **options)
    np.testing.assert_allclose(alone.image, first.image[0], atol=1e-6)


def test_scores_that_become_nan_on_the_way_end_it_without_a_success():
    net, params = linear()

    def score(params, image):
        far = jnp.max(jnp.abs(image - draw_images(1)[0])) > 0.02
        plain = params["kernel"] @ image.ravel() + params["bias"]
        return {"scores": jnp.where(far, jnp.nan, plain)}

    broken = from_function(score, params, input_size=(SIDE, SIDE), scores="scores", name="broken")
    run = climb(draw_images(1)[0], network=broken, epsilon=0.4)
    assert not run.facts["success"] and np.isfinite(run.image).all()
    # Nobody takes it for robust.
    assert run.status == Status.FAILED
    assert run.facts["distance"] <= 0.02 + 1e-6 and run.trace["loss"].shape == (STEPS,)


@every
def test_what_is_misclassified_or_broken_takes_no_step(name, slots):
    wrong = (find_scores(draw_images()).argmax(-1) + 1) % CLASSES
    run = call(name, draw_images(), wrong, epsilon=0.1)
    assert run.facts["success"].all() and not run.facts["distance"].any() and not slots


@pytest.mark.parametrize("norm", ("l2", pytest.param("linf", marks=pytest.mark.slow)))
def test_a_norm_moves_an_image_along_its_own_direction(norm):
    image = draw_images(1)[0]
    scores, kernel = find_scores(image), linear()[1]["kernel"].astype(float)
    chance = np.exp(scores - scores.max())
    slope = kernel.T @ (chance / chance.sum()) - kernel[scores.argmax()]
    direction = np.sign(slope) if norm == "linf" else slope / np.linalg.norm(slope)
    run = attacks.fgsm(*linear(), image, epsilon=0.05, norm=norm, keep="last", chunk=3)
    moved = (run.image - image).ravel()
    np.testing.assert_allclose(moved, 0.05 * direction, atol=1e-5)
    assert run.facts["distance"] == pytest.approx(0.05, rel=1e-4)


@every
def test_an_unknown_norm_is_refused_and_never_ignored(name):
    with pytest.raises(ValueError, match="norm='l7' is not known"):
        call(name, draw_images(), epsilon=0.1, norm="l7")


def test_images_are_attacked_together_and_not_one_by_one(slots):
    run = climb(epsilon=1e-4)
    # One step more is begun than is needed, since reports are read late.
    assert STEPS <= len(slots) <= STEPS + 2 and set(slots) == {3}
    assert (run.facts["queries"] == STEPS).all()


def test_a_batch_is_as_large_as_was_asked_and_changes_nothing(slots):
    images = np.concatenate([draw_images()] * 3)[:7]
    images[3:] += 0.01
    run = climb(images)
    assert set(slots) == {3}
    for image, found in zip(images, run.image):
        np.testing.assert_allclose(climb(image).image, found, atol=1e-6)


@every
def test_every_attack_passes_the_size_of_a_batch_on(name, monkeypatch):
    class Seen(Exception):
        pass

    def look(program, params, line, *, chunk, progress):
        raise Seen(chunk, progress)

    monkeypatch.setattr(run_module, "drive", look)
    with pytest.raises(Seen) as seen:
        call(name, draw_images(), epsilon=0.1, chunk=17, progress=True)
    assert seen.value.args == (17, True)


def bend(params, image):
    """Computes the scores (f, 0), f = w (x - 1/2) + 1."""
    return {"scores": jnp.stack([jnp.sum(params["w"] * (image - 0.5)) + 1.0, 0.0])}


def invert(key, image):
    """Shows a negative of the image, in 3 of 10 looks."""
    return jnp.where(jax.random.bernoulli(key, 0.3), 1.0 - image, image)


def test_a_network_that_answers_at_random_is_scored_over_new_answers():
    w = np.random.default_rng(1).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
    network = from_function(bend, {"w": w}, input_size=(SIDE, SIDE), scores="scores")
    image = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    epsilon = 3 / float(np.abs(w).sum())
    run = attacks.pgd(*network, image, epsilon=epsilon, steps=10, view=invert, samples=8)
    # Single answers contradict each other; their mean points the right way.
    assert run.facts["success"] and run.facts["queries"] % 8 == 0
    # A negative of the picture is sure of the class: about 7 of 10 answers are wrong.
    rate = attacks.survival_rate(*network, run.image, 0, view=invert, samples=400)
    assert 0.6 < float(rate) < 0.8
    for wrong in ({"version": "rand"}, {"view": invert}):
        with pytest.raises(ValueError, match="is for a network with a view"):
            attacks.autoattack(*network, image, epsilon=0.1, **wrong)


def test_the_accuracy_is_that_of_the_saved_pictures_when_they_are_read_again(tmp_path):
    images = np.rint(255 * draw_images()).astype(np.float32) / 255
    labels = find_scores(images).argmax(-1)
    least = np.array([find_boundary(image, "linf") for image in images])
    epsilon = float(np.ceil(255 * np.median(least)) + 1) / 255
    run = climb(images, epsilon=epsilon)
    rounded = round_to_levels(run.image, images, epsilon=epsilon, norm="linf")
    read = []
    for place, picture in enumerate(rounded):
        path = tmp_path / f"{place}.png"
        Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(path)
        read.append(np.asarray(Image.open(path), np.float32) / 255)
    reported = score_images(*linear(), rounded).argmax(-1)
    assert (find_scores(np.stack(read)).argmax(-1) == reported).all()
    assert (reported != labels).any() and (reported == labels).any()
    assert (measure(np.stack(read) - images, "linf") <= epsilon + 1e-6).all()
    # The facts are those of the pictures before they are rounded, by the same network.
    assert (find_scores(run.image).argmax(-1) == run.facts["label"]).all()
    victims = choose_victims(*linear(), images, norm="linf", epsilon=epsilon)
    assert (victims.labels == labels).all()
