"""What conversion leaves alone, what it sees, and what it prints of a file's names."""

import os
import re
import threading
from pathlib import Path

import checkpoint_writers as write
import numpy as np
import pytest
from safetensors.numpy import save_file
from test_convert_formats import FORMATS

from jaxvis.cli import main
from weights_convert import convert
from weights_convert.checkpoint import CheckpointError
from weights_convert.readers.detect import read

EVIL = "\x1b[31mred\x1b[0m\nerror: forged\r" + "x" * 200
SHOWN = r"\\x1b\[31mred\\x1b\[0m\\nerror: forged\\rx+\.\.\."


@pytest.fixture
def checkpoint(tmp_path):
    """Returns a network and a good checkpoint of it."""
    net = write.tiny_net()
    write.write_torch_zip(tmp_path / "net.pth", write.outer_first(net, write.random_state(net)))
    return net, tmp_path / "net.pth"


# --- what is there already ---------------------------------------------------------


def test_an_existing_file_is_replaced_only_when_asked(checkpoint, tmp_path):
    net, path = checkpoint
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="out.safetensors exists.*--overwrite") as caught:
        convert([path], net=net, out=out)
    assert "overwrite=True" in str(caught.value) and out.read_bytes() == b"precious"
    convert([path], net=net, out=out, overwrite=True)
    assert len(out.read_bytes()) > 1000


def _spell(path, kind):
    """Returns another spelling of a path."""
    other = path.with_name(f"{kind}.pth")
    match kind:
        case "symbolic":
            other.symlink_to(path)
        case "chain":
            (path.parent / "first").symlink_to(path)
            other.symlink_to(path.parent / "first")
        case "hard":
            os.link(path, other)
        case "folder":
            (path.parent / "sub").symlink_to(path.parent)
            other = path.parent / "sub" / path.name
        case "dots":
            other = path.parent / ".." / path.parent.name / "." / path.name
        case "relative":
            other = Path(os.path.relpath(path))
        case "same":
            other = path
    return other


SPELLINGS = ("same", "symbolic", "chain", "hard", "folder", "dots", "relative")


@pytest.mark.parametrize("kind", SPELLINGS)
def test_the_checkpoint_itself_is_never_replaced(checkpoint, kind):
    net, path = checkpoint
    before, out = path.read_bytes(), _spell(path, kind)
    for overwrite, error in ((True, ValueError), (False, (ValueError, FileExistsError))):
        with pytest.raises(error, match="is the checkpoint itself"):
            convert([path], net=net, out=out, overwrite=overwrite)
        with pytest.raises(error, match="is the checkpoint itself"):
            convert([out], net=net, out=path, overwrite=overwrite)
        assert path.read_bytes() == before and out.exists()


def test_the_file_of_labels_is_never_replaced(checkpoint, tmp_path):
    net, path = checkpoint
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    options = {"labels": tmp_path / "labels.txt", "overwrite": True}
    with pytest.raises(ValueError, match="or its labels"):
        convert([path], net=net, out=tmp_path / "labels.txt", **options)
    assert (tmp_path / "labels.txt").read_text() == "a\nb\nc\n"


def test_the_command_keeps_the_checkpoint(checkpoint, capsys):
    _, path = checkpoint
    before = path.read_bytes()
    words = ["convert", str(path), "--net", "vgg19", "--out", str(path)]
    for flags in ([], ["--overwrite"]):
        assert main([*words, *flags]) == 2
        assert "is the checkpoint itself" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_missing_folder_is_named_before_any_work(tmp_path):
    out = tmp_path / "nowhere" / "out.safetensors"
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere to write out.safetensors to"):
        convert([tmp_path / "no_checkpoint.pth"], net=write.tiny_net(), out=out)


def test_a_folder_is_no_output(checkpoint, tmp_path):
    net, path = checkpoint
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="folder is no file that could be replaced"):
        convert([path], net=net, out=tmp_path / "folder", overwrite=True)


def test_no_checkpoint_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="at least one checkpoint"):
        convert([], net="vgg11", out=tmp_path / "out")


