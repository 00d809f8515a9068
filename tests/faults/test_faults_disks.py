"""Full disks, folders that cannot be written, and readers that leave."""

import os
import shutil
import subprocess

import pytest

from tests.faults.harness import CASES, LEFT, compare, make_reference, read_files

pytestmark = pytest.mark.slow


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
