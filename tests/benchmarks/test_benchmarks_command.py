"""The command: names, exit codes, files of rows, the tables of the README and the page."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import jaxvis
from benchmarks import __main__ as command
from benchmarks.harness import registry, rows, table
from benchmarks.harness.paths import ROOT, ROWS
from benchmarks.harness.verdicts import judge


def make_row(name="step", *, off=False, ours=0.2, target=None, cpu="A avx512f", **facts):
    row = rows.make_row(
        rows.Case(name, f"{name} of a net", {}, target=target),
        ours=np.array([ours]),
        peer=np.array([0.25]),
        peer_name="torch 2 channels_last",
        verdict=judge(scores=(1.0 if off else 0.0, 1e-4)),
        **facts,
    )
    return {**row, "versions": {**row["versions"], "cpu": cpu}}  # of any machine


@pytest.fixture
def stubs(monkeypatch):
    """Returns name -> the rows that the benchmark of that name will make."""
    made = {}

    def module(name):
        return SimpleNamespace(
            measure=lambda quick: made[name],
            measure_smoke=lambda: [{**row, "case": "smallest"} for row in made[name]],
        )

    for name, path in registry.NAMES.items():
        made[name] = [make_row(name)]
        monkeypatch.setitem(sys.modules, path, module(name))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    return made


def test_every_name_is_a_file_with_rows():
    for name in registry.NAMES:
        path = ROOT / f"{registry.NAMES[name].replace('.', '/')}.py"
        assert "\ndef measure(quick" in path.read_text(), name


def test_the_smallest_sizes_have_no_targets(stubs):
    stubs["step"] = [make_row(target=1.5)]
    assert [row["target"] for row in registry.measure("step", size="smoke")] == [None]
    assert [row["target"] for row in registry.measure("step", size="quick")] == [1.5]


def test_every_core_is_a_device_before_anything_is_measured(stubs, monkeypatch):
    order = []
    monkeypatch.setattr(jaxvis, "use_cores", lambda: order.append("cores"))
    module = SimpleNamespace(measure=lambda quick: order.append("step") or [make_row()])
    monkeypatch.setitem(sys.modules, registry.NAMES["step"], module)
    assert command.main(["step"]) == 0
    assert order == ["cores", "step"]


def test_unknown_names_are_told_with_the_known_ones(capsys):
    assert command.main(["step", "stepp"]) == 2
    said = capsys.readouterr().err
    assert "'stepp'" in said and all(name in said for name in registry.NAMES)
    assert len(said.splitlines()) == 1


def test_all_that_end_soon_run_where_none_is_named(stubs, capsys):
    assert command.main([]) == 0
    said = capsys.readouterr().out
    ran = {name for name in registry.NAMES if f"{name} of a net" in said}
    assert ran == set(registry.NAMES) - set(registry.HOURS) - set(registry.NAMED)
    assert {*registry.HOURS, *registry.NAMED} < set(registry.NAMES)
    assert command.main([registry.HOURS[0]]) == 0
    assert f"{registry.HOURS[0]} of a net" in capsys.readouterr().out


def test_a_smoke_leaves_none_out_but_those_that_run_when_named(stubs, capsys):
    assert command.main(["--smoke"]) == 0
    soon = len(registry.NAMES) - len(registry.NAMED)
    assert capsys.readouterr().out.count("smallest") == soon


def test_wrong_results_fail_and_slow_ones_do_not(stubs, capsys):
    stubs["step"] = [make_row(ours=99.0, target=1.25)]
    assert command.main(["step"]) == 0
    assert ">= 1.25, missed" in capsys.readouterr().out
    stubs["step"] = [make_row(), make_row(off=True)]
    assert command.main(["step"]) == 1
    assert "DIFFERENT: scores 1 > 0.0001" in capsys.readouterr().out


def test_smoke_takes_the_smallest_sizes(stubs, capsys):
    assert command.main(["step", "--smoke"]) == 0
    assert "smallest" in capsys.readouterr().out


def test_quick_stands_in_for_a_smoke_that_is_not_there(monkeypatch):
    asked = []
    module = SimpleNamespace(measure=lambda quick: asked.append(quick) or [make_row()])
    monkeypatch.setitem(sys.modules, registry.NAMES["step"], module)
    assert registry.measure("step", size="smoke")[0]["name"] == "step"
    registry.measure("step", size="full")
    assert asked == [True, False]


def test_a_benchmark_without_a_gpu_case_says_so(stubs, capsys):
    assert command.main(["step", "--gpu"]) == 2
    assert "step has no case of its own for a GPU" in capsys.readouterr().err


def test_rows_of_other_names_stay_in_the_file(stubs, tmp_path):
    out = tmp_path / "rows.json"
    assert command.main(["sweep", "--out", str(out)]) == 0
    assert command.main(["step", "--out", str(out)]) == 0
    stubs["sweep"] = [make_row("sweep", ours=7.0)]
    assert command.main(["sweep", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [row["name"] for row in found] == ["step", "sweep"]
    assert found[1]["ours"] == 7.0


def test_what_has_no_weights_is_left_out_and_the_others_run(stubs, capsys, monkeypatch):
    def absent(quick):
        raise FileNotFoundError("the weights of vgg19 are not here")

    module = SimpleNamespace(measure=absent)
    monkeypatch.setitem(sys.modules, registry.NAMES["texture"], module)
    assert command.main([]) == 0
    assert command.main(["texture", "step"]) == 2
    said = capsys.readouterr()
    assert "step of a net" in said.out and "texture of a net" not in said.out
    assert "texture: left out: the weights of vgg19 are not here" in said.err
    assert command.main(["texture"]) == 2


def test_a_file_that_holds_no_rows_is_found_before_measuring(stubs, tmp_path, capsys):
    out = tmp_path / "rows.json"
    for text in ("{", "{}", '[{"name": "step"}]'):
        out.write_text(text)
        assert command.main(["step", "--out", str(out)]) == 2
        assert out.read_text() == text
    assert "lacks case" in capsys.readouterr().err


MARKED = "# a\n\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\n\nend\n"


def test_the_readme_and_the_page_show_the_rows_of_a_file(stubs, tmp_path):
    readme, page, out = (tmp_path / name for name in ("README.md", table.PAGE, "rows.json"))
    readme.write_text(MARKED)
    page.write_text(MARKED)
    name, case = table.CHOSEN[0]
    shown = make_row(name, target=1.25, note="a note") | {"case": case}
    stubs["step"] = [make_row(target=1.25, note="a note"), shown]
    assert command.main(["step", "--out", str(out)]) == 0
    words = ["--rows", str(out), "--readme"]
    assert command.main(words, readme=readme, docs=tmp_path) == 0
    text = page.read_text()
    assert text.startswith("# a\n\n<!-- benchmarks -->\nMeasured on: ") and "old" not in text
    assert text.endswith("|\n<!-- /benchmarks -->\n\nend\n")
    assert (
        "| `step` | step of a net; a note | 200 ms | 250 ms, torch 2 channels_last "
        "| 1.25 (1.25-1.25) | >= 1.25, met |"
    ) in text
    short = readme.read_text()
    assert short.startswith("# a\n\n<!-- benchmarks -->\n| | case |") and "old" not in short
    line = f"| `step` | {case} | 200 ms | 250 ms, torch 2 channels_last | 1.25 (1.25-1.25) |"
    assert line in short.splitlines() and "of a net" not in short
    command.main(words, readme=readme, docs=tmp_path)
    assert (page.read_text(), readme.read_text()) == (text, short)


@pytest.mark.parametrize(
    "text", ["", "<!-- benchmarks -->\n", "<!-- /benchmarks -->\n<!-- benchmarks -->\n"]
)
@pytest.mark.parametrize("broken", ["README.md", table.PAGE])
def test_files_without_markers_are_left_alone(broken, text, tmp_path):
    texts = {"README.md": MARKED, table.PAGE: MARKED, broken: text}
    for name, words in texts.items():
        (tmp_path / name).write_text(words)
    with pytest.raises(ValueError, match="once each"):
        table.write_tables(tmp_path / "README.md", tmp_path / table.PAGE, [make_row()])
    assert {name: (tmp_path / name).read_text() for name in texts} == texts


def test_rows_of_avx2_are_the_second_table_of_the_page_alone(tmp_path):
    readme, page = tmp_path / "README.md", tmp_path / table.PAGE
    readme.write_text(MARKED)
    page.write_text(f"{MARKED}\n<!-- benchmarks avx2 -->\nold\n<!-- /benchmarks avx2 -->\n")
    row = make_row(cpu="A avx512f, limited: XLA to AVX2")
    table.write_tables(readme, page, [row])
    assert readme.read_text() == MARKED and page.read_text().startswith(MARKED)
    assert read_section(page, table.NARROW) == table.format_markdown([row])


def read_section(path, mark=table.MARK):
    """Returns what stands between the comments of a file, which has them once, in order."""
    text, opening, closing = path.read_text(), f"<!-- {mark} -->", f"<!-- /{mark} -->"
    assert text.count(opening + "\n") == text.count(closing + "\n") == 1
    return text.split(opening)[1].split(closing)[0].strip()


@pytest.mark.parametrize("name, mark", [("rows", table.MARK), ("rows_avx2", table.NARROW)])
def test_the_projects_page_shows_the_rows_that_are_kept(name, mark):
    kept = command.read_rows(ROWS.with_stem(name))
    assert read_section(command.DOCS / table.PAGE, mark) == table.format_markdown(kept)


def test_the_projects_readme_shows_the_rows_that_are_kept():
    assert read_section(command.README) == table.format_short(command.read_rows(ROWS))


def test_every_row_that_the_readme_wants_is_kept():
    found = [(row["name"], row["case"]) for row in table.choose_rows(command.read_rows(ROWS))]
    assert set(found) == set(table.CHOSEN)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.2345, "s", "1.23 s"),
        (0.4312, "s", "431 ms"),
        (0.00234, "s", "2.34 ms"),
        (0.0000123, "s", "12.3 us"),
        (1234.5, "s", "1234 s"),
        (312.4, "MiB", "312 MiB"),
        (0.0, "s", "0 s"),
        (None, "s", "-"),
        (float("nan"), "s", "-"),
    ],
)
def test_amounts_have_three_digits_and_a_unit(value, unit, text):
    assert table.format_amount(value, unit) == text


def test_a_row_without_a_peer_is_shown_without_a_ratio():
    case = rows.Case("step", "alone", {}, target=1.25)
    alone = rows.make_row(case, ours=np.array([1.0]), peer_name="torch is not installed")
    text = table.format_markdown([alone])
    assert "| `step` | alone | 1.00 s | -, torch is not installed | - | >= 1.25 |" in text
    assert "not compared" in "\n".join(table.format_lines([alone]))
