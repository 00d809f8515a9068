"""Pickles as training scripts write them, made without torch.

A tree of dicts, lists, tuples, numbers and texts becomes a pickle in which every NumPy array
is a tensor of torch's, and every `Object` is what Python's own pickle makes of it.
"""

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests import checkpoint_writers as write


@dataclass(frozen=True)
class Object:
    """Any Python object, pickled as it is."""

    value: Any


@dataclass(frozen=True)
class Instructions:
    """Instructions of a pickle, which leave one value on the stack."""

    body: bytes


def make_module(name, parameters, modules=()):
    """Returns the instructions of a whole torch module, a class of the user's own."""
    state = {
        "training": False,
        "_parameters": dict(parameters),
        "_buffers": {},
        "_modules": dict(modules),
    }
    return name, state


class _Writer:
    def __init__(self):
        self.arrays = {}

    def write(self, value):
        match value:
            case Instructions(body):
                return body
            case Object(inner):
                return pickle.dumps(inner, 2)[2:-1]
            case np.ndarray():
                key = str(len(self.arrays))
                self.arrays[key] = value
                return write.tensor_pickle(key, value)
            case (str(name), {"_modules": _} as state):
                module, _, kind = name.rpartition(".")
                return f"c{module}\n{kind}\n)\x81".encode("latin-1") + self.write(state) + b"b"
            case dict():
                items = b"".join(self.write(k) + self.write(v) for k, v in value.items())
                return b"}(" + items + b"u"
            case list():
                return b"](" + b"".join(map(self.write, value)) + b"e"
            case tuple():
                return b"(" + b"".join(map(self.write, value)) + b"t"
            case str():
                return write._text(value)
        return pickle.dumps(value, 2)[2:-1]


def save(path, tree):
    """Writes a tree in torch's zip container, as torch.save does."""
    writer = _Writer()
    body = b"\x80\x02" + writer.write(tree) + b"."
    write.write_torch_zip(path, writer.arrays, pickle=body)
