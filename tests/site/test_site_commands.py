import threading
import urllib.request

import pytest

from jaxvis.cli import serve as serving
from jaxvis.cli.serve import serve
from jaxvis.cli.site import site
from tests.site.fabricate import Fabric, fabricate

SMALL = Fabric(taps=("conv1_1",), units=2, seeds=1, measured=False, total=9)


def test_a_site_is_made(tmp_path, capsys):
    sweep = fabricate(tmp_path / "sweep", SMALL)
    (sweep / "shards/shard_000/l0_0001_0.png").unlink()
    assert site((sweep,), out=tmp_path / "site", title="Mine") == 0
    said = capsys.readouterr().out
    assert "2 units in 1 layer," in said and "2 of 9 pictures" in said
    assert "1 pictures are not in the folder, such as shards/shard_000/l0_0001_0.png" in said
    assert "<h1><bdi>Mine</bdi></h1>" in (tmp_path / "site/index.html").read_text()


def test_mistakes_leave_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        site((tmp_path / "nothing",), out=tmp_path / "site")
    with pytest.raises(ValueError, match="--labels goes with --follow"):
        serve(tmp_path / "site", labels=tmp_path / "a.csv")
    with pytest.raises(ValueError, match="is no site"):
        serve(tmp_path / "site")
    with pytest.raises(ValueError, match="there is no folder"):
        serve(tmp_path / "site", follow=tmp_path / "nothing")
    assert not list(tmp_path.iterdir())


def test_a_running_sweep_is_followed(tmp_path, capsys, monkeypatch):
    sweep = fabricate(tmp_path / "sweep", SMALL)
    later = (sweep / "records/shard_000.json").read_text()
    (sweep / "records/shard_000.json").unlink()
    looks = []

    def wait(event, seconds):
        # What a clock does elsewhere: first a record comes, then the user ends it.
        looks.append(seconds)
        if len(looks) == 1:
            (sweep / "records/shard_000.json").write_text(later)
        elif len(looks) == 2:
            port = capsys.readouterr().out.rpartition("127.0.0.1:")[2].partition("/")[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/status.js") as answer:
                assert b'\\"done\\":2,\\"total\\":9' in answer.read()
            (sweep / "records/more.json").write_text("{")
        elif len(looks) == 3:
            (sweep / "records/more.json").unlink()
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", wait_or(threading.Event.wait, wait))
    assert serve(tmp_path / "site", port=0, follow=sweep) == 0
    said = capsys.readouterr()
    assert len(looks) == 4 and "0 files written" in said.out and "not built again" in said.err


def wait_or(usual, wait):
    """Replaces the waiting of the command alone, not that of threads."""

    def act(event, timeout=None):
        return wait(event, timeout) if timeout == serving.EVERY else usual(event, timeout)

    return act
