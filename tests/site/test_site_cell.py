"""Pictures in a cell of a notebook: names stay names, whatever is in them."""

import html
import json
import re

import numpy as np
import pytest

import jaxvis
from jaxvis.types import Run
from tests.sweep.sweeps import plan_demo

HOSTILE = "</script><script>alert(1)</script>"


def make_run(count=3, seeds=2):
    image = np.random.default_rng(0).random((count, seeds, 8, 8, 3)).astype(np.float32)
    image.reshape(-1, *image.shape[2:])[1] = np.nan
    trace = {"loss": np.arange(count * seeds * 2.0).reshape(count, seeds, 2)}
    return Run((), image, trace, np.zeros((count, seeds), np.int8), {})


def read_data(browser):
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', browser._repr_html_())[1])
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    return page, json.loads(data)


def test_a_run_is_browsed_by_its_names():
    browser = jaxvis.browse(make_run(), names=["a", HOSTILE, "c"])
    page, data = read_data(browser)
    assert [one["name"] for one in data] == ["a", "a", HOSTILE, HOSTILE, "c", "c"]
    assert data[0]["numbers"] == {"loss": 1.0} and data[0]["label"] == "done"
    assert data[0]["png"] and not data[1]["png"]
    assert HOSTILE not in page and page.count("<script") == 2
    assert "http" not in page.replace("http-equiv", "")


def test_pictures_that_are_not_shown_are_counted():
    browser = jaxvis.browse(make_run(), most=4, title="Mine")
    assert repr(browser) == "Browser('Mine', 4 pictures)" and browser.left == 2
    assert "2 of them not shown" in read_data(browser)[0]


def test_a_sweep_is_browsed_by_its_folder(tmp_path):
    store = jaxvis.sweep.make_sweep(plan_demo(units=[("conv2_1", (0, 3))]), tmp_path / "D")
    for given in (store, tmp_path / "D"):
        _, data = read_data(jaxvis.browse(given))
        assert [one["name"] for one in data] == ["conv2_1_0000_0", "conv2_1_0003_0"]
        assert {"loss", "activation"} <= data[0]["numbers"].keys() and data[0]["png"]


def test_mistakes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="2 names do not fit 5 pictures"):
        jaxvis.browse(make_run(5, 1), names=["a", "b"])
    with pytest.raises(ValueError, match="most must be at least 1"):
        jaxvis.browse(make_run(), most=0)
    with pytest.raises(ValueError, match="holds no plan.json"):
        jaxvis.browse(tmp_path)
