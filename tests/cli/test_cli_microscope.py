"""`jaxvis microscope`: one command from a network to a site of its units."""

import pytest

from jaxvis.cli import main
from jaxvis.sweep.store import open_store

WORDS = ("microscope", "demo", "--taps", "conv2_1,fc8", "--index", "0:2", "--steps", "2")


def test_one_command_draws_measures_and_builds_and_goes_on(elsewhere, capsys):
    assert main([*WORDS, "--size", "32", "--out", "m"]) in (0, 1)
    said = capsys.readouterr().out
    assert "maximize: 4 pictures" in said and "units of 2 layers" in said
    site = elsewhere / "m" / "site"
    page = (site / "units" / "conv2_1" / "0001.html").read_text(encoding="utf-8")
    assert "Patches that excite it most" in page
    rows = list(open_store(elsewhere / "m" / "explain").read_rows())
    assert {row["source"] for row in rows} == {
        "astronaut.jpg",
        "chelsea.jpg",
        "coffee.jpg",
        "rocket.jpg",
    }
    before = {path: path.read_bytes() for path in site.rglob("*.html")}
    assert main([*WORDS, "--size", "32", "--out", "m"]) in (0, 1)
    assert "0 new pictures" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in site.rglob("*.html")} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("microscope", "demo", "--taps", "conv9"), "has no tap 'conv9'"),
        (("microscope", "demo", "--index", "0:999"), "there is no"),
        (("microscope", "demo", "--photos", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_told_before_any_work(elsewhere, capsys, words, message):
    assert main([*words, "--out", "m"]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (elsewhere / "m").exists()
