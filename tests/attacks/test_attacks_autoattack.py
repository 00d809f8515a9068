"""AutoAttack: the order of its attacks, what each may still break, what it costs."""

import importlib

import jax
import numpy as np
import pytest
from linear_nets import draw_images, find_boundary, find_scores, linear

from jaxvis import attacks
from jaxvis.attacks.fab import BoundarySearch
from jaxvis.attacks.rows import choose_victims
from jaxvis.attacks.square import SquareSearch

module = importlib.import_module("jaxvis.attacks.autoattack")
"""The module; the package gives the function under the same name."""
CALL = {"budget": 0.05}


def choose(version, **options):
    """Returns the members of a version."""
    victims = choose_victims(*linear(11), draw_images(), norm="linf", epsilon=0.1)
    return module._choose_members(version, "linf", options.get("budget", 1.0), victims)


def test_the_published_order_and_budgets():
    first, second, third, fourth = choose("standard")
    names = [member.name for member in choose("standard")]
    assert names == ["apgd_ce", "apgd_t", "fab_t", "square"]
    assert (first.attack.steps, first.restarts, first.attack.by_rank) == (100, 1, False)
    assert (second.attack.steps, second.restarts, second.attack.by_rank) == (100, 9, True)
    assert (third.attack.steps, third.restarts) == (100, 9)
    assert isinstance(third.attack, BoundarySearch) and third.attack.by_rank
    assert isinstance(fourth.attack, SquareSearch) and fourth.attack.steps == 5000
    random = choose("rand")
    assert [member.name for member in random] == ["apgd_ce", "apgd_dlr"]
    assert [member.samples for member in random] == [20, 20]
    assert random[0].attack.steps == 100
    tenth = choose("standard", budget=0.1)
    assert [member.attack.steps for member in tenth] == [10, 10, 10, 500]
    assert [member.restarts for member in tenth] == [1, 1, 1, 1]


@pytest.mark.slow
def test_robust_accuracy_falls_to_the_boundary():
    images = draw_images()
    least = np.array([find_boundary(image, "linf") for image in images])
    epsilons = sorted([*(0.97 * least), *(1.03 * least), 0.0])
    run = attacks.autoattack(*linear(), images, epsilon=epsilons, **CALL, chunk=21)
    expected = np.array(epsilons)[None] > least[:, None]
    assert (run.facts["success"] == expected).all()
    assert ((run.facts["attack"] == "") == ~expected).all()
    assert (run.facts["label"] == find_scores(run.image).argmax(-1)).all()
    assert list(run.trace) == ["apgd_ce", "apgd_t", "fab_t", "square"]


@pytest.mark.slow
def test_later_attacks_see_what_the_earlier_ones_left(monkeypatch):
    seen, search, boundary = {}, module.run_attack, module.search_smallest

    def watch(run):
        def watched(attack, *arguments, skip, **options):
            seen[len(seen)] = (type(attack).__name__, skip.copy())
            made = run(attack, *arguments, skip=skip, **options)
            if len(seen) == 1:  # the first attack breaks one image at both epsilons alone
                success = np.zeros_like(made.facts["success"])
                success[1] = True
                return made._replace(facts={**made.facts, "success": success})
            return made

        return watched

    victims = choose_victims(*linear(), draw_images(), norm="linf", epsilon=[1e-4, 2e-4])
    members = [
        module.replace(member, search=watch(member.search))
        for member in module._choose_members("standard", "linf", 0.02, victims)
    ]
    options = {"chunk": None, "progress": False}
    run = module._run_members(members, *linear(), victims, jax.random.key(0), None, options)
    assert search is module.run_attack and boundary is module.search_smallest
    assert [name for name, _ in seen.values()] == [
        "AutoClimb",
        "AutoClimb",
        "BoundarySearch",
        "SquareSearch",
    ]
    assert not seen[0][1].any()
    for _, skip in list(seen.values())[1:]:
        assert skip.tolist() == [[False, False], [True, True], [False, False]]
    assert run.facts["attack"].tolist() == [["", ""], ["apgd_ce", "apgd_ce"], ["", ""]]
    assert np.isnan(run.trace["square"][1]).all() and np.isfinite(run.trace["square"][0]).any()


@pytest.mark.slow
def test_what_is_misclassified_is_said_to_be():
    labels = find_scores(draw_images()).argmax(-1)
    labels[0] = (labels[0] + 1) % 4
    run = attacks.autoattack(*linear(), draw_images(), labels, epsilon=0.4, **CALL)
    assert run.facts["attack"].tolist()[0] == "clean" and run.facts["queries"][0] == 0
    assert set(run.facts["attack"][1:]) == {"apgd_ce"} and run.facts["success"].all()


def shift(key, image):
    """Brightens an image at random."""
    return image + 0.01 * jax.random.normal(key)


@pytest.mark.slow
def test_a_random_network_is_attacked_through_its_views():
    run = attacks.autoattack(
        *linear(), draw_images(), epsilon=0.3, version="rand", view=shift, budget=0.1
    )
    assert run.facts["success"].all() and list(run.trace) == ["apgd_ce", "apgd_dlr"]
    assert (run.facts["queries"] % 2 == 0).all()  # two views of every gradient
    assert run.facts["survival"].shape == (3,) and (run.facts["survival"] > 0.5).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "plus"}, "version='plus' is not known: choose standard or rand"),
        ({"budget": 0.0}, "budget must be above 0, got 0"),
        ({"version": "rand"}, 'version="rand" is for a network with a view'),
        ({"view": shift}, 'version="rand" is for a network with a view'),
    ],
)
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        attacks.autoattack(*linear(), draw_images(), epsilon=0.1, **options)
