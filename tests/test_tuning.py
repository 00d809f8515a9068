"""The numbers that were measured: their defaults, a file that replaces them, and its errors."""

import json
import logging
from dataclasses import replace

import pytest

from jaxvis import tuning
from jaxvis.cli import ledger
from jaxvis.cli._setup import prepare_process
from jaxvis.convolution.conv import choose_learned_tile
from jaxvis.convolution.kernels import choose_tile
from jaxvis.optimize.memory import choose_core_items
from jaxvis.output.record import make_record
from jaxvis.processor import find_used_processor
from jaxvis.tuning import Tuning, find_tuning, read_tuning, write_tuning

PAD = ((1, 1), (1, 1))


@pytest.fixture
def use(monkeypatch):
    """Returns a function that makes a file, by its path, the one in use."""
    monkeypatch.delenv(tuning.VARIABLE, raising=False)
    find_tuning.cache_clear()
    yield lambda path: (find_tuning.cache_clear(), monkeypatch.setenv(tuning.VARIABLE, str(path)))
    find_tuning.cache_clear()


def write(path, numbers, **changes):
    """Writes a file as `write_tuning` does, with other fields."""
    name, unit = find_used_processor()
    whole = {"processor": name, "unit": unit, "numbers": numbers, "measured": None, **changes}
    path.write_text(json.dumps(whole))
    return path


@pytest.mark.parametrize(
    ("side", "taps", "inner", "outer", "form"),
    [
        (224, 3, 64, 64, None),  # gain 32
        (112, 3, 64, 128, 4),  # gain 43
        (24, 3, 80, 80, 4),  # gain 40
        (24, 3, 79, 80, 1),
        (56, 3, 256, 256, 4),
        (56, 3, 256, 512, 2),  # too many weights for the two transforms of F(4)
        (14, 3, 512, 512, 2),
        (23, 3, 200, 200, 2),  # gain 100
        (23, 3, 199, 200, 1),
        (8, 3, 512, 512, 2),
        (7, 3, 512, 512, 1),
        (32, 3, 16, 16, 1),
        (33, 3, 16, 16, None),
        (24, 4, 80, 80, 3),
        (23, 4, 512, 512, 1),
        (64, 4, 64, 64, None),
        (56, 1, 512, 512, None),
        (14, 1, 512, 512, 1),
    ],
)
def test_the_default_forms_of_convolutions(use, side, taps, inner, outer, form):
    assert choose_tile((side, side), (taps, taps, inner, outer)) == form
    assert choose_tile((side, side), (taps, taps, inner, outer), tuning=Tuning()) == form


@pytest.mark.parametrize(
    ("side", "each", "devices", "items"),
    [
        (64, 20, 2, 7),  # 9 fit, 8 are the most: 20 are 7, 7 and 6
        (64, 8, 2, 8),
        (96, 8, 2, 4),
        (128, 8, 2, 2),
        (224, 8, 2, 2),
        (256, 8, 2, 2),
        (257, 8, 2, 1),
        (64, 3, 2, 3),
        (224, 8, 1, 8),  # one program for all cores
        (224, 20, 1, 8),
    ],
)
def test_the_default_pictures_of_a_core(use, side, each, devices, items):
    assert choose_core_items(side * side, each, devices) == items


def test_learned_kernels_are_transformed_for_large_maps(use):
    shape = (3, 3, 128, 128)
    assert choose_learned_tile((48, 60), shape, PAD) == 4
    assert choose_learned_tile((47, 60), shape, PAD) is None


@pytest.mark.parametrize(
    ("number", "value", "form", "kernel"),
    [
        ("flip_pixels", 14 * 14 - 1, None, (14, 3, 16)),
        ("tile_side", 15, 1, (14, 3, 512)),
        ("tile2_gain", 257, 1, (14, 3, 512)),
        ("tile4_side", 57, 2, (56, 3, 256)),
        ("tile4_gain", 129, None, (56, 3, 256)),
        ("tile4_weights", 256 * 256, 2, (56, 3, 256)),
        ("tile3_side", 57, None, (56, 4, 256)),
        ("tile3_gain", 129, None, (56, 4, 256)),
    ],
)
def test_each_limit_changes_a_form(number, value, form, kernel):
    side, taps, channels = kernel
    shape = (taps, taps, channels, channels)
    changed = replace(Tuning(), **{number: value})
    assert choose_tile((side, side), shape, tuning=changed) == form
    assert choose_tile((side, side), shape, tuning=Tuning()) != form


