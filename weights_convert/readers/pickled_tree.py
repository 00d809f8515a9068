"""The tensors in what a training script has pickled, wherever they are.

Scripts put the weights beside counters, scores, arguments and the state of the optimizer,
under keys of their own, or they pickle a whole module. All tensors are listed here under
the path of keys that leads to them ("state_dict.conv1.weight"); which of them are the
weights of a network follows from the network's own names.
"""

from typing import Any, NamedTuple

from weights_convert.readers.bounds import Budget
from weights_convert.readers.pickled_tensors import Foreign, Tensor

MAX_TENSORS, MAX_VALUES = 50_000, 100_000
"""Tensors and all values of a file; the longest pickle that is read holds about 5,000 tensors,
but any value may be mentioned again and again."""
MAX_DEPTH, MAX_NAME = 64, 512
"""Wrappers about a tensor, and characters of the path to it, that are followed."""
FOLLOWED = (dict, list, tuple, Tensor, Foreign)
INSIDE = ("_parameters", "_buffers", "_modules")
"""Where a pickled torch module keeps its tensors and the modules inside it."""


class Leaves(NamedTuple):
    """What is at the ends of a tree.

    Attributes:
      tensors: path -> tensor.
      foreign: path -> what would have made the object there.
    """

    tensors: dict[str, Tensor]
    foreign: dict[str, str]


def list_leaves(tree: Any) -> Leaves:
    """Returns the tensors and the foreign objects of an unpickled tree, in its order.

    The path is joined with dots. A list or tuple of one adds nothing to it, and a module's
    own dicts do not either. Entries under numbers are the state of an optimizer and
    are left out.

    Args:
      tree: the value of a pickle.

    Raises:
      CheckpointError: if there are more values than a checkpoint has.
    """
    leaves = Leaves({}, {})
    values, tensors = Budget(MAX_VALUES, "values"), Budget(MAX_TENSORS, "tensors")
    queue: list[tuple[str, int, Any]] = [("", 0, tree)]
    while queue:
        path, depth, value = queue.pop()
        if isinstance(value, Tensor):
            tensors.spend(1)
            leaves.tensors.setdefault(path, value)
            continue
        children = [pair for pair in _list_children(value) if isinstance(pair[1], FOLLOWED)]
        values.spend(1 + len(children))
        if isinstance(value, Foreign) and not children:
            leaves.foreign.setdefault(path, value.name)
        for key, child in reversed(children):
            deeper = f"{path}.{key}" if path and key else path or key
            if depth < MAX_DEPTH and len(deeper) <= MAX_NAME:
                queue.append((deeper, depth + 1, child))
    return leaves


def _list_children(value: Any) -> list[tuple[str, Any]]:
    """Returns (key, value) of everything in a value; the key "" adds nothing to a path."""
    if isinstance(value, dict):
        return [(key, child) for key, child in value.items() if isinstance(key, str)]
    if isinstance(value, list | tuple):
        return [(str(i) if len(value) > 1 else "", child) for i, child in enumerate(value)]
    if not isinstance(value, Foreign):
        return []
    # An object with slots has a pair: the dict of its attributes, and that of its slots.
    states = value.state if isinstance(value.state, tuple) else (value.state,)
    parts: list[Any] = [value.entries]
    for state in states:
        if isinstance(state, dict):
            module = [state[key] for key in INSIDE if key in state]
            parts += module or [state]
    return [pair for part in parts if isinstance(part, dict) for pair in _list_children(part)]
