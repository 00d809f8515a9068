"""Checkpoints as training scripts leave them: wrapped, prefixed, beside anything else."""

import argparse
import collections
import datetime
import decimal
import json
import pathlib

import checkpoint_writers as write
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxvis.weights import file as weights_file
from tests.people_save import Instructions, Object, make_module, save
from weights_convert import convert

NET = write.tiny_net(norm=True)
STATE = write.random_state(NET)
FLAT = write.outer_first(NET, STATE)
OTHER = {name: array + 1 for name, array in FLAT.items()}
MOMENTS = {i: {"step": 7, "exp_avg": a, "exp_avg_sq": a} for i, a in enumerate(FLAT.values())}
OMEGACONF = Instructions(
    b"comegaconf.dictconfig\nDictConfig\n)\x81}(X\x08\0\0\0_content}X\x02\0\0\0lrG?\xb9\x99\x99"
    b"\x99\x99\x99\x9as" + b"X\x07\0\0\0_parentNub"
)

FOREIGN = {
    "nothing": {},
    "counters": {"epoch": 3, "best": 0.5, "done": True, "name": "run", "scheduler": None},
    "tensors": {
        "loss": np.float32([0.5]),
        "step": np.array(7),
        "prototypes": np.ones((3, 5), "f4"),
    },
    "optimizer": {"optimizer": {"state": MOMENTS, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}},
    "numpy": {"score": Object(np.float64(0.5)), "history": Object(np.arange(3.0))},
    "arguments": {"args": Object(argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("/tmp")))},
    "omegaconf": {"cfg": OMEGACONF},
    "dates": {"when": Object(datetime.datetime(2024, 1, 1)), "sum": Object(decimal.Decimal("1.5"))},
    "collections": {
        "seen": Object({1, 2}),
        "counts": Object(collections.Counter("aab")),
        "groups": Object(collections.defaultdict(list, a=[1])),
        "keys": {(1, 2): 3, 2.5: 4, 2**70: 5, None: 6},
        "more": Object([frozenset([1]), complex(1, 2), b"bytes", bytearray(3), slice(1, 2)]),
    },
    "call": {"hook": Instructions(b"cos\nsystem\nX\4\0\0\0exit\x85R")},
}

WRAPPERS = {
    "plain": lambda state, more: {**state, **more},
    **{
        name: lambda state, more, name=name: {name: state, **more}
        for name in ("state_dict", "model_state_dict", "net", "weights", "network_state", "G")
    },
    "behind": lambda state, more: {**more, "model": state},
    "nested": lambda state, more: {"checkpoint": {"model": {"module": state}, **more}},
    "list": lambda state, more: [{"model": state, **more}],
    "tuple": lambda state, more: (state, more),
    "layers": lambda state, more: {"params": _nest(state), **more},
}

PREFIXES = ("", "module.", "model.", "_orig_mod.", "module._orig_mod.", "backbone.", "my.own.net.")


def _nest(state):
    tree = {}
    for name, array in state.items():
        layer, _, leaf = name.rpartition(".")
        tree.setdefault(layer, {})[leaf] = array
    return tree


def _check(path, expected=STATE, **options):
    out = convert([path], net=NET, out=path.with_suffix(".out"), **options)
    found = load_file(out)
    for row, leaves in expected.items():
        for leaf, array in leaves.items():
            np.testing.assert_array_equal(found[f"{row}/{leaf}"], array, f"{row}/{leaf}")
    return weights_file.read_metadata(out)


def _refuse(path, message, **options):
    with pytest.raises(ValueError, match=message) as caught:
        convert([path], net=NET, out=path.with_suffix(".out"), **options)
    assert path.name in str(caught.value) and not path.with_suffix(".out").exists()
    return str(caught.value)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_weights_are_found_wherever_they_are(tmp_path, wrapper, prefix):
    state = {prefix + name: array for name, array in FLAT.items()}
    state[prefix + "bn1.num_batches_tracked"] = np.array(7)
    # Every pair of a wrapper and a prefix meets some other foreign object.
    at = list(WRAPPERS).index(wrapper) + 3 * PREFIXES.index(prefix)
    more = FOREIGN[list(FOREIGN)[at % len(FOREIGN)]]
    save(tmp_path / "net.pth", WRAPPERS[wrapper](state, more))
    facts = _check(tmp_path / "net.pth")
    assert facts["part"].endswith(prefix.rstrip("."))


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("wrapper", ["plain", "state_dict"])
def test_foreign_things_beside_the_weights_are_skipped(tmp_path, wrapper, foreign):
    save(tmp_path / "net.pth", WRAPPERS[wrapper](FLAT, FOREIGN[foreign]))
    facts = _check(tmp_path / "net.pth")
    if foreign == "tensors":
        assert "not of tiny, and left out: loss, step, prototypes" in facts["notes"]