@pytest.mark.parametrize(
    ("number", "value", "items"), [("core_pixels", 4 * 128**2, 4), ("cpu_items", 1, 1)]
)
def test_each_limit_changes_the_pictures_of_a_core(number, value, items):
    changed = replace(Tuning(), **{number: value})
    assert choose_core_items(128**2, 8, 2, tuning=changed) == items
    assert choose_core_items(224**2, 8, 2, tuning=Tuning(core_large=224**2 - 1)) == 1


def test_a_file_changes_what_is_chosen_and_is_read_once(use, tmp_path):
    file = tmp_path / "tuning.json"
    write_tuning(file, Tuning(core_pixels=80_000, learned_side=40), measured=["a row"])
    assert json.loads(file.read_text())["numbers"] == {"core_pixels": 80_000, "learned_side": 40}
    use(file)
    assert find_tuning() == Tuning(core_pixels=80_000, learned_side=40)
    file.unlink()
    assert choose_core_items(128**2, 8, 2) == 4
    assert choose_learned_tile((47, 60), (3, 3, 128, 128), PAD) == 4


def test_records_and_folders_keep_numbers_that_are_not_the_default_ones(use, tmp_path):
    assert make_record("dream", {})["tuning"] is None
    before = ledger.describe_command("dream", {"steps": 3})
    assert before["tuning"] is None
    use(write(tmp_path / "tuning.json", {"cpu_items": 4}))
    assert make_record("dream", {})["tuning"] == {"cpu_items": 4}
    after = ledger.describe_command("dream", {"steps": 3})
    for found, wanted in ((before, after), (after, before)):
        with pytest.raises(ValueError, match="begun with other tuning: resume with it"):
            ledger.refuse_changes(tmp_path, found, wanted)
    # Folders of versions that had no such file go on.
    ledger.refuse_changes(tmp_path, {"command": "dream", "arguments": {"steps": 3}}, before)


@pytest.mark.parametrize("changes", [{"processor": "Another"}, {"unit": "another"}])
def test_a_file_of_another_processor_is_not_used_and_a_warning_says_so(tmp_path, caplog, changes):
    file = write(tmp_path / "tuning.json", {"cpu_items": 4}, **changes)
    with caplog.at_level(logging.WARNING, logger="jaxvis"):
        assert read_tuning(file) == Tuning()
    assert "was measured on" in caplog.text and "nother" in caplog.text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "no file of measured numbers"),
        ("[]", "no file of measured numbers"),
        ("[" * 100_000, "no file of measured numbers"),
        ('{"processor": "x", "unit": ""}', "no file of measured numbers"),
        ('{"processor": 1, "unit": "", "numbers": {}}', "no file of measured numbers"),
        ('{"processor": "x", "unit": "", "numbers": [1]}', "no file of measured numbers"),
        ('{"processor": "x", "unit": "", "numbers": {"speed": 1}}', "unknown number, speed"),
        (
            '{"processor": "x", "unit": "", "numbers": {"cpu_items": 0}}',
            "cpu_items must be a whole number from 1 to 2147483648, got 0",
        ),
        ('{"processor": "x", "unit": "", "numbers": {"tile_side": 2.5}}', "got a float"),
        ('{"processor": "x", "unit": "", "numbers": {"tile_side": true}}', "got True"),
        ('{"processor": "x", "unit": "", "numbers": {"flip_pixels": -1}}', "from 0 to"),
        ('{"processor": "x", "unit": "", "numbers": {"core_pixels": 4294967296}}', "core_pixels"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_fix(tmp_path, text, error):
    file = tmp_path / "tuning.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=error) as found:
        read_tuning(file)
    assert "python -m benchmarks tune" in str(found.value) and str(file) in str(found.value)


def test_a_command_finds_a_missing_file_before_any_work(use, tmp_path):
    use(tmp_path / "gone.json")
    with pytest.raises(FileNotFoundError):
        prepare_process()
