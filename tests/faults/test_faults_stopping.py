"""Commands that are killed or told to stop at random moments lose nothing that is done."""

import time

import pytest

from tests.faults.harness import (
    LEFT,
    NAME,
    Server,
    Trial,
    compare,
    draw_trials,
    list_done,
    make_reference,
    read_files,
    try_to_stop,
)

SEED = 20
QUICK = ("sweep", "dream", "stylize", "train style")
"""Cases that take a second or two; python -m tests.faults tries all of them."""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("trial", draw_trials(len(QUICK), SEED, [*QUICK]), ids=str)
def test_a_stopped_command_goes_on_to_what_it_would_have_been(trial, server):
    print(f"seed {SEED}: {trial}")
    whole = make_reference(server, trial.case)
    assert try_to_stop(server, trial, whole, f"{trial.case} stopped").faults == []


def test_two_commands_never_write_into_one_folder(server):
    words = "dream demo rocket --tap relu1_1 --size 32 --octaves 1 --steps 1000000 --out both"
    other = Server(server.work)
    pid = server.start([*words.split(), "--save-every", "1"])
    while not (server.work / "both/record.json").exists():
        time.sleep(0.05)
    places = {"out": str(server.work / "second out"), "err": str(server.work / "second err")}
    for more in (["--overwrite"], ["--resume"], []):
        assert other.run([*words.split(), *more], **places) == 2
        said = (server.work / "second err").read_text()
        assert "is writing into both: wait for it" in said and len(said.splitlines()) == 1
    other.close()
    server.stop(pid, "kill")
    lock = server.work / "both/.jaxvis.lock"
    assert lock.exists()  # and says nothing, now that its process is gone
    assert server.run([*words.replace("1000000", "1").split(), "--overwrite"]) == 0
    assert not lock.exists()


def test_pictures_in_progress_are_there_when_a_command_is_killed(server):
    words = "style demo chelsea rocket --content-tap relu2_1 --style-tap relu1_1 --optimizer adam "
    words += "--size 24 --steps 1000000 --save-every 5 --out progress"
    pid = server.start(words.split())
    record = server.work / "progress/record.json"
    while not record.exists():
        time.sleep(0.05)
    server.stop(pid, "kill")
    files = read_files(server.work / "progress")
    (picture,) = files["record.json"]["pictures"]
    assert picture["status"] == "unfinished" and picture["file"] in files
    assert list_done(files) == [] and files[NAME]["done"] == {}


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing_half_written(server):
    whole = make_reference(server, "texture")
    words = [*"texture demo coffee --source-size 32 --blocks 1:4 --optimizer adam".split()]
    words += ["--steps", "60", "--save-every", "25", "--out", "full"]
    assert server.run(words, limit=2000) == 2
    said = (server.work / "stderr").read_text()
    lines = [line for line in said.splitlines() if line.startswith("jaxvis: error:")]
    assert len(lines) == 1 and "File too large" in lines[0] and "full/" in lines[0]
    assert "Traceback" not in said and "interrupted" not in said
    read_files(server.work / "full")  # what is there is whole
    assert not [path for path in (server.work / "full").iterdir() if LEFT.fullmatch(path.name)]
    assert server.run([*words, "--resume"]) == 0, server.said()
    assert [*compare(read_files(server.work / "full"), whole.files)] == []


@pytest.mark.parametrize("part", [0.0, 0.3])
def test_a_command_that_is_stopped_at_its_start_says_so_and_goes_on(part, server):
    trial = Trial("dream", "term", part)
    whole = make_reference(server, "dream")
    assert try_to_stop(server, trial, whole, f"start {part}").faults == []
