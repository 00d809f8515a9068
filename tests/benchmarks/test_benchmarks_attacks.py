"""The benchmark of attacks: torch takes our steps, and what differs is seen."""

import numpy as np
import pytest

from benchmarks.harness.verdicts import Verdict
from benchmarks.peers import attack_libraries
from benchmarks.speed import attacks as benchmark
from jaxvis import attacks
from jaxvis.types import Run

TINY = benchmark.Setting("lenet5", 32, 2, 2, 1)


@pytest.fixture(scope="module")
def subject():
    """Returns LeNet-5 of random weights and two images."""
    return benchmark.make_subject(TINY)


def test_ascent_in_torch_takes_our_steps(subject):
    pytest.importorskip("torch")
    found = benchmark.measure_pgd(TINY, subject, target=None)
    assert found["agree"] and found["peer"] > 0, found
    assert set(found["tried"]) == {"contiguous", "channels_last"}


def test_another_step_is_noticed(subject, monkeypatch):
    torch_attacks = pytest.importorskip("benchmarks.peers.torch_attacks")
    climb = torch_attacks.climb

    def stride(*args, step, **options):
        return climb(*args, step=0.5 * step, **options)

    monkeypatch.setattr(torch_attacks, "climb", stride)
    assert not benchmark.measure_pgd(TINY, subject, target=None)["agree"]


def test_a_library_that_is_missing_is_named(subject, monkeypatch):
    monkeypatch.setattr(attack_libraries, "package_version", lambda name: None)
    found = benchmark.measure_hop_skip_jump(TINY, subject, target=10.0)
    assert found["peer_name"] == "foolbox is not installed" and found["ratio"] is None
    assert found["target"] == 10.0


@pytest.mark.parametrize(("scale", "agree"), [(1.05, True), (0.8, True), (1.2, False)])
def test_pictures_that_lie_farther_away_are_noticed(subject, monkeypatch, scale, agree):
    pictures = subject.images + 0.01
    wrong = np.eye(10)[(subject.labels + 1) % 10]
    monkeypatch.setattr(benchmark, "score_images", lambda *_: wrong)
    theirs = np.sqrt(((pictures - subject.images) ** 2).sum((1, 2, 3)))
    facts = {"success": np.ones(2, bool), "distance": scale * theirs}
    verdict = benchmark._judge_distances(Run((), None, {}, None, facts), pictures, subject)
    assert isinstance(verdict, Verdict) and verdict.agree is agree
    failed = {**facts, "success": np.array([True, False])}
    verdict = benchmark._judge_distances(Run((), None, {}, None, failed), pictures, subject)
    assert not verdict.agree and verdict.difference["missed"] == 0.5


def test_every_image_starts_from_one_of_another_class(subject):
    given = subject._replace(labels=np.array([3, 4]))
    np.testing.assert_array_equal(benchmark._find_starts(given), given.images[::-1])
    assert benchmark._find_starts(given._replace(labels=np.array([3, 3]))) is None


def test_images_are_of_several_classes():
    labels = benchmark.make_subject(TINY._replace(images=16)).labels
    assert len(set(labels.tolist())) >= 3


@pytest.mark.slow
def test_a_curve_is_measured_against_its_largest_epsilon(subject):
    found = benchmark.measure_curve(TINY, subject, target=None)
    assert found["agree"] and found["difference"] == {"missed": 0.0}


def test_the_attack_measured_is_the_public_one(subject):
    run = benchmark._prepare(attacks.fgsm, subject)(epsilon=0.1)
    assert run.image.shape == subject.images.shape
