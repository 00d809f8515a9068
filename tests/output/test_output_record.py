"""Records: strict JSON that says enough to repeat the run, and no more."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvis.output.record import (
    SCHEMA,
    describe_device,
    make_record,
    name_status,
    read_record,
    read_versions,
    to_json,
    write_record,
)
from jaxvis.types import Run, Status


@dataclasses.dataclass(frozen=True)
class Pixels:
    size: tuple[int, int]
    spread: float = 0.1


def whole(**more):
    trace = {"loss": jnp.array([[3.0, 2.0], [jnp.nan, jnp.inf]]), "tv": np.ones((2, 2))}
    status, facts = np.array([0, 1], np.int8), {"evaluations": np.array([5, 2])}
    arguments = {"net": "vgg19", "out": Path("out/x"), "size": (224, 224), "lr": 0.05}
    return make_record(
        "maximize",
        arguments,
        net="vgg19",
        weights="random:0",
        key=jax.random.key(7),
        steps=2,
        seconds=1.23456,
        run=Run(None, np.zeros((2, 1, 1, 3)), trace, status, facts),
        pictures=[{"file": "a.png"}],
        **more,
    )


def test_record_says_what_is_needed_to_repeat_the_run():
    found = whole(canvas=Pixels((8, 8)))
    assert found["schema"] == SCHEMA and found["command"] == "maximize"
    assert found["arguments"] == {
        "net": "vgg19",
        "out": "out/x",
        "size": [224, 224],
        "lr": 0.05,
    }
    assert found["network"] == {"name": "vgg19", "weights": "random:0", "sha256": None}
    assert found["loss"]["loss"] == {"first": [3.0, "nan"], "last": [2.0, "inf"]}
    assert found["status"] == ["done", "failed"]
    assert found["facts"] == {"evaluations": [5, 2]}
    assert found["seconds"] == 1.235 and found["steps"] == 2
    assert found["canvas"] == {"type": "Pixels", "size": [8, 8], "spread": 0.1}
    assert found["versions"]["jax"] == jax.__version__
    assert found["device"]["platform"] == jax.devices()[0].platform


@pytest.mark.parametrize(
    ("chunks", "wanted"), [([8, 8], 8), ([8, 4], None), ([8, 0], 8), (None, None)]
)
def test_record_says_how_many_items_were_made_together(chunks, wanted):
    facts = {} if chunks is None else {"chunk": np.array(chunks, np.int32)}
    run = Run(None, None, {}, np.zeros(2, np.int8), facts)
    assert make_record("sweep", {}, run=run)["chunk"] == wanted
    assert make_record("sweep", {}, run=run, chunk=3)["chunk"] == 3


def test_record_keeps_the_sums_of_inputs_and_files():
    inputs = {"x.png": "ab", "photos": {"a.png": "cd", "b.png": None}}
    found = make_record("style", {}, inputs=inputs, files={"art.png": "ef"})
    assert found["inputs"] == inputs and found["files"] == {"art.png": "ef"}


def test_record_says_what_programs_are_compiled_for(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1 --xla_dump_to=/home/me --xla_b=")
    (tmp_path / "cpuinfo").write_text("vendor_id\t: x\nmodel name\t: A Processor \n")
    monkeypatch.setattr("jaxvis.processor.CPUINFO", tmp_path / "cpuinfo")
    found = describe_device()
    assert found["flags"] == "--xla_a=1 --xla_b="
    if found["platform"] == "cpu":
        assert found["processor"] == "A Processor" and found["cores"] >= 1
        monkeypatch.setattr("jaxvis.processor.CPUINFO", tmp_path / "gone")
        assert describe_device()["processor"]


def test_record_keeps_the_key_whole():
    kept = whole()["key"]
    data = jnp.array(kept["key"], jnp.uint32)
    key = jax.random.wrap_key_data(data, impl=kept["impl"])
    assert jax.random.bits(key) == jax.random.bits(jax.random.key(7))


def test_record_names_no_folder_of_the_machine():
    assert str(Path.home()) not in json.dumps(whole())
    assert str(Path.cwd()) not in json.dumps(whole())


def test_write_record_then_read_record_is_the_record(tmp_path):
    found = whole(note='brackets "[\n 1,  2 ]" stay')
    write_record(tmp_path / "r.json", found)
    assert read_record(tmp_path / "r.json") == found
    text = (tmp_path / "r.json").read_text()
    assert "NaN" not in text and "Infinity" not in text
    json.loads(text, parse_constant=lambda word: pytest.fail(f"not JSON: {word}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values)
def test_write_record_reads_back_whatever_it_is_given(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("record") / "r.json"
    write_record(path, {"schema": SCHEMA, "value": value})
    assert read_record(path)["value"] == to_json(value, "value")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.float32(0.5), 0.5),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (float("nan"), "nan"),
        (-np.inf, "-inf"),
        (jnp.arange(3), [0, 1, 2]),
        (np.array(["a", "b"]), ["a", "b"]),
        ((1, [2.5, None]), [1, [2.5, None]]),
        (range(3), [0, 1, 2]),
        ({2, 1}, [1, 2]),
        ({1: Path("a")}, {"1": "a"}),
    ],
    ids=str,
)
def test_to_json_turns_values_into_json(value, wanted):
    assert to_json(value, "x") == wanted
    json.dumps(to_json(value, "x"), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "'a.b' is a object"),
        (lambda: 1, "'a.b' is a function"),
        (Pixels, "'a.b' is a type"),
        (np.zeros((200, 200, 3)), "'a.b' has 120000 values"),
    ],
)
def test_to_json_refuses_what_does_not_belong_and_names_it(value, words):
    with pytest.raises(ValueError, match=words):
        to_json({"b": value}, "a")


def test_record_keeps_the_facts_of_the_items_and_the_seeds_apart():
    trace = {"loss": np.ones((2, 3, 5))}
    facts = {"error": np.array([[0.25, 0.5, 0.75], [1.0, 2.0, 3.0]])}
    run = Run(None, None, trace, np.zeros((2, 3), np.int8), facts)
    found = make_record("invert", {}, run=run)
    assert found["facts"]["error"] == [[0.25, 0.5, 0.75], [1.0, 2.0, 3.0]]
    assert found["loss"]["loss"]["last"] == [[1.0] * 3] * 2


def test_record_of_a_scalar_status_and_an_empty_trace():
    found = make_record("dream", {}, run=Run(None, None, {"loss": np.zeros((0,))}, np.int8(2), {}))
    assert found["status"] == "unfinished"
    assert found["loss"]["loss"] == {"first": None, "last": None}


def test_record_without_a_run_has_no_losses_and_no_status():
    found = make_record("train", {"steps": 3})
    assert found["loss"] == found["facts"] == {} and found["status"] is None


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_word(status):
    assert name_status(status) == status.name.lower()
    assert name_status(np.full((1, 2), status, np.int8)) == [[status.name.lower()] * 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not a record"),
        ("[1, 2]", "is not a record"),
        ('{"a": 1}', "is not a record"),
        ('{"schema": 99}', "has schema 99.*update"),
        ('{"schema": "x"}', "has schema x"),
        ("\x00\x01", "is not a record"),
    ],
)
def test_read_record_names_a_file_that_is_none(tmp_path, content, words):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(ValueError, match=f"r.json {words}"):
        read_record(tmp_path / "r.json")


def test_versions_say_so_when_a_package_is_missing(monkeypatch):
    monkeypatch.setattr("jaxvis.output.record.PACKAGES", ("jax", "no-such-package"))
    assert read_versions()["no-such-package"] == "not installed"
