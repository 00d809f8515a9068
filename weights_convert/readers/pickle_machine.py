"""The stack machine that pickles are programs for, with nothing that could run code.

It knows the instructions that make numbers, strings, tuples, lists and dicts, and what torch
writes for a tensor. All else becomes a `Foreign`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxvis.escape import escape
from weights_convert.readers.pickled_tensors import (
    ALLOWED,
    STORAGES,
    Foreign,
    Name,
    Storage,
    Tensor,
    check_count,
    make_tensor,
    make_view,
)

MAX_KEY = 2**32
"""Integers from here on are no keys: many that collide would take minutes to store."""
LONGEST_NAME = 200
"""Characters of a module or a function that are kept; their names are shorter."""
NOTHING = ("PROTO", "FRAME", "STOP", "READONLY_BUFFER")
VALUES = (
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "LONG4",
    "INT",
    "LONG",
    "BINFLOAT",
    "FLOAT",
    "BINUNICODE",
    "BINUNICODE8",
    "SHORT_BINUNICODE",
    "UNICODE",
    "BINSTRING",
    "SHORT_BINSTRING",
    "STRING",
    "BINBYTES",
    "BINBYTES8",
    "SHORT_BINBYTES",
    "BYTEARRAY8",
)
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: Foreign("a set"),
    "NEXT_BUFFER": lambda: Foreign("a buffer beside the pickle"),
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
OUTSIDE = {
    "EXT1": "a registered extension",
    "EXT2": "a registered extension",
    "EXT4": "a registered extension",
    "PERSID": "a persistent object",
}
"""Instructions that ask for what is not in the pickle -> what it is."""


class Machine:
    """The stack machine; `step` carries out one instruction.

    Attributes:
      stack: the values; one is left at the end.
      storages: key -> storage, of all that were mentioned.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[str | int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carries out one instruction.

        Args:
          name: of the instruction, as `pickletools` has it.
          argument: what stands behind it.

        Raises:
          CheckpointError: if a tensor makes no sense.
          ValueError, LookupError, TypeError, OverflowError: if the pickle makes none.
        """
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
            self.memo[_check_memo(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name == "GLOBAL":
            stack.append(_look_up(*argument.split(" ", 1)))
        elif name == "INST":
            self._pop_items()
            self.stack.append(_make_foreign(_look_up(*argument.split(" ", 1))))
        elif name in OUTSIDE:
            stack.append(Foreign(OUTSIDE[name]))
        else:
            getattr(self, f"_op_{name.lower()}")()

    def _op_mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _pop_items(self) -> list[Any]:
        """Returns what was pushed since the last mark, and drops the mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    _op_pop_mark = _pop_items

    def _op_pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_items()

    def _op_dup(self) -> None:
        self.stack.append(self.stack[-1])

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

    def _op_frozenset(self) -> None:
        self._pop_items()
        self.stack.append(Foreign("a set"))

    def _op_append(self) -> None:
        item = self.stack.pop()
        self._append([item])

    def _op_appends(self) -> None:
        items = self._pop_items()
        self._append(items)

    _op_additems = _op_appends

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

    def _op_newobj_ex(self) -> None:
        self.stack.pop()
        self._op_reduce()

    def _op_obj(self) -> None:
        items = self._pop_items()
        self.stack.append(_make_foreign(items[0]))

    def _op_build(self) -> None:
        # torch hangs `_metadata` on dicts and hooks on parameters: of no use here.
        state = self.stack.pop()
        if isinstance(self.stack[-1], Foreign):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict | Tensor):
            self.stack[-1] = Foreign("an object with a state", state=state)

    def _op_binpersid(self) -> None:
        match self.stack.pop():
            case ("storage", Name(name), str(key), _, int(numel), *rest):
                kind = name.removeprefix("torch.")
                dtype, count = np.dtype(STORAGES[kind]), check_count(numel)
                view = make_view(rest[0], count) if rest and rest[0] else None
                self.storages[key] = Storage(key, dtype, count, view)
                self.stack.append(self.storages[key])
            case ("storage", Foreign(name), *_) | ("module", Foreign(name), *_):
                self.stack.append(Foreign(name))
            case other:
                kind = other[0] if isinstance(other, tuple) and other else other
                self.stack.append(Foreign(f"a persistent object, {escape(kind)}"))

    def _append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Foreign):
            raise TypeError("append to something that is not a list")

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        entries = target.entries if isinstance(target, Foreign) else target
        if not isinstance(entries, dict) or len(items) % 2:
            raise TypeError("items for something that is not a dict")
        entries |= {
            key: value for key, value in zip(items[::2], items[1::2]) if _names_something(key)
        }

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
            case "subclass", (Name() as inner, _, tuple() as inner_arguments, *_):
                known = ALLOWED.get(inner.name) in ("tensor", "parameter")
                return self._rebuild(inner if known else None, inner_arguments)
            case "size", (list() | tuple() as sizes,):
                return tuple(sizes)
            case "tensor", (Foreign() as storage, *_):
                return Foreign(storage.name)  # numbers of a kind that is not known here
        return _make_foreign(function)


def _names_something(key: Any) -> bool:
    """Returns whether an entry of a dict is kept: its key is a text or a small integer.

    Tuples of tuples of one tuple take for ever to hash, and large integers may collide;
    weights are called by neither.
    """
    small = isinstance(key, int) and -MAX_KEY < key < MAX_KEY
    return isinstance(key, str) or small


def _check_memo(key: Any) -> str | int:
    if not _names_something(key):
        raise ValueError("a key of more than 32 bits")
    return key


def _make_foreign(function: Any) -> Foreign:
    """Returns what stands in the place of a function's or a class's result."""
    named = isinstance(function, Foreign)
    return Foreign(function.name if named else "a call that no tensor needs")


def _look_up(module: Any, name: Any) -> Name | Foreign:
    if not isinstance(module, str) or not isinstance(name, str):
        return Foreign("a name that is no text")
    full = f"{module[:LONGEST_NAME]}.{name[:LONGEST_NAME]}"
    return Name(full) if full in ALLOWED else Foreign(escape(full))
