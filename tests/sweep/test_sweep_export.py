"""Exports: the same bytes every time, nothing half written, nothing damaged passed on."""

import csv
import io
import json
import tarfile
from pathlib import Path

import pytest

from jaxvis.cli import main
from jaxvis.sweep import export
from jaxvis.sweep.export import export_store
from jaxvis.sweep.seals import seal_record
from tests.sweep.stores import PICTURE, commit, make_rows, make_store, plan_shards

JUDGES = [
    {"network": "vgg19", "class": 3, "label": "ä", "probability": 0.5},
    {"network": "vgg19", "class": 4, "label": None, "probability": 0.25},
]


@pytest.fixture
def store(tmp_path):
    """A store of two layers and two settings, with a failed picture and two judges."""
    settings = ({"steps": 4, "norm": None}, {"steps": 0.5, "norm": "l2"})
    plan = plan_shards(2, taps=("conv1_1", "block/2"), settings=settings)
    found, _ = make_store(tmp_path / "D", plan)
    rows = make_rows(plan, plan.shards[1], judges=JUDGES)
    rows[2] |= {"file": None, "status": "failed", "why": "bad", "finite": False, "metrics": {}}
    commit(found, plan, plan.shards[1], rows)
    return found


def read_folder(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_column_for_everything_but_curves(store, tmp_path):
    found = export_store(store, tmp_path / "rows.csv", "csv")
    rows = read_csv(tmp_path / "rows.csv")
    assert found.rows == len(rows) == 32 and found.pictures == 0
    assert list(rows[0])[14:] == [
        *("settings.steps", "settings.norm", "metrics.loss", "metrics.rank"),
        *("judges.vgg19.class", "judges.vgg19.label", "judges.vgg19.probability"),
        *("judges.vgg19#2.class", "judges.vgg19#2.label", "judges.vgg19#2.probability"),
    ]
    assert rows[0]["label"] == '"=0", ü\n' and rows[0]["shard"] == "00000_conv1_1"
    assert (rows[0]["height"], rows[0]["width"], rows[0]["settings.norm"]) == ("8", "9", "")
    assert rows[6]["status"] == "failed" and rows[6]["file"] == rows[6]["metrics.loss"] == ""
    assert rows[7]["judges.vgg19#2.probability"] == "0.25"
    assert [row["shard"] for row in rows] == sorted(row["shard"] for row in rows)
    export_store(store, tmp_path / "again.csv", "csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()


def test_parquet_has_types_and_curves(store, tmp_path):
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet

    export_store(store, tmp_path / "rows.parquet", "parquet")
    table = parquet.read_table(tmp_path / "rows.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["index"] == "int64" and types["finite"] == "bool"
    assert types["settings.steps"] == "double" and types["settings.norm"] == "string"
    assert types["metrics.loss"] == "double" and types["metrics.rank"] == "int64"
    assert types["curve"].startswith("list<") and types["judges.vgg19.label"] == "string"
    rows = table.to_pylist()
    assert len(rows) == 32 and rows[0]["curve"] == [2.0, 1.5] and rows[0]["source"] is None
    assert rows[6]["file"] is None and rows[7]["judges.vgg19#2.class"] == 4


def test_parquet_without_pyarrow_names_the_pip_line(store, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r'pip install "jaxvis\[parquet\]"'):
        export_store(store, tmp_path / "rows.parquet", "parquet")
    assert not (tmp_path / "rows.parquet").exists()


def test_files_lie_in_a_folder_a_layer_each_with_a_name_of_its_own(store, tmp_path):
    found = export_store(store, tmp_path / "out", "files")
    files = read_folder(tmp_path / "out")
    rows = read_csv(tmp_path / "out/rows.csv")
    assert found.pictures == 31 and len(files) == 32 and len(rows) == 32
    named = [row["file"] for row in rows if row["file"]]
    assert sorted(named) == sorted(set(files) - {"rows.csv"})
    # Two settings made pictures of one name: the number of the shard tells them apart.
    assert named[0] == "conv1_1/conv1_1_0000_0_00000.png"
    assert "block_2/block_2_0000_0_00006.png" in named
    assert files[named[0]].startswith(PICTURE)


def test_names_stay_where_each_comes_once(tmp_path):
    store, _ = make_store(tmp_path / "D")
    export_store(store, tmp_path / "out", "files")
    assert (tmp_path / "out/conv1_1/conv1_1_0005_1.png").read_bytes().startswith(PICTURE)


def test_tars_are_as_webdataset_reads_them(store, tmp_path):
    found = export_store(store, tmp_path / "out", "webdataset", per_tar=10)
    assert (found.pictures, found.left_out) == (31, 1)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["000000.tar", "000001.tar", "000002.tar", "000003.tar"]
    with tarfile.open(tmp_path / "out/000000.tar") as tar:
        members = tar.getmembers()
        assert len(members) == 20 and {(m.mtime, m.uid, m.uname, m.mode) for m in members} == {
            (0, 0, "", 0o644)
        }
        for picture, text in zip(members[::2], members[1::2]):
            assert picture.name.removesuffix(".png") == text.name.removesuffix(".json")
            row = json.loads(tar.extractfile(text).read())
            assert tar.extractfile(picture).read().startswith(PICTURE)
            assert row["file"].startswith(f"shards/{row['shard']}/") and row["curve"] == [2.0, 1.5]
    export_store(store, tmp_path / "again", "webdataset", per_tar=10)
    assert read_folder(tmp_path / "again") == read_folder(tmp_path / "out")


def test_tars_hold_no_more_bytes_than_they_may(store, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "PER_TAR", 30_000)
    export_store(store, tmp_path / "out", "webdataset")
    files = read_folder(tmp_path / "out")
    assert len(files) > 2 and all(10_000 < len(data) <= 30_720 for data in files.values())
    count = sum(len(tarfile.open(fileobj=io.BytesIO(data)).getnames()) for data in files.values())
    assert count == 62


@pytest.mark.parametrize("form", ["csv", "files", "webdataset"])
def test_a_place_that_holds_something_is_refused(tmp_path, form):
    store, _ = make_store(tmp_path / "D", which={0})
    (tmp_path / "file").write_text("dear")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter").write_text("dear")
    for name, message in [
        ("file", "exists: name a new file" if form == "csv" else "is a file: name a new or empty"),
        ("full", "exists: name a new file" if form == "csv" else "holds files: name a new"),
        ("no/where", "there is no folder"),
        ("s3://bucket/x", "goes to a folder of this machine"),
    ]:
        out = Path(name) if "://" in name else tmp_path / name
        with pytest.raises(ValueError, match=message):
            export_store(store, out, form)
    (tmp_path / "empty").mkdir()
    if form != "csv":
        assert export_store(store, tmp_path / "empty", form).shards == 1
        assert any((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("form", ["files", "webdataset"])
@pytest.mark.parametrize("damage", ["flipped", "missing", "record", "name"])
def test_damage_is_not_passed_on_and_nothing_is_left(tmp_path, form, damage):
    store, plan = make_store(tmp_path / "D")
    shard = plan.shards[2]
    path = f"shards/{shard.name}/conv1_1_0004_0.png"
    if damage == "flipped":
        store.files.write(path, b"x")
    elif damage == "missing":
        store.files.remove(path)
    elif damage == "record":
        store.files.write(f"records/{shard.name}.json", b"{}")
    else:
        rows = make_rows(plan, shard, name="../../stolen")
        record = {"schema": 1, "shard": shard.name, "rows": rows, "files": {}}
        store.files.write(f"records/{shard.name}.json", seal_record(record))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="verify --mend"):
        export_store(store, tmp_path / "out", form)
    assert sorted(tmp_path.iterdir()) == before


def test_the_command(tmp_path, capsys):
    store, _ = make_store(tmp_path / "D", which={0, 1})
    words = ["sweep", "export", str(tmp_path / "D"), "--to"]
    assert main([*words, str(tmp_path / "rows.csv")]) == 0
    said = capsys.readouterr().out
    assert "rows.csv: 8 rows" in said and "not complete: 2 of 3 shards" in said
    assert main([*words, str(tmp_path / "w"), "--as", "webdataset", "--per-tar", "3"]) == 0
    assert "w: 8 pictures" in capsys.readouterr().out and len(read_folder(tmp_path / "w")) == 3
    assert main([*words, str(tmp_path / "w"), "--as", "webdataset"]) == 2
    assert "holds files: name a new or empty folder" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "x.csv"), "--per-tar", "3"]) == 2
    assert "--per-tar is of webdataset" in capsys.readouterr().err
