"""Classes by name."""

import pytest

from jaxvis.weights.class_names import find_label

LABELS = ("tench, Tinca", "goldfish, Carassius auratus", "crane", "crane, bird", "white shark")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("goldfisch", "no class named 'goldfisch'; did you mean goldfish"),
        ("zzz", "no class named 'zzz'$"),
        ("crane", r"'crane' is the name of 2 \(crane\) and 3 \(crane, bird\): write the number"),
    ],
)
def test_a_name_that_is_no_class_or_several_is_told(name, words):
    with pytest.raises(ValueError, match=words):
        find_label(name, LABELS)
