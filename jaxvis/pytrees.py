"""What of a problem is compiled in, and what is handed to the compiled program.

A compiled step is kept for as long as its static parts stay equal. The numbers that a
user changes between two calls (a learning rate, the weight of a term) must not be among
them. `register_parts` makes a dataclass a pytree in that sense: the numbers and arrays
found in its data fields are the leaves, and everything else is static.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import jax
import numpy as np

_NUMBER = object()
"""Stands in the static part where a number was taken out."""


def register_parts(*data: str) -> Callable[[type], type]:
    """Registers a frozen dataclass as a pytree whose leaves are numbers and arrays.

    Args:
      *data: the fields whose numbers and arrays are leaves. What else stands in them,
        and every other field, is static and must be hashable.

    Returns:
      A class decorator.
    """

    def register(cls: type) -> type:
        names = [field.name for field in fields(cls)]

        def flatten(value: Any) -> tuple[list[Any], tuple]:
            numbers: list[Any] = []
            static = []
            for name in names:
                part = getattr(value, name)
                if name not in data:
                    static.append(part)
                    continue
                leaves, tree = jax.tree.flatten(part)
                numbers += filter(_is_number, leaves)
                static.append(
                    (tree, tuple(_NUMBER if _is_number(leaf) else leaf for leaf in leaves))
                )
            return numbers, tuple(static)

        def unflatten(static: tuple, numbers: Any) -> Any:
            left = iter(numbers)
            value: Any = object.__new__(cls)  # its checks have run, and tracers are no numbers
            for name, part in zip(names, static):
                if name in data:
                    tree, leaves = part
                    filled = [next(left) if leaf is _NUMBER else leaf for leaf in leaves]
                    part = jax.tree.unflatten(tree, filled)
                object.__setattr__(value, name, part)
            return value

        jax.tree_util.register_pytree_node(cls, flatten, unflatten)
        return cls

    return register


def _is_number(leaf: Any) -> bool:
    if isinstance(leaf, bool):
        return False
    return isinstance(leaf, int | float | np.number | np.ndarray | jax.Array)
