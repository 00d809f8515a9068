"""XLA's choices of algorithms on a GPU: copied into a run's folder, and used again."""

import json
from pathlib import Path

import jax
import pytest

from jaxvis.cli import autotuning, ledger
from jaxvis.cli.autotuning import CHOICES, NAME, find_source, keep_choices, use_choices
from jaxvis.cli.flags import ResumeFlags

FIRST, SECOND = "cublas { id: 3 }\n", "cudnn { id: 1 }\n"


@pytest.fixture
def folder(tmp_path):
    """Returns the folder of a run."""
    path = tmp_path / "run"
    path.mkdir()
    return path


@pytest.fixture
def used(monkeypatch):
    """Returns the list of caches that JAX is told to use, without being told."""
    found = []
    monkeypatch.setattr(jax.config, "update", lambda name, value: found.append((name, value)))
    return found


def make_cache(path, **choices):
    """Makes a cache of compiled programs, in which XLA has made choices."""
    (path / CHOICES / "tmp").mkdir(parents=True)  # XLA's own, of files half written
    for name, text in choices.items():
        (path / CHOICES / f"{name}.textproto").write_text(text)
    return path


def test_a_runs_folder_gets_a_copy_that_grows_with_the_choices(folder, tmp_path):
    cache = make_cache(tmp_path / "xla", a=FIRST)
    keep_choices(folder, "gpu", cache=cache)
    assert json.loads((folder / NAME).read_text()) == {"a.textproto": FIRST}
    (cache / CHOICES / "b.textproto").write_text(SECOND)
    keep_choices(folder, "gpu", cache=cache)
    assert json.loads((folder / NAME).read_text()) == {"a.textproto": FIRST, "b.textproto": SECOND}
    assert [path.name for path in folder.iterdir()] == [NAME]


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_other_platforms_keep_and_use_nothing(folder, tmp_path, used, platform):
    cache = make_cache(tmp_path / "xla", a=FIRST)
    keep_choices(folder, platform, cache=cache)
    assert not (folder / NAME).exists()
    keep_choices(folder, "gpu", cache=cache)
    assert use_choices(folder, platform, cache=tmp_path / "other") is None
    assert used == [] and not (tmp_path / "other").exists()


def test_where_there_is_nothing_to_keep_or_use_nothing_happens(folder, tmp_path, used):
    assert use_choices(folder, "gpu", cache=make_cache(tmp_path / "xla", a=FIRST)) is None
    keep_choices(folder, "gpu", cache=tmp_path / "not there")
    keep_choices(folder, "gpu", cache=make_cache(tmp_path / "empty"))
    assert jax.config.jax_compilation_cache_dir is None
    keep_choices(folder, "gpu")
    (folder / NAME).write_text(json.dumps({"a.textproto": FIRST}))
    assert use_choices(folder, "gpu") is None
    assert used == [] and len(list(folder.iterdir())) == 1


def test_the_cache_that_holds_a_runs_choices_is_used_as_it_is(folder, tmp_path, used):
    cache = make_cache(tmp_path / "xla", a=FIRST)
    keep_choices(folder, "gpu", cache=cache)
    (cache / CHOICES / "later.textproto").write_text(SECOND)
    assert use_choices(folder, "gpu", cache=cache) is None
    assert used == []


@pytest.mark.parametrize("other", [{}, {"a": SECOND}])
def test_with_another_cache_a_runs_choices_get_one_of_their_own(folder, tmp_path, used, other):
    keep_choices(folder, "gpu", cache=make_cache(tmp_path / "xla", a=FIRST))
    here = make_cache(tmp_path / "here" / "xla", **other)
    own = use_choices(folder, "gpu", cache=here)
    assert own.parent == here.parent and own.name.startswith("xla-")
    assert used == [("jax_compilation_cache_dir", str(own))]
    assert (own / CHOICES / "a.textproto").read_text() == FIRST
    assert {path.stem for path in (here / CHOICES).glob("*.textproto")} == set(other)
    # The copy grows with the work that goes on, and a third sitting finds the same cache.
    (own / CHOICES / "b.textproto").write_text(SECOND)
    keep_choices(folder, "gpu", cache=own)
    assert use_choices(folder, "gpu", cache=here) == own
    assert len(list(here.parent.iterdir())) == 2


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a.textproto": 1}', '{"../a.textproto": ""}', '{"a.so": ""}']
)
def test_a_damaged_copy_is_told(folder, tmp_path, text):
    (folder / NAME).write_text(text)
    with pytest.raises(ValueError, match="damaged: remove it"):
        use_choices(folder, "gpu", cache=tmp_path)


def test_what_goes_on_or_repeats_uses_the_choices_of_before():
    out = {"out": Path("there"), "net": "demo"}
    assert find_source("maximize", {**out, "resume": True}) == Path("there")
    assert find_source("maximize", {**out, "resume": False}) is None
    assert find_source("maximize", {"out": None, "resume": True}) is None
    assert find_source("layers", {"net": "demo"}) is None
    assert find_source("rerun", {"record": Path("made/record.json")}) == Path("made")


def test_a_command_on_a_gpu_keeps_its_choices_and_is_resumed_with_them(
    folder, tmp_path, used, monkeypatch
):
    cache = make_cache(tmp_path / "xla", a=FIRST)
    monkeypatch.setattr(autotuning, "_find_cache", lambda: cache)
    for module in (ledger, autotuning):
        monkeypatch.setattr(module, "platform_of", lambda tree: "gpu")
    flags = ResumeFlags(out=folder)
    ledger.open_ledger(flags, "pretend", {}, count=2).begin()
    assert json.loads((folder / NAME).read_text()) == {"a.textproto": FIRST}
    cache = make_cache(tmp_path / "new" / "xla")
    autotuning.repeat_choices("pretend", {"out": folder, "resume": True})
    assert [Path(value).parent for _, value in used] == [cache.parent]
    # It counts as no file of the command's own.
    ledger.open_ledger(ResumeFlags(out=folder, resume=True), "pretend", {}, count=2)
