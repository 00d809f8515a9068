"""Whether a network names its pictures rightly: classes that are level are no hits."""

import jax
import numpy as np
import pytest

from jaxvis.cli.judging import Ranks, judge_by_network
from jaxvis.weights.load import load_network


@pytest.fixture(scope="module")
def demo():
    return load_network("demo")


def test_a_network_of_zeros_names_nothing(demo, capsys):
    zeros = demo._replace(params=jax.tree.map(np.zeros_like, demo.params))
    image = np.full((*demo.net.input_size, 3), 0.5, np.float32)
    judged = [Ranks(zeros, [0, 3], seeds=1).judge(number, image) for number in (0, 1)]
    classes = len(demo.labels)
    assert judged == [{"rank": classes - 1, "top1": False, "top5": False}] * 2
    judge_by_network("demo", judged)
    assert capsys.readouterr().out == "demo itself names 0 of 2 as their class\n"


def test_the_best_class_of_a_picture_is_its_only_hit(demo):
    image = np.random.default_rng(0).random((*demo.net.input_size, 3), np.float32)
    ranks = [Ranks(demo, [c], seeds=1).rank(0, image) for c in range(len(demo.labels))]
    assert sorted(ranks) == list(range(len(demo.labels)))
