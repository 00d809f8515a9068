"""A pickle read as data: no object is built, no name is imported, nothing is called.

Pickle is a program for a stack machine. This one knows the instructions that make
numbers, strings, tuples, lists and dicts. What torch rebuilds with functions becomes a
`Tensor`, a description of bytes elsewhere in the file. Whatever else the pickle asks for
(arguments of a training, its optimizer, a NumPy number, or a call of `os.system`) becomes
a `Foreign`, which only remembers the name: it is never made, and it is an error only
where a weight should be.
"""

import pickletools
from typing import Any, BinaryIO, NamedTuple

from jaxvis.escape import escape
from weights_convert.checkpoint import CheckpointError, DamageError, Refusal
from weights_convert.readers.bounds import Budget
from weights_convert.readers.pickle_machine import Machine
from weights_convert.readers.pickled_tensors import Storage

MAX_INSTRUCTIONS = 300_000
"""Instructions of the longest pickle. A tensor takes about 45. A thousand weights, their
running averages, and the two moments and the counter that Adam keeps of each are 5,000."""


class Pickled(NamedTuple):
    """The content of one pickle.

    Attributes:
      value: dicts, lists, tuples, numbers, strings, `Tensor`s and `Foreign`s.
      storages: key -> storage, of all that are mentioned, used or not.
    """

    value: Any
    storages: dict[str, Storage]


def load(stream: BinaryIO) -> Pickled:
    """Returns what one pickle holds.

    Args:
      stream: where the pickle begins; left right behind it.

    Raises:
      DamageError: if it is damaged.
      CheckpointError: if it is too long.
    """
    machine, budget = Machine(), Budget(MAX_INSTRUCTIONS, "instructions")
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
    return Pickled(value, machine.storages)


def refuse(name: str) -> Refusal:
    """Returns the error for a pickle that holds a foreign object and no tensors.

    Args:
      name: that of the `Foreign`.
    """
    return Refusal(
        f"asks for {name}, which may run code: refused, nothing was run. Only tensors and "
        "dicts are read; save model.state_dict() alone"
    )
