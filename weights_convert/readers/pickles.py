"""A pickle read as data: no object is built, no name is imported, nothing is called.

Pickle is a program for a stack machine. This one knows the instructions that make
numbers, strings, tuples, lists and dicts; a name outside the allow-list below, or any
other instruction, is refused. What torch rebuilds with functions becomes a `Tensor`, a
description of bytes elsewhere in the file.
"""

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from jaxvis.escape import escape
from weights_convert.checkpoint import CheckpointError, DamageError, Refusal
from weights_convert.readers.bounds import Budget
from weights_convert.readers.pickled_tensors import (
    ALLOWED,
    STORAGES,
    Name,
    Storage,
    Tensor,
    check_count,
    make_tensor,
    make_view,
)

MAX_INSTRUCTIONS = 200_000
"""Instructions of the longest pickle; a tensor takes about 40, and networks have hundreds."""
MAX_KEY = 2**32
"""Integers from here on are no keys: many that collide would take minutes to store."""
NOTHING = ("PROTO", "FRAME", "STOP")
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


def load(stream: BinaryIO) -> Any:
    """Returns the value of one pickle: dicts, lists, numbers, strings and `Tensor`s.

    Args:
      stream: where the pickle begins; left right behind it.

    Raises:
      DamageError: if it is damaged.
      CheckpointError: if it is too long.
      Refusal: if it asks for anything that is not allowed.
    """
    machine, budget = _Machine(), Budget(MAX_INSTRUCTIONS, "instructions")
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            budget.spend(1)
            machine.step(opcode.name, argument)
        (value,) = machine.stack
    except CheckpointError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {escape(str(error))}"
        raise DamageError(f"its pickle breaks off or makes no sense ({reason})") from error
    return value


class _Machine:
    """The stack machine; `step` carries out one instruction."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[str | int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in NOTHING:
            return
        if name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            size = TUPLES[name]
            stack.append(tuple(stack.pop() for _ in range(size))[::-1])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[_check_key(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name == "GLOBAL":
            stack.append(_look_up(*argument.split(" ", 1)))
        elif hasattr(self, f"_op_{name.lower()}"):
            getattr(self, f"_op_{name.lower()}")()
        else:
            raise _refuse(f"the pickle instruction {name}")

    def _op_mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _pop_items(self) -> list[Any]:
        """Returns what was pushed since the last mark, and drops the mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def _op_tuple(self) -> None:
        items = tuple(self._pop_items())
        self.stack.append(items)

    def _op_list(self) -> None:
        items = self._pop_items()
        self.stack.append(items)

    def _op_dict(self) -> None:
        items = self._pop_items()
        self.stack.append({})
        self._set_items(items)

    def _op_append(self) -> None:
        item = self.stack.pop()
        self._top_list().append(item)

    def _op_appends(self) -> None:
        items = self._pop_items()
        self._top_list().extend(items)

    def _op_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _op_setitems(self) -> None:
        items = self._pop_items()
        self._set_items(items)

    def _op_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_look_up(module, name))

    def _op_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self._rebuild(function, arguments))

    _op_newobj = _op_reduce

    def _op_build(self) -> None:
        # torch hangs `_metadata` on dicts and hooks on parameters: of no use here.
        self.stack.pop()
        if not isinstance(self.stack[-1], dict | Tensor):
            raise _refuse("an object with a state")

    def _op_binpersid(self) -> None:
        match self.stack.pop():
            case ("storage", Name(name), str(key), _, int(numel), *rest):
                kind = name.removeprefix("torch.")
                dtype, count = np.dtype(STORAGES[kind]), check_count(numel)
                view = make_view(rest[0], count) if rest and rest[0] else None
                self.stack.append(Storage(key, dtype, count, view))
            case other:
                kind = other[0] if isinstance(other, tuple) and other else other
                raise _refuse(f"a persistent object, {escape(kind)}")

    def _top_list(self) -> list[Any]:
        if not isinstance(self.stack[-1], list):
            raise TypeError("append to something that is not a list")
        return self.stack[-1]

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError("items for something that is not a dict")
        for key, value in zip(items[::2], items[1::2]):
            target[_check_key(key)] = value

    def _rebuild(self, function: Any, arguments: Any) -> Any:
        kind = ALLOWED.get(function.name) if isinstance(function, Name) else None
        match kind, arguments:
            case "dict", ():
                return {}
            case "dict", (list(pairs),):
                self.stack.append({})
                self._set_items([part for key, value in pairs for part in (key, value)])
                return self.stack.pop()
            case "tensor", (Storage() as storage, offset, size, strides, *_):
                return make_tensor(storage, offset, size, strides)
            case "parameter", (Tensor() as tensor, *_):
                return tensor
            case "size", (list() | tuple() as sizes,):
                return tuple(sizes)
        raise _refuse("a call that no tensor needs")


def _check_key(key: Any) -> str | int:
    # Tuples of tuples of one tuple take for ever to hash.
    if not isinstance(key, str | int):
        raise TypeError(f"a dict key of type {type(key).__name__}")
    if isinstance(key, int) and not -MAX_KEY < key < MAX_KEY:
        raise ValueError("a key of more than 32 bits")
    return key


def _look_up(module: Any, name: Any) -> Name:
    full = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else ""
    if full not in ALLOWED:
        raise _refuse(escape(full) if full else "a name that is no text")
    return Name(full)


def _refuse(what: str) -> Refusal:
    """Returns the error for what no tensor needs."""
    return Refusal(
        f"asks for {what}, which may run code: refused, nothing was run. Only tensors and "
        "dicts are read; save model.state_dict() alone"
    )
