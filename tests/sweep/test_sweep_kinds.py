"""Every heatmap and every attack that can be named in a plan is what the library makes."""

import shutil

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.attacks.choice import find_attack
from jaxvis.output.encode import encode_image
from jaxvis.output.heat import lay_over
from jaxvis.sweep import make_sweep
from jaxvis.sweep.kinds import attack, explain
from tests.sweep.sweeps import PHOTOS, open_demo, plan_demo

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """Returns a folder with one photograph."""
    (tmp_path / "photos").mkdir()
    shutil.copy(PHOTOS / "chelsea.jpg", tmp_path / "photos")
    return tmp_path / "photos"


def sweep(method, units, settings, folder, seeds=1):
    plan = plan_demo(method, units, photos=folder, settings=settings, seeds=seeds)
    store = make_sweep(plan, folder.parent / "D")
    rows = list(store.read_rows())
    assert {row["why"] for row in rows} == {""}
    return rows, [store.files.read(row["file"]) for row in rows]


@pytest.mark.parametrize("heat", explain.NAMES)
def test_every_heatmap_is_the_methods_own(folder, heat):
    opened = open_demo()
    _, files = sweep("explain", [(None, (3, 1))], {"heat": [heat]}, folder)
    image = jaxvis.read_image(folder / "chelsea.jpg", size=opened.net.input_size)
    maps = explain.find_heat(heat)(opened.net, opened.params, image, index=[3, 1])
    assert files == [encode_image(lay_over(image, np.asarray(one)), "png") for one in maps]


def test_the_seeds_of_a_heatmap_that_draws_are_different_maps(folder):
    _, (first, second) = sweep("explain", [(None, (1,))], {"heat": ["rise"]}, folder, seeds=2)
    assert first != second


@pytest.mark.parametrize("name", attack.NAMES)
def test_every_attack_is_the_methods_own(folder, name):
    opened = open_demo()
    given = {} if name == "fgsm" else {"steps": 3}
    settings = {"attack": [name]} | {key: [value] for key, value in given.items()}
    rows, files = sweep("attack", [(None, ())], settings, folder)
    image = jaxvis.read_image(folder / "chelsea.jpg", size=opened.net.input_size)
    ball = {} if name in ("fmn", "ddn", "deepfool") else {"epsilon": 8 / 255}
    key = jax.random.key(0)
    run = find_attack(name)(opened.net, opened.params, image[None], key=key, **ball, **given)
    assert files == [encode_image(run.image[0], "png")]
    assert rows[0]["metrics"]["success"] == float(run.facts["success"][0])
