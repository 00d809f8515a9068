"""Checkpoints of trainings that are damaged say so, with the name of the file."""

import numpy as np
import pytest

from jaxvis.train.checkpoint import FORMAT, peek, restore, save_checkpoint
from jaxvis.weights.tensor_file import write_tensors

STATE = {"a": np.arange(3, dtype=np.float32)}


def test_what_is_saved_is_restored(tmp_path):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, STATE, step=7, facts={"net": "demo"}, curves={"loss": np.ones((2, 2))})
    assert peek(path) == (7, {"net": "demo"})
    found = restore(path, STATE, facts={"net": "demo"})
    np.testing.assert_array_equal(found.state["a"], STATE["a"])
    np.testing.assert_array_equal(found.curves["loss"], np.ones((2, 2)))
    assert (found.step, found.facts) == (7, {"net": "demo"})


@pytest.mark.parametrize(
    "about",
    [
        {"facts": "{}"},
        {"step": "1"},
        {"step": "many", "facts": "{}"},
        {"step": "-1", "facts": "{}"},
        {"step": "9" * 5000, "facts": "{}"},
        {"step": "1", "facts": "[]"},
        {"step": "1", "facts": "null"},
        {"step": "1", "facts": "[" * 100_000},
        {"step": "1", "facts": "9" * 5000},
    ],
    ids=range(9),
)
def test_words_that_make_no_sense_are_named(tmp_path, about):
    path = tmp_path / "checkpoint"
    write_tensors(path, {"state/a": STATE["a"]}, metadata={"format": FORMAT, **about})
    for read in (peek, lambda path: restore(path, STATE)):
        with pytest.raises(ValueError, match="checkpoint is damaged: its step or its facts"):
            read(path)
