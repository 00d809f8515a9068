"""A pickle read as data: no object is built, no name is imported, nothing is called.

Pickle is a program for a stack machine. This one knows the instructions that make
numbers, strings, tuples, lists and dicts; a name outside the allow-list below, or any
other instruction, is refused. What torch rebuilds with functions becomes a `Tensor`, a
description of bytes elsewhere in the file.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np

STORAGES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": jnp.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
ALLOWED = {
    "collections.OrderedDict": "dict",
    "torch._utils._rebuild_tensor": "tensor",
    "torch._utils._rebuild_tensor_v2": "tensor",
    "torch._utils._rebuild_parameter": "parameter",
    "torch._utils._rebuild_parameter_with_state": "parameter",
    "torch.nn.parameter.Parameter": "parameter",
    "torch.nn.Parameter": "parameter",
    "torch.Size": "size",
} | {f"torch.{name}": "storage" for name in STORAGES}
"""Names that a checkpoint of tensors uses, and what each stands for here."""

NOTHING = ("PROTO", "FRAME")
VALUES = (
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "INT",
    "LONG",
    "BINFLOAT",
    "FLOAT",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "UNICODE",
    "BINSTRING",
    "SHORT_BINSTRING",
    "STRING",
    "BINBYTES",
    "SHORT_BINBYTES",
)
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Refused(ValueError):
    """The file asks for something that tensors do not need; nothing of it was done."""


@dataclass(frozen=True)
class Name:
    """Returns a name that the pickle mentions, never what it names."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Returns a run of numbers in the file: `numel` of `dtype` under `key`."""

    key: str
    dtype: np.dtype
    numel: int
    view: tuple[int, int] | None = None
    """Offset and length of the part that is meant, in numbers."""


@dataclass(frozen=True)
class Tensor:
    """Returns a strided look at a storage; offset and strides in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load(stream: BinaryIO, path: Path) -> Any:
    """Returns the value of one pickle: dicts, lists, numbers, strings and `Tensor`s.

    Args:
      stream: where the pickle begins; left right behind it.
      path: the file, for errors.

    Raises:
      ValueError: if it is damaged, or asks for anything that is not allowed.
    """
    machine = _Machine(path)
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            machine.step(opcode.name, argument)
        (value,) = machine.stack
    except Refused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(
            f"{path} is truncated or damaged: its pickle breaks off or makes no sense "
            f"({type(error).__name__}: {error})"
        ) from None
    return value


class _Machine:
    """The stack machine; `step` carries out one instruction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in NOTHING or name == "STOP":
            return
        if name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            size = TUPLES[name]
            stack.append(tuple(stack.pop() for _ in range(size))[::-1])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name == "GLOBAL":
            stack.append(self._name(*argument.split(" ", 1)))
        elif hasattr(self, f"_op_{name.lower()}"):
            getattr(self, f"_op_{name.lower()}")()
        else:
            raise self._refused(f"the pickle instruction {name}")

    def _op_mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _items(self) -> list[Any]:
        """Returns what was pushed since the last mark, and drops the mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def _op_tuple(self) -> None:
        items = tuple(self._items())
        self.stack.append(items)

    def _op_list(self) -> None:
        items = self._items()
        self.stack.append(items)

    def _op_dict(self) -> None:
        items = self._items()
        self.stack.append({})
        self._set(items)

    def _op_append(self) -> None:
        item = self.stack.pop()
        self._list().append(item)

    def _op_appends(self) -> None:
        items = self._items()
        self._list().extend(items)

    def _op_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _op_setitems(self) -> None:
        items = self._items()
        self._set(items)

    def _op_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self._name(module, name))

    def _op_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self._made(function, arguments))

    _op_newobj = _op_reduce

    def _op_build(self) -> None:
        # torch hangs `_metadata` on dicts and hooks on parameters: of no use here.
        self.stack.pop()
        if not isinstance(self.stack[-1], dict | Tensor):
            raise self._refused("an object with a state")

    def _op_binpersid(self) -> None:
        match self.stack.pop():
            case ("storage", Name(name), str(key), _, int(numel), *rest):
                kind = name.removeprefix("torch.")
                dtype, count = np.dtype(STORAGES[kind]), _count(numel)
                view = _view(rest[0], count) if rest and rest[0] else None
                self.stack.append(Storage(key, dtype, count, view))
            case other:
                kind = other[0] if isinstance(other, tuple) and other else other
                raise self._refused(f"a persistent object {kind!r}")

    def _list(self) -> list[Any]:
        if not isinstance(self.stack[-1], list):
            raise TypeError("append to something that is not a list")
        return self.stack[-1]

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError("items for something that is not a dict")
        for key, value in zip(items[::2], items[1::2]):
            # Tuples of tuples of one tuple take for ever to hash.
            if not isinstance(key, str | int):
                raise TypeError(f"a dict key of type {type(key).__name__}")
            target[key] = value

    def _name(self, module: Any, name: Any) -> Name:
        full = f"{module}.{name}"
        if full not in ALLOWED:
            raise self._refused(full)
        return Name(full)

    def _made(self, function: Any, arguments: Any) -> Any:
        kind = ALLOWED.get(function.name) if isinstance(function, Name) else None
        match kind, arguments:
            case "dict", ():
                return {}
            case "dict", (list(pairs),):
                self.stack.append({})
                self._set([part for key, value in pairs for part in (key, value)])
                return self.stack.pop()
            case "tensor", (Storage() as storage, offset, size, strides, *_):
                return _tensor(storage, offset, size, strides)
            case "parameter", (Tensor() as tensor, *_):
                return tensor
            case "size", (list() | tuple() as sizes,):
                return tuple(sizes)
        raise self._refused("a call that no tensor needs")

    def _refused(self, what: str) -> Refused:
        return Refused(
            f"{self.path} asks for {what}, which may run code: refused, nothing was "
            "run. Only tensors and dicts are read; save model.state_dict() alone"
        )


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no size")
    return value


def _view(metadata: Any, numel: int) -> tuple[int, int]:
    """Returns offset and length of a part of a storage, in numbers."""
    _, offset, size = metadata
    if _count(offset) + _count(size) > numel:
        raise ValueError(f"a view of {size} at {offset} of a storage of {numel}")
    return offset, size


def _tensor(storage: Storage, offset: Any, size: Any, strides: Any) -> Tensor:
    """Returns a tensor that lies inside its storage.

    Raises:
      ValueError: if it reaches beyond.
    """
    shape = tuple(_count(n) for n in size)
    steps = tuple(_count(n) for n in strides)
    start = _count(offset)
    if len(shape) != len(steps):
        raise ValueError(f"{len(shape)} sizes and {len(steps)} strides")
    last = start + sum((n - 1) * step for n, step in zip(shape, steps))
    available = storage.numel if storage.view is None else storage.view[1]
    if 0 not in shape and last >= available:
        raise ValueError(f"a tensor {shape} reaches number {last} of a storage of {available}")
    return Tensor(storage, start, shape, steps)