@pytest.mark.parametrize("suffix", ["ckpt", "pt", "bin"])
def test_other_endings_are_read(tmp_path, suffix):
    save(tmp_path / f"net.{suffix}", {"state_dict": FLAT})
    _check(tmp_path / f"net.{suffix}")


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_prefixes_are_found_in_files_of_arrays(tmp_path, ending):
    flat = {f"student.{name}": array for name, array in FLAT.items()}
    path = tmp_path / f"net.{ending}"
    save_file(flat, path) if ending == "safetensors" else np.savez(path, **flat)
    assert _check(path)["part"] == "student"


INSIDE = {
    "in the middle": {n.replace("conv1.", "conv1.module."): a for n, a in FLAT.items()},
    "compiled part": {n.replace("fc", "_orig_mod.fc"): a for n, a in FLAT.items()},
    "two parts": {("head." if "fc" in n else "trunk.") + n: a for n, a in FLAT.items()},
    "one layer": {("resnet." if "conv" in n else "") + n: a for n, a in FLAT.items()},
}


@pytest.mark.parametrize("name", INSIDE)
def test_words_inside_of_names_are_left_out(tmp_path, name):
    save(tmp_path / "net.pth", {"state_dict": INSIDE[name]})
    assert "left out of the names" in _check(tmp_path / "net.pth")["notes"]


def test_a_head_in_a_sequential_is_found(tmp_path):
    flat = {name.replace("fc7.", "fc7.1."): array for name, array in FLAT.items()}
    save(tmp_path / "net.pth", flat)
    _check(tmp_path / "net.pth")
    flat["fc7.3.weight"] = np.zeros((3, 3), np.float32)
    save(tmp_path / "two.pth", flat)
    assert "extra fc7.3.weight" in _refuse(tmp_path / "two.pth", "missing fc7/kernel")


# --- strays ------------------------------------------------------------------------

