"""Words of the command line: numbers, names, sizes, positions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvis.cli.parsing import (
    parse_indices,
    parse_numbers,
    parse_position,
    parse_size,
    parse_words,
)
from jaxvis.escape import slug

LABELS = ("tench, Tinca", "goldfish, Carassius auratus", "crane", "crane, bird", "white shark")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3", (3,)),
        ("0:4", (0, 1, 2, 3)),
        ("1,5,9:12", (1, 5, 9, 10, 11)),
        ("9:12, 1", (9, 10, 11, 1)),
        ("0:10:4", (0, 4, 8)),
        (":3", (0, 1, 2)),
    ],
)
def test_parse_indices_reads_numbers_and_ranges_in_order(text, wanted):
    assert parse_indices(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [(":", 5), ("3:", 2), ("::2", 3), ("4", 1), ("0:5", 5)]
)
def test_parse_indices_with_a_count_may_leave_the_ends_open(text, wanted):
    assert len(parse_indices(text, count=5)) == wanted


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        ("", None, "is no class: write numbers"),
        ("1,", None, "'' in '1,' is no class"),
        ("-1", None, "'-1' in '-1' is no class"),
        ("1-5", None, "is no class"),
        ("a:b", None, "is no class"),
        ("goldfish", None, "names are those of classes, where they are known .--labels FILE.$"),
        (":", None, "is no class"),
        ("3:", None, "is no class"),
        ("5:5", None, "the range '5:5' in '5:5' is empty"),
        ("5:2", None, "is empty"),
        ("1:5:0", None, "is empty"),
        ("1,0:3", None, "names class 1 twice"),
        ("7", 5, "there is no class 7: they go from 0 to 4"),
        ("0:6", 5, "there is no class 5: they go from 0 to 4"),
        ("0:99999999999999", None, "more than 1000000 numbers"),
        ("0:99999999999999", 5, "there is no class 99999999999998"),
    ],
)
def test_parse_indices_quotes_what_is_wrong(text, count, words):
    with pytest.raises(ValueError, match=words):
        parse_indices(text, count=count, what="class")


@settings(deadline=None)
@given(st.text("0123456789:,- ", max_size=12))
def test_parse_indices_gives_numbers_below_the_count_or_a_value_error(text):
    try:
        numbers = parse_indices(text, count=50)
    except ValueError:
        return
    assert numbers and len(set(numbers)) == len(numbers)
    assert all(0 <= n < 50 for n in numbers)


@pytest.mark.parametrize(
    ("text", "wanted"), [("224", (224, 224)), ("224x320", (224, 320)), ("4X5", (4, 5))]
)
def test_parse_size_is_height_by_width(text, wanted):
    assert parse_size(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "0", "1", "3x9", "224x", "a", "1x2x3", "-3", "4.5", "99999", "16385", "16384", "nan"],
)
def test_parse_size_refuses_in_words(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("goldfish", (1,)),
        ("Carassius_Auratus,0", (1, 0)),
        ("white-shark, 0:2", (4, 0, 1)),
        ("2", (2,)),
        ("tench, Tinca", (0,)),
        ("1, crane, bird, white shark", (1, 3, 4)),
        ("Tench,tinca,goldfish,carassius auratus", (0, 1)),
    ],
)
def test_a_class_may_be_named_instead_of_numbered(text, wanted):
    assert parse_indices(text, count=5, what="class", labels=LABELS) == wanted


def test_words_and_numbers_are_separated_by_commas():
    assert parse_words("a, b,") == ("a", "b") and parse_words(None) is None
    assert parse_numbers("1,0.5", "parts") == [1.0, 0.5] and parse_numbers(None, "x") is None


@pytest.mark.parametrize("text", ["", "a", "1,,2", "nan", "1,inf"])
def test_numbers_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="is no list of parts: write numbers such as"):
        parse_numbers(text, "parts")


def test_positions_are_a_word_or_a_cell():
    assert parse_position("centre") == "centre" and parse_position(None) is None
    assert parse_position("2, 3") == (2, 3)
    for text in ("middle", "1", "1,2,3", "-1,2"):
        with pytest.raises(ValueError, match="is no position: write centre or ROW,COLUMN"):
            parse_position(text)


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("tench, Tinca tinca", "tench"),
        ("Great White shark", "great_white_shark"),
        ("jack-o'-lantern", "jack_o_lantern"),
        ("../../etc", "etc"),
        ("été", "été"),
        ("a" * 90, "a" * 40),
    ],
)
def test_slug_is_a_file_name(label, wanted):
    assert slug(label) == wanted
