"""A network and the tensors of a checkpoint, one to one; or every reason why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jaxvis.escape import describe_shape, escape
from jaxvis.nets import registry
from jaxvis.nets.table.layers import shapes, sources
from jaxvis.network import Network
from weights_convert import suggestions, vit_names
from weights_convert.checkpoint import Checkpoint, StoredTensor
from weights_convert.fitting import Entry, Tables, WeightSet, choose_part, find_sets
from weights_convert.layout import Arrange, Shape, file_shape, find_arrangement
from weights_convert.names import extras, tokens
from weights_convert.names.parameters import list_shapes
from weights_convert.names.table import list_names
from weights_convert.sizing import find_head, resize

LONGEST_LIST = 40
"""Differing names that an error lists; of another network they are hundreds."""
MOST_SETS, NEARLY = 8, 0.8
"""Sets of weights in a file that are compared, and the part of a network that is a choice."""
NOTHING = WeightSet("", frozenset(), {})


@dataclass(frozen=True)
class Part:
    """One parameter to convert: where it is and how it is arranged.

    Args:
      name: its name in the file.
      path: the file.
      tensor: the tensor.
      arrange: brings the file's arrangement into ours.
    """

    name: str
    path: Path
    tensor: StoredTensor
    arrange: Arrange


@dataclass(frozen=True)
class Match:
    """What a checkpoint is for a network.

    Args:
      net: the network, with as many classes and channels as the checkpoint has.
      parts: `row/leaf` -> where it comes from.
      prefix: what stands before the names of its weights in the file.
      names: the names of its weights in the file, without the prefix.
      notes: sentences on what the file holds beside them.
    """

    net: Network
    parts: dict[str, Part]
    prefix: str
    names: tuple[str, ...]
    notes: tuple[str, ...]


def match(
    net: str | Network,
    found: Mapping[Path, Checkpoint],
    *,
    stop: str | None = None,
    part: str | None = None,
    input_size: tuple[int, int] | None = None,
) -> Match:
    """Returns the tensors of a checkpoint that are a network's parameters.

    Args:
      net: the network, or a name, whose classes and channels the checkpoint decides.
      found: path -> the checkpoint there; together they make one network.
      stop: the last tap that is wanted.
      part: which of several sets of weights is wanted.
      input_size: (H, W) in pixels that a named network is built for.

    Raises:
      ValueError: if they differ (one error lists every difference), or if there are
        several sets of weights to choose from.
    """
    given = {} if input_size is None else {"input_size": input_size}
    plain = registry.build(net, input_size=input_size) if isinstance(net, str) else net
    entries = [
        Entry(path, checkpoint.naming, name, tensor)
        for path, checkpoint in found.items()
        for name, tensor in checkpoint.tensors.items()
    ]
    tables = {each: list_names(each, plain) for each in {entry.naming for entry in entries}}
    sets = find_sets(entries, tables, list_shapes(plain, stop=stop).keys())
    if part is not None:
        chosen = choose_part(sets, part)
        if not chosen:
            raise suggestions.refuse_part(plain, found, sets, part)
        sets = chosen
    candidates = []
    for each in sets[:MOST_SETS] or [NOTHING]:
        each = find_head(plain, each, entries, tables)
        network = resize(net, plain, each, given) if isinstance(net, str) else net
        candidates.append(_Comparison(network, each, entries, tables, stop))
    return _choose(candidates, found).make_match(found)


def _choose(candidates: Sequence["_Comparison"], found: Mapping[Path, Checkpoint]) -> "_Comparison":
    """Returns the comparison with the fewest problems.

    Raises:
      ValueError: if there are several.
    """
    least = min(candidates, key=lambda each: len(each.problems))
    best = [each for each in candidates if len(each.problems) == len(least.problems)]
    nearly = all(len(each.parts) >= NEARLY * len(each.wanted) for each in best)
    if len(best) > 1 and nearly:
        raise suggestions.refuse_choice(least.net, found, [each.chosen for each in best])
    return least


@dataclass
class _Comparison:
    """A network beside a set of weights: what fits, and what differs."""

    net: Network
    chosen: WeightSet
    entries: Sequence[Entry]
    tables: Tables
    stop: str | None
    parts: dict[str, Part] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wanted = wanted = list_shapes(self.net, stop=self.stop)
        found = self._unify_tokens() if tokens.is_transformer(self.net) else self.chosen.found
        at, reads = shapes(self.net.rows, self.net.input_size), sources(self.net.rows)
        for target, entry in found.items():
            if target in wanted:
                incoming = at[reads[target.rpartition("/")[0]][0]]
                self._add(target, entry, wanted[target], incoming)
        self.problems += [
            f"twice {target}: {escape(self.parts[target].name)} and {escape(entry.name)}"
            for target, entry in self.chosen.twice
            if target in self.parts
        ]
        self.missing = [target for target in wanted if target not in self.parts]
        whole = not self.problems and not self.missing
        self._sort_extras(whole)
        self.problems += [f"missing {target} {wanted[target]}" for target in self.missing]

    def _add(self, target: str, entry: Entry, wanted: Shape, incoming: Shape) -> None:
        shape = entry.tensor.shape
        arrange = find_arrangement(shape, wanted, entry.naming, incoming)
        if arrange is None:
            needed = file_shape(wanted, entry.naming)
            self.problems.append(
                f"misshaped {escape(entry.name)}: {describe_shape(shape)} in the file, {target} "
                f"needs {needed}"
            )
        self.parts[target] = Part(entry.name, entry.path, entry.tensor, arrange or np.asarray)

    def _sort_extras(self, whole: bool) -> None:
        """Sorts what is left: strays of a set that is whole, problems of another one."""
        used = {id(entry.tensor) for entry in self.chosen.found.values()}
        used |= {id(entry.tensor) for _, entry in self.chosen.twice}
        bare_names = (self.chosen.strip(entry.name) for entry in self.chosen.found.values())
        own = {extras.shorten(name) for name in bare_names if name}
        for entry in self.entries:
            bare = self.chosen.strip(entry.name)
            if id(entry.tensor) in used or bare is None and not whole:
                continue
            if extras.is_harmless(bare or entry.name, self.net.name):
                continue
            if whole and (bare is None or extras.is_stray(bare, entry.tensor.shape, own)):
                self.strays.append(entry.name)
            else:
                shape = describe_shape(entry.tensor.shape)
                self.problems.append(
                    f"extra {escape(entry.name)} {shape} in {escape(entry.path.name)}"
                )

    def _unify_tokens(self) -> dict[str, Entry]:
        """Returns the parameters of a vision transformer, those in parts joined."""
        held = {self.chosen.strip(e.name) or "": e for e in self.chosen.found.values()}
        if not held:
            return {}
        path = next(iter(held.values())).path
        rows = {row.name for row in self.net.rows}
        joined = vit_names.unify({name: entry.tensor for name, entry in held.items()}, rows)
        ours = {_name_as_torch(target): target for target in self.wanted}
        return {
            ours[name]: Entry(path, "torch", name, tensor)
            for name, tensor in joined.items()
            if name in ours
        }

    def make_match(self, found: Mapping[Path, Checkpoint]) -> Match:
        """Returns what fits.

        Raises:
          ValueError: if anything differs.
        """
        if self.problems:
            raise self._refuse(found)
        names = (self.chosen.strip(entry.name) for entry in self.chosen.found.values())
        own = tuple(name for name in names if name is not None)
        return Match(self.net, self.parts, self.chosen.prefix, own, tuple(self._list_notes()))

    def _list_notes(self) -> list[str]:
        notes = []
        if self.chosen.dropped:
            words = ", ".join(map(escape, sorted(self.chosen.dropped)))
            notes.append(f"left out of the names: {words}")
        if self.strays:
            shown = ", ".join(map(escape, self.strays[:3]))
            more = f" and {len(self.strays) - 3} more" if len(self.strays) > 3 else ""
            notes.append(f"not of {self.net.name}, and left out: {shown}{more}")
        return notes

    def _refuse(self, found: Mapping[Path, Checkpoint]) -> ValueError:
        files, count = suggestions.describe_files(found), len(self.problems)
        fitting = len(self.parts) - sum(each.startswith("misshaped") for each in self.problems)
        own = (fitting / max(len(self.wanted), 1), fitting)
        why = suggestions.explain_mismatch(self.net, found, self.entries, self.missing, own)
        lines = self.problems[:LONGEST_LIST]
        if count > LONGEST_LIST:
            lines.append(f"and {count - LONGEST_LIST} more")
        return ValueError(
            f"{files} is not {self.net.name}: {count} names differ; nothing was written"
            f"{why and '; '}{why}:\n  " + "\n  ".join(lines)
        )


def _name_as_torch(target: str) -> str:
    """Returns the name that `vit_names.unify` gives to a parameter."""
    row, _, leaf = target.rpartition("/")
    return f"{row}.{'weight' if leaf in ('kernel', 'scale') else leaf}"
