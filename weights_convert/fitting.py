"""Which tensors of a file are the weights of a network: those that have its names.

Scripts put prefixes before the names ("module.", "backbone."), or words into them
("_orig_mod"), and a file may hold several sets of weights, such as raw and averaged ones.
No list of such words is needed: a set of weights is whatever has the network's names behind
one prefix.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from weights_convert.checkpoint import StoredTensor
from weights_convert.names.table import unify

MAX_WORDS = 24
"""Parts of a name that are tried as the end of a prefix; module trees are less deep."""
MAX_SEARCHED, MAX_TRIED = 5_000, 12
"""Tensors of a file in whose names words are dropped, and words that are tried."""
NEARLY = 0.8
"""A set with less than this part of the names of the best one is no other set of weights."""


class Entry(NamedTuple):
    """One tensor of a file.

    Attributes:
      path: the file.
      naming: who names tensors as this file does.
      name: its name in the file.
      tensor: the tensor.
    """

    path: Path
    naming: str
    name: str
    tensor: StoredTensor


@dataclass(frozen=True)
class WeightSet:
    """The tensors behind one prefix that have a network's names.

    Args:
      prefix: what stands before the names; "" is nothing.
      dropped: words that are left out of the names, wherever they stand.
      found: `row/leaf` -> tensor.
      twice: (`row/leaf`, tensor) of further ones with the same name.
    """

    prefix: str
    dropped: frozenset[str]
    found: dict[str, Entry]
    twice: tuple[tuple[str, Entry], ...] = ()

    def strip(self, name: str) -> str | None:
        """Returns a name without the prefix and the words, or None if it is outside.

        Args:
          name: a tensor's name in the file.
        """
        bare = ".".join(part for part in unify(name).split(".") if part not in self.dropped)
        if not self.prefix:
            return bare
        return bare.removeprefix(self.prefix + ".") if bare.startswith(self.prefix + ".") else None

    def count(self, wanted: Collection[str]) -> int:
        """Returns how many of the wanted parameters it has.

        Args:
          wanted: names of parameters, `row/leaf`.
        """
        return sum(target in self.found for target in wanted)


Tables = Mapping[str, Mapping[str, str]]
"""Naming -> a parameter's name in files -> `row/leaf`; see `names.table.list_names`."""


def find_sets(
    entries: Sequence[Entry],
    tables: Tables,
    wanted: Collection[str],
    *,
    search: bool = True,
) -> list[WeightSet]:
    """Returns the sets of weights that have a network's names, the best first.

    All have nearly as many of them as the best one. Where no set is whole, words that the
    network's names do not have are left out of the names, if that finds more of them.

    Args:
      entries: the tensors of all files.
      tables: the network's names.
      wanted: the parameters that are needed, `row/leaf`.
      search: whether words are looked for that may be left out.
    """
    sets = _list_sets(entries, tables, wanted)
    if len(entries) > MAX_SEARCHED or not search:
        return sets
    best = sets[0].count(wanted) if sets else 0
    words = _list_words(entries, tables) if best < len(wanted) else []
    for tried in (words, *([word] for word in words)):
        without = _list_sets(entries, tables, wanted, tried)
        if without and without[0].count(wanted) > best and not without[0].twice:
            return _keep_words(entries, tables, wanted, tried)
    return sets


def _keep_words(
    entries: Sequence[Entry], tables: Tables, wanted: Collection[str], dropped: Sequence[str]
) -> list[WeightSet]:
    """Returns the sets that are found without some words, of which as few as possible."""
    sets = _list_sets(entries, tables, wanted, dropped)
    for word in dropped:
        fewer = sorted(sets[0].dropped - {word})
        tried = _list_sets(entries, tables, wanted, fewer)
        if tried and tried[0].count(wanted) == sets[0].count(wanted) and not tried[0].twice:
            sets = tried
    return sets


def choose_part(sets: Sequence[WeightSet], part: str) -> list[WeightSet]:
    """Returns the sets that a user means by a part of a file.

    Args:
      sets: the sets of weights.
      part: the prefix, or a word of it: "ema" means "model_ema.module" too.
    """
    for means in (
        lambda each: each.prefix == part,
        lambda each: part in each.prefix.split("."),
        lambda each: part in each.prefix,
    ):
        chosen = [each for each in sets if means(each)]
        if chosen:
            return chosen
    return []


def _list_sets(
    entries: Sequence[Entry],
    tables: Tables,
    wanted: Collection[str],
    words: Collection[str] = (),
) -> list[WeightSet]:
    dropped = frozenset(words)
    found: dict[str, dict[str, Entry]] = {}
    twice: dict[str, list[tuple[str, Entry]]] = {}
    for entry in entries:
        for prefix, target in _split(entry, tables[entry.naming], dropped):
            known = found.setdefault(prefix, {})
            if target in known:
                twice.setdefault(prefix, []).append((target, entry))
            else:
                known[target] = entry
    sets = [
        WeightSet(prefix, dropped, known, tuple(twice.get(prefix, ())))
        for prefix, known in found.items()
    ]
    sets.sort(key=lambda each: each.count(wanted), reverse=True)
    enough = NEARLY * sets[0].count(wanted) if sets else 0
    return [each for each in sets if each.count(wanted) >= max(enough, 1)]


def _split(
    entry: Entry, table: Mapping[str, str], dropped: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Yields (prefix, `row/leaf`) for every end of a name that the network has."""
    parts = [part for part in unify(entry.name).split(".") if part not in dropped]
    for i in range(min(len(parts), MAX_WORDS)):
        target = table.get(".".join(parts[i:]))
        if target is not None:
            yield ".".join(parts[:i]), target


def _list_words(entries: Sequence[Entry], tables: Tables) -> list[str]:
    """Returns words, not numbers, that no name of the network has, the most frequent first."""
    known = {part for table in tables.values() for name in table for part in name.split(".")}
    words = Counter(part for entry in entries for part in set(unify(entry.name).split(".")))
    return [word for word, _ in words.most_common() if word not in known and not word.isdigit()][
        :MAX_TRIED
    ]
