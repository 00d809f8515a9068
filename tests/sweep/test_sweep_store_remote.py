"""Sweeps in stores elsewhere: in memory, and on a local server that speaks S3."""

import os

import pytest

from jaxvis.cli import main
from jaxvis.sweep.plan_file import write_plan
from jaxvis.sweep.store import open_store
from tests.sweep.sweeps import plan_demo, read_files


@pytest.fixture(params=["memory", "s3"])
def url(request, monkeypatch):
    """Returns the address of an empty store."""
    pytest.importorskip("fsspec", reason="needs fsspec")
    if request.param == "memory":
        yield f"memory://remote/{request.node.name}"
        return
    server_of = pytest.importorskip("moto.server", reason="needs moto[server]")
    s3fs = pytest.importorskip("s3fs", reason="needs the extra s3")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"bucket{abs(hash(request.node.name))}"  # the server keeps them in its process
    s3fs.S3FileSystem().mkdir(bucket)
    yield f"s3://{bucket}/deep/sweep"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Returns the file of a plan of three shards, and the folder that it makes."""
    folder = tmp_path_factory.mktemp("plan")
    write_plan(folder / "plan.json", plan_demo(units=((None, (0, 1, 2)),), shard=1, chunk=1))
    assert main(["sweep", "run", str(folder / "plan.json"), str(folder / "D")]) == 0
    return folder


def test_a_sweep_elsewhere_is_made_seen_verified_mended_and_resumed(url, plan, tmp_path, capsys):
    words = ["sweep", "run", str(plan / "plan.json"), url]
    assert main([*words, "--part", "1/2"]) == 0
    assert main(["sweep", "status", url]) == 1
    assert "2 of 3 shards" in capsys.readouterr().out
    assert main(["sweep", "resume", url]) == 0
    assert main(["sweep", "status", url]) == 0
    assert main(["sweep", "verify", url]) == 0
    store, whole = open_store(url), read_files(plan / "D")
    assert {name: store.files.read(name) for name in whole} == whole
    picture = next(name for name in whole if name.endswith(".png"))
    store.files.write(picture, whole[picture][:-1] + b"x")
    capsys.readouterr()
    assert main(["sweep", "verify", url]) == 1
    assert f"{picture} is damaged: its sha256 is another" in capsys.readouterr().out
    assert main(["sweep", "verify", url, "--mend"]) == 0 and len(store.list_done()) == 2
    assert main(["sweep", "resume", url]) == 0
    assert main(["sweep", "verify", url]) == 0
    assert {name: store.files.read(name) for name in whole} == whole
    assert main(["sweep", "export", url, "--to", str(tmp_path / "out"), "--as", "files"]) == 0
    assert len(os.listdir(tmp_path / "out")) == 2
    assert main(["sweep", "merge", str(tmp_path / "all"), url]) == 0
    assert read_files(tmp_path / "all") == whole


def test_a_store_elsewhere_that_holds_something_else_is_refused(url, plan, capsys):
    open_store(url).files.write("letter.txt", b"dear")
    assert main(["sweep", "run", str(plan / "plan.json"), url]) == 2
    assert "holds files but no plan.json" in capsys.readouterr().err
    assert main(["sweep", "status", f"{url}/none"]) == 2
    assert "holds no plan.json" in capsys.readouterr().err