STRAYS = {
    "loss.center": (3, 5),
    "projector.0.weight": (4, 5),
    "backbone.conv1.weight": (4, 3, 3, 3),
    "conv1.total_ops": (1,),
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_tensor_is_told_and_left_out(tmp_path, name):
    save(tmp_path / "net.pth", FLAT | {name: np.ones(STRAYS[name], np.float32)})
    assert f"left out: {name}" in _check(tmp_path / "net.pth")["notes"]


def test_many_strays_are_counted(tmp_path):
    more = {f"decoder.{i}.weight": np.ones((2, 2), np.float32) for i in range(9)}
    save(tmp_path / "net.pth", FLAT | more)
    assert "decoder.2.weight and 6 more" in _check(tmp_path / "net.pth")["notes"]


@pytest.mark.parametrize("name", ["conv3.weight", "fc7.gate", "bn2.running_mean"])
def test_what_may_be_a_weight_of_the_network_is_an_error(tmp_path, name):
    save(tmp_path / "net.pth", FLAT | {name: np.ones((4, 4), np.float32)})
    _refuse(tmp_path / "net.pth", rf"extra {name} \(4, 4\) in net.pth")


# --- several sets ------------------------------------------------------------------

SETS = {
    "timm": ({"state_dict": FLAT, "state_dict_ema": OTHER, "epoch": 3}, "ema"),
    "lightning": (
        {
            "state_dict": {f"net.{n}": a for n, a in FLAT.items()}
            | {f"teacher.{n}": a for n, a in OTHER.items()}
        },
        "teacher",
    ),
}


@pytest.mark.parametrize("name", ["timm", "lightning"])
def test_one_of_several_sets_of_weights_is_chosen_by_name(tmp_path, name):
    tree, part = SETS[name]
    save(tmp_path / "net.pth", tree)
    text = _refuse(tmp_path / "net.pth", "holds 2 sets of weights of tiny, behind")
    assert len(text.splitlines()) == 1 and f"(--part {list(tree)[0]}" in text or part in text
    other = {row: {n: a + 1 for n, a in leaves.items()} for row, leaves in STATE.items()}
    facts = _check(tmp_path / "net.pth", other, part=part)
    assert part in facts["part"]
    first = {"timm": "state_dict", "lightning": "net"}[name]
    assert _check(tmp_path / "net.pth", part=first, overwrite=True)["part"].endswith(first)


def test_the_module_of_an_average_is_a_set(tmp_path):
    average = {f"module.{n}": a for n, a in OTHER.items()} | {"n_averaged": np.array(7)}
    save(tmp_path / "net.pth", {"model": FLAT, "model_ema": average})
    _refuse(tmp_path / "net.pth", r"behind model, model_ema.module: choose one, such as part=")
    assert _check(tmp_path / "net.pth", part="model")["part"] == "model"


def test_a_part_that_is_not_there_is_told(tmp_path):
    save(tmp_path / "net.pth", {"state_dict": FLAT})
    _refuse(
        tmp_path / "net.pth",
        "no part 'ema' with weights of tiny; there are: state_dict",
        part="ema",
    )


def test_a_larger_network_with_the_same_names_is_not_chosen(tmp_path):
    larger = {n: np.concatenate([a, a]) if a.ndim else a for n, a in FLAT.items()}
    student = {f"student.{n}": a for n, a in FLAT.items()}
    save(tmp_path / "net.pth", student | {f"teacher.{n}": a for n, a in larger.items()})
    assert _check(tmp_path / "net.pth")["part"] == "student"


# --- whole modules, and weights that are not there ----------------------------------


def _modules(flat):
    layers = collections.defaultdict(dict)
    for name, array in flat.items():
        layer, _, leaf = name.rpartition(".")
        layers[layer][leaf] = array
    return {
        layer: make_module("torch.nn.modules.Layer", leaves) for layer, leaves in layers.items()
    }


def test_a_whole_pickled_module_is_read_as_data(tmp_path):
    whole = make_module("my_project.models.Net", {}, _modules(FLAT))
    save(tmp_path / "net.pth", {"epoch": 3, "ema": whole})
    assert _check(tmp_path / "net.pth")["part"] == "ema"


MADE = {
    "made by a function": (
        Instructions(b"cmy_project\nload_weights\n)R"),
        "made by my_project.load_weights, which was not run: save model.state_dict",
    ),
    "quantised": (
        Instructions(b"ctorch._utils\n_rebuild_qtensor\n)R"),
        r"holds a quantised network \(fc7.weight\), whose numbers are codes and not weights",
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_weight_that_is_a_foreign_object_is_refused(tmp_path, name):
    value, message = MADE[name]
    save(tmp_path / "net.pth", FLAT | {"fc7.weight": value})
    assert "missing fc7/kernel" in _refuse(tmp_path / "net.pth", message)


def test_a_file_of_foreign_objects_alone_is_refused(tmp_path):
    save(tmp_path / "net.pth", {"model": Instructions(b"cmy_project\nNet\n)\x81}b")})
    _refuse(
        tmp_path / "net.pth",
        r"asks for my_project.Net, which may run code: refused, nothing was run.*"
        r"save model.state_dict\(\) alone",
    )


QUANTISED = {
    "bitsandbytes": {"fc6.SCB": np.ones(5, "f4")},
    "gptq": {"fc6.qweight": np.ones((2, 2), "f4"), "fc6.qzeros": np.ones(2, "f4")},
    "nf4": {"fc6.weight.absmax": np.ones(2, "f4")},
    "torch": {"conv1.zero_point": np.zeros(1, "f4")},
}


@pytest.mark.parametrize("name", QUANTISED)
def test_quantised_weights_are_refused_by_name(tmp_path, name):
    flat = {n: a for n, a in FLAT.items() if not n.startswith("fc6")} | QUANTISED[name]
    save(tmp_path / "net.pth", flat)
    sign = next(iter(QUANTISED[name]))
    _refuse(tmp_path / "net.pth", rf"it holds a quantised network \({sign}\)")


def test_codes_of_eight_bits_are_refused(tmp_path):
    codes = {"fc6.weight": np.ones((5, 36), np.int8)}
    save_file(FLAT | codes, tmp_path / "net.safetensors")
    _refuse(tmp_path / "net.safetensors", r"quantised network \(fc6.weight of int8\)")


def test_a_network_without_its_head_names_the_tap(tmp_path):
    flat = {n: a for n, a in FLAT.items() if not n.startswith("fc7")}
    save(tmp_path / "net.pth", {"backbone": flat, "projector": {"0.weight": np.ones((2, 5), "f4")}})
    _refuse(tmp_path / "net.pth", r"its last layers are missing: .* stop='relu6' \(--stop relu6\)")
    state = {row: leaves for row, leaves in STATE.items() if row != "fc7"}
    assert "projector.0.weight" in _check(tmp_path / "net.pth", state, stop="relu6")["notes"]


def test_a_long_list_of_differences_is_cut(tmp_path):
    more = {f"conv{i}.weight": np.ones((4, 4), np.float32) for i in range(10, 70)}
    save(tmp_path / "net.pth", FLAT | more)
    lines = _refuse(tmp_path / "net.pth", "is not tiny: 60 names differ").splitlines()
    assert lines[-1].strip() == "and 20 more" and len(lines) == 42


def test_facts_are_kept_as_json(tmp_path):
    save(tmp_path / "net.pth", FLAT)
    facts = _check(tmp_path / "net.pth")
    assert (facts["classes"], facts["channels"], facts["part"]) == ("3", "3", "")
    assert json.loads(facts["input_size"]) == [8, 12] and json.loads(facts["notes"]) == []
