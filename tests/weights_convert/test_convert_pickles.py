"""A pickle that tries to run code runs nothing; without tensors beside, it is refused."""

import copyreg
import functools
import os
import pickle
import subprocess
import sys

import checkpoint_writers as write
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weights_convert import convert
from weights_convert.readers import pickles
from weights_convert.readers.detect import read
from weights_convert.readers.pickled_tensors import ALLOWED

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def payloads(marker):
    """Returns names -> pickles that would write the file `marker`."""
    touch = f"open({str(marker)!r}, 'w').close()"
    shell = f"touch {marker}".encode()
    calls = {
        "system": Call(os.system, shell.decode()),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "popen": Call(subprocess.Popen, ("touch", str(marker))),
        "partial": Call(functools.partial(exec, touch)),
        "getattr": Call(getattr, os, "system"),
    }
    made = {
        f"{name}{protocol}": pickle.dumps({"a.weight": call}, protocol)
        for name, call in calls.items()
        for protocol in range(6)
        if name != "getattr"
    }
    open_marker = b"(S" + repr(str(marker)).encode() + b"\nS'w'\n"
    made |= {
        "inst": open_marker + b"ibuiltins\nopen\n.",
        "obj": b"(cbuiltins\nopen\n" + open_marker[1:] + b"o.",
        "text": b"cposix\nsystem\n(S" + repr(shell.decode()).encode() + b"\ntR.",
        "python2": b"c__builtin__\nopen\n" + open_marker + b"tR.",
        "class": b"\x80\x02ctorchvision.models.vgg\nVGG\n)\x81.",
        "numpy": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.",
        "code": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__K\x00sb.",
        "attribute": b"\x80\x04\x8c\x05torch\x8c\x10_utils.os.system\x93.",
        "hidden": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        "extension": b"\x80\x02\x82\x07)R.",
        "persistent": b"\x80\x02(X\x06\x00\x00\x00modulecos\nsystem\ntQ.",
    }
    return made


NAMES = sorted(payloads("x"))
CONTAINERS = {
    "bare": lambda p, body: p.write_bytes(body),
    "zip": lambda p, body: write.write_torch_zip(p, {"a": ARRAY}, pickle=body),
    "stream": lambda p, body: write.write_torch_stream(p, {"a": ARRAY}, pickle=body),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path, container, name):
    marker, path = tmp_path / "ran", tmp_path / "evil.pth"
    CONTAINERS[container](path, payloads(marker)[name])
    with pytest.raises(pickles.Refusal, match="refused, nothing was run"):
        read(path)
    assert not marker.exists()


def test_the_payloads_do_run_in_an_ordinary_unpickler(tmp_path):
    # Without this the test above could pass on payloads that never work.
    made = payloads(tmp_path / "ran")
    for name in ("system2", "eval0", "exec5", "inst", "obj", "text"):
        code = f"import pickle; pickle.loads({made[name]!r})"
        subprocess.run([sys.executable, "-S", "-c", code], check=True)
        (tmp_path / "ran").unlink()  # fails if the payload wrote nothing


def test_registered_extensions_are_not_looked_up(tmp_path):
    copyreg.add_extension("os", "system", 7)
    try:
        (tmp_path / "e.pth").write_bytes(b"\x80\x02\x82\x07X\x01\x00\x00\x00x\x85R.")
        with pytest.raises(pickles.Refusal, match="asks for a registered extension"):
            read(tmp_path / "e.pth")
    finally:
        copyreg.remove_extension("os", "system", 7)


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_beside_good_tensors_is_skipped_and_runs_nothing(tmp_path, name):
    marker, path = tmp_path / "ran", tmp_path / "evil.pth"
    evil = payloads(marker)[name]
    start = 2 if evil[:1] == b"\x80" else 0
    if name.endswith(("4", "5")):  # behind the protocol they have a frame, of some length
        start += 9
    write.write_torch_zip(path, {"a.weight": ARRAY}, before=evil[start:-1] + b"0")
    np.testing.assert_array_equal(read(path).tensors["a.weight"].read(), ARRAY)
    assert not marker.exists()


def test_a_weight_that_is_a_payload_is_never_read(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "evil.pth"
    net = write.tiny_net()
    flat = write.outer_first(net, write.random_state(net))
    body = write.state_pickle({n: a for n, a in flat.items() if n != "fc7.weight"})
    evil = write._text("fc7.weight") + payloads(marker)["system2"][2:-1]
    # Into the items of the state, behind its MARK.
    at = body.index(b"q\x00(") + 3
    write.write_torch_zip(path, flat, pickle=body[:at] + evil + body[at:])
    with pytest.raises(ValueError, match="missing fc7/kernel") as caught:
        convert([path], net=net, out=tmp_path / "out.safetensors")
    assert "system, which was not run: save model.state_dict()" in str(caught.value)
    assert not marker.exists() and not (tmp_path / "out.safetensors").exists()


def test_a_refusal_names_what_was_asked_for_and_the_way_out(tmp_path):
    (tmp_path / "m.pth").write_bytes(payloads("x")["class"])
    message = "torchvision.models.vgg.VGG.*refused.*save model.state_dict"
    with pytest.raises(pickles.Refusal, match=message):
        convert([tmp_path / "m.pth"], net="vgg16", out=tmp_path / "o.safetensors")
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize(
    "arguments",
    [b"(K\x01K\x02K\x03t", b")", b"(NNNNt", b"K\x01", b"]", b"}"],
    ids=["numbers", "none", "nothing", "one", "list", "dict"],
)
def test_allowed_names_with_odd_arguments_are_refused(tmp_path, arguments):
    for name in ALLOWED:
        module, _, function = name.rpartition(".")
        body = b"\x80\x02c" + f"{module}\n{function}\n".encode() + arguments + b"R."
        (tmp_path / "odd.pth").write_bytes(body)
        with pytest.raises(ValueError, match="odd.pth"):
            read(tmp_path / "odd.pth")


def test_nested_tuples_as_keys_do_not_hang(tmp_path):
    # 2^60 visits if anything hashed it.
    body = b"\x80\x02}K\x00\x85q\x00" + b"0h\x00h\x00\x86q\x00" * 60 + b"K\x01s."
    (tmp_path / "k.pth").write_bytes(body)
    with pytest.raises(ValueError, match="k.pth is a pickle, but not one of torch.save's"):
        read(tmp_path / "k.pth")


@pytest.mark.parametrize("container", ["zip", "stream"])
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, container):
    view = b"N" if container == "stream" else b""
    body = b"\x80\x02}" + write._text("a.weight")
    body += write.tensor_pickle("0", ARRAY, shape=(3, 3), view=view) + b"s."
    CONTAINERS[container](tmp_path / "a.pth", body)
    with pytest.raises(ValueError, match=r"\(3, 3\) reaches number 8 of a storage of 6"):
        read(tmp_path / "a.pth")


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_damaged_pickles_raise_only_value_errors(tmp_path_factory, data):
    body = bytearray(write.state_pickle({"a.weight": ARRAY, "a.bias": ARRAY[0]}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    body = bytes(body[: data.draw(st.integers(0, len(body)))])
    path = tmp_path_factory.mktemp("fuzz") / "f.pth"
    write.write_torch_stream(path, {"a": ARRAY, "b": ARRAY[0]}, pickle=body)
    try:
        for tensor in read(path).tensors.values():
            tensor.read()
    except ValueError as error:
        assert str(path) in str(error)
