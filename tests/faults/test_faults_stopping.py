"""Commands that are killed or told to stop at random moments lose nothing that is done.

Full disks, folders that cannot be written and readers that leave are faults as well.
"""

import os
import shutil
import subprocess
import time

import pytest

from tests.faults.harness import (
    CASES,
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


@pytest.mark.slow
@pytest.mark.parametrize("part", [0.0, 0.3])
def test_a_command_that_is_stopped_at_its_start_says_so_and_goes_on(part, server):
    trial = Trial("dream", "term", part)
    whole = make_reference(server, "dream")
    assert try_to_stop(server, trial, whole, f"start {part}").faults == []


@pytest.fixture
def disk(server):
    """Returns a folder that is a disk of its own, and a function that mounts it again."""
    folder = server.work / "disk"
    folder.mkdir(exist_ok=True)

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True)

    if shutil.which("mount") is None or os.name != "posix":
        pytest.skip("there is no mount here")
    made = mount("size=16k")
    if made.returncode:
        pytest.skip(f"no disk may be mounted here: {made.stderr.strip()}")
    yield folder, mount
    subprocess.run(["umount", "-l", str(folder)], check=True)


def told_in_one_line(server, word):
    """Says whether the last command told its error in one line, with a certain word."""
    said = (server.work / "stderr").read_text()
    errors = [line for line in said.splitlines() if line.startswith("jaxvis: error:")]
    return len(errors) == 1 and word in errors[0] and "Traceback" not in said


def test_a_full_disk_leaves_whole_files_and_the_command_goes_on_when_there_is_room(server, disk):
    folder, mount = disk
    whole = make_reference(server, "texture")
    words = [*CASES["texture"].split(), "--out", "disk/out"]
    assert server.run(words) == 2, server.said()
    assert told_in_one_line(server, "No space left on device")
    read_files(folder / "out")
    assert not [path for path in (folder / "out").iterdir() if LEFT.fullmatch(path.name)]
    assert mount("remount,size=16m").returncode == 0
    assert server.run([*words, "--resume"]) == 0, server.said()
    assert [*compare(read_files(folder / "out"), whole.files)] == []


def test_a_folder_that_cannot_be_written_is_told_before_any_work(server, disk):
    folder, mount = disk
    (folder / "out").mkdir()
    assert mount("remount,ro").returncode == 0
    for more in ([], ["--resume"], ["--overwrite"]):
        assert server.run([*CASES["texture"].split(), "--out", "disk/out", *more]) == 2
        assert told_in_one_line(server, "Read-only file system")
        assert "it/s" not in server.said()


def test_a_reader_that_leaves_ends_the_command_and_it_goes_on(server):
    whole = make_reference(server, "invert")
    words = [*CASES["invert"].split(), "--out", "piped"]
    pipe = server.work / "pipe"
    os.mkfifo(pipe)
    server.start(words, out=str(pipe))
    os.close(os.open(pipe, os.O_RDONLY))
    assert server.wait() == 1
    said = (server.work / "stderr").read_text()
    assert "Traceback" not in said and "Exception ignored" not in said
    read_files(server.work / "piped")
    assert server.run([*words, "--resume"]) == 0, server.said()
    assert [*compare(read_files(server.work / "piped"), whole.files)] == []