def test_the_same_checkpoint_gives_the_same_bytes(checkpoint, tmp_path):
    net, path = checkpoint
    one, two = (convert([path], net=net, out=tmp_path / name) for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()


# --- flipped bytes -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["zip.pth", "caffe.npz", "compressed.npz", "packed.mat", "net.keras"]
)
def test_a_flipped_byte_among_the_numbers_is_seen(tmp_path, name):
    if name == "net.keras":
        pytest.importorskip("h5py")
    net = write.tiny_net()
    state = write.random_state(net)
    path = tmp_path / name
    FORMATS[name](path, net, state)
    body = path.read_bytes()
    numbers = read(path).tensors
    largest = max(numbers.values(), key=lambda tensor: tensor.read().size).read()
    at = body.find(np.ascontiguousarray(largest).tobytes())
    at = at + 100 if at >= 0 else len(body) // 2  # compressed: somewhere in the middle
    for bit in (1, 16):
        path.write_bytes(body[:at] + bytes([body[at] ^ bit]) + body[at + 1 :])
        with pytest.raises(CheckpointError, match=f"{name} is truncated or damaged"):
            convert([path], net=net, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_without_checksums_says_so(tmp_path):
    path = tmp_path / "net.pth"
    write.write_torch_zip(path, {"a.weight": np.zeros(2, np.float32)})
    body = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\3\4", 14), (b"PK\1\2", 16)):
        at = body.find(sign)
        while at >= 0:
            body[at + offset : at + offset + 4] = bytes(4)
            at = body.find(sign, at + 1)
    path.write_bytes(bytes(body))
    with pytest.raises(CheckpointError, match="has no checksums: save it again"):
        read(path)


# --- names -------------------------------------------------------------------------


def _zip_name(path):
    write.write_torch_zip(path, {f"{EVIL}.weight": np.zeros(2, np.float32)})


def _stream_name(path):
    write.write_torch_stream(path, {f"{EVIL}.weight": np.zeros(2, np.float32)})


def _npz_name(path):
    np.savez(path, **{f"{EVIL}/weight": np.zeros(2, np.float32)})


def _npz_object(path):
    np.savez(path, **{f"{EVIL}/weight": np.array([{}], object)})


def _safetensors_name(path):
    save_file({f"{EVIL}.weight": np.zeros(2, np.float32)}, path)


def _safetensors_leaf(path):
    save_file({f"{EVIL}.other": np.zeros(2, np.float32)}, path)


def _caffe_name(path):
    write.write_caffemodel(path, {f"{EVIL}/weight": np.zeros(2, np.float32)})


def _global_name(path):
    path.write_bytes(b"\x80\x04" + write._text("os") + write._text(EVIL) + b"\x93.")


NAMES = {
    "a.pth": _zip_name,
    "b.pth": _stream_name,
    "a.npz": _npz_name,
    "b.npz": _npz_object,
    "a.safetensors": _safetensors_name,
    "b.safetensors": _safetensors_leaf,
    "a.caffemodel": _caffe_name,
    "c.pth": _global_name,
}


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_file_are_shown_escaped_and_cut(tmp_path, name):
    path = tmp_path / name
    NAMES[name](path)
    with pytest.raises(ValueError) as caught:
        convert([path], net=write.tiny_net(), out=tmp_path / "out")
    text = str(caught.value)
    assert re.search(SHOWN if name != "c.pth" else r"os\.\\x1b\[31mred", text), text
    assert "\x1b" not in text and "\r" not in text and "\nerror" not in text
    assert max(map(len, text.splitlines())) < 400


@pytest.mark.parametrize("name", ["\x1b[31mred\nforged.pth", "x" * 200 + ".pth"])
def test_names_of_files_are_shown_escaped_and_cut(checkpoint, tmp_path, name):
    net, good = checkpoint
    bad = tmp_path / name
    for body in (b"no checkpoint", good.read_bytes()[:-30], b"\x80\2cos\nsystem\n."):
        bad.write_bytes(body)
        with pytest.raises(CheckpointError) as caught:
            convert([bad], net=net, out=tmp_path / "out")
        text = str(caught.value)
        assert text.isprintable() and name not in text and "x" * 81 not in text
    bad.write_bytes(good.read_bytes())
    with pytest.raises(ValueError, match="names differ") as caught:
        convert([bad], net=write.tiny_net(norm=True), out=tmp_path / "out")
    text = str(caught.value)
    assert text.replace("\n  ", "").isprintable() and "x" * 81 not in text


# --- files that are no files -------------------------------------------------------


def _fifo(path):
    os.mkfifo(path)
    return path


SPECIAL = {
    "fifo": (_fifo, "is a pipe or a device"),
    "device": (lambda path: "/dev/zero", "is a pipe or a device"),
    "folder": (lambda path: path.mkdir() or path, "is a folder"),
    "empty": (lambda path: path.touch() or path, "is empty"),
}


def _in_time(function):
    """Runs a function that must not block."""
    done = []
    thread = threading.Thread(target=lambda: done.append(function()), daemon=True)
    thread.start()
    thread.join(20)
    assert done, "it blocks"


@pytest.mark.parametrize("kind", SPECIAL)
def test_only_regular_files_are_opened(checkpoint, tmp_path, kind):
    net, good = checkpoint
    make, message = SPECIAL[kind]
    path = make(tmp_path / "special")

    def both():
        with pytest.raises(CheckpointError, match=message):
            convert([path], net=net, out=tmp_path / "out")
        with pytest.raises(ValueError, match=message):
            convert([good], net=net, out=tmp_path / "out", labels=path)
        return True

    _in_time(both)
    assert not (tmp_path / "out").exists()


def test_labels_that_are_no_text_are_named(checkpoint, tmp_path):
    net, path = checkpoint
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="labels.txt is no text in UTF-8"):
        convert([path], net=net, out=tmp_path / "out", labels=tmp_path / "labels.txt")
