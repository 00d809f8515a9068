"""The files of a run and of the run again, and what else differs between both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxvis.cli.checksums import hash_outputs
from jaxvis.cli.saving import ONE_FILE, word_of
from jaxvis.output.record import read_record
from jaxvis.types import Status

NOT_COMPARED = ("schema", "command", "arguments", "created", "seconds", "files", "interrupted")
"""Fields of a record that say when and where, or are compared in another way."""
RESULTS = ("loss", "status", "facts", "pictures", "curves", "layers")
"""Fields that say what came out, which explains nothing."""


@dataclass
class Pieces:
    """How the files of two runs compare.

    Attributes:
      same: names of files that are equal byte for byte.
      different: names of files that are not, or that only one of the runs has.
      unknown: names of files that could not be compared.
      reasons: what else differs, as phrases.
    """

    same: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def list_finished(kept: Mapping[str, Any], *, all_of_them: bool = False) -> list[str]:
    """Lists the files of a record's pictures.

    Args:
      kept: the record.
      all_of_them: whether those count that Ctrl-C left unfinished.
    """
    return [
        one["file"]
        for one in kept.get("pictures", [])
        if one.get("file") and (all_of_them or one.get("status") != word_of(Status.UNFINISHED))
    ]


def find_one_file(path: Path, kept: Mapping[str, Any]) -> str | None:
    """Finds the name of the one picture that a run wrote; None where it wrote a folder.

    Args:
      path: of the record.
      kept: its content.
    """
    out = kept["arguments"].get("out")
    if not isinstance(out, str) or Path(out).suffix.lower() not in ONE_FILE:
        return None
    written = [*kept.get("files", {}), *list_finished(kept, all_of_them=True)]
    name = Path(out).name
    return name if name in written or path.name == Path(out).with_suffix(".json").name else None


def find_pieces(
    path: Path, kept: Mapping[str, Any], folder: Path, out: str
) -> list[tuple[Path, Path]]:
    """Pairs the records of a run with those of the run again.

    A command that writes several records, such as demo, has all of them compared that
    lie beside the one that was named.

    Args:
      path: of the record that was named.
      kept: its content.
      folder: where the command has written again.
      out: what it wrote to: the folder, or one picture in it.

    Returns:
      list: (path of a record, path of the new one), the named one first.
    """
    if Path(out) != folder:
        return [(path, Path(out).with_suffix(".json"))]
    new = {one.name: one for one in sorted(folder.glob("*record.json"))}
    own = new.get(path.name) or _find_alike(kept, new.values())
    pairs = [(path.with_name(name), one) for name, one in new.items() if one != own]
    beside = [(then, now) for then, now in pairs if _is_of_the_same_call(then, kept)]
    return [*([(path, own)] if own else []), *beside]


def _find_alike(kept: Mapping[str, Any], paths: Iterable[Path]) -> Path | None:
    """Finds the record of files of the same names, where the named one was renamed."""
    names = set(list_finished(kept, all_of_them=True))
    found = list(paths)
    alike = [
        path for path in found if names & set(list_finished(read_record(path), all_of_them=True))
    ]
    return next(iter(alike or found), None)


def _is_of_the_same_call(path: Path, kept: Mapping[str, Any]) -> bool:
    try:
        other = read_record(path)
    except (OSError, ValueError):
        return False
    return all(other.get(name) == kept[name] for name in ("command", "arguments"))


def compare_pieces(kept: Mapping[str, Any], pairs: Iterable[tuple[Path, Path]]) -> Pieces:
    """Compares the files of pairs of records.

    Args:
      kept: the content of the record that was named.
      pairs: see `find_pieces`.

    Raises:
      OSError, ValueError: if a record or a file cannot be read.
    """
    found = Pieces()
    for then, now in pairs:
        old, new = read_record(then), read_record(now)
        _compare_files(found, old, new, then.parent, now.parent)
        found.reasons += [one for one in _list_reasons(old, new) if one not in found.reasons]
    return found


def _compare_files(
    found: Pieces, old: Mapping[str, Any], new: Mapping[str, Any], before: Path, after: Path
) -> None:
    """Compares the files of two records, by the sha256 that these keep."""
    now = new.get("files", {})
    then = old.get("files")
    if then is None:  # a record of before: what lies beside it is what there is
        then = hash_outputs(before, now)
        found.unknown += [name for name in now if name not in then]
        now = {name: sha for name, sha in now.items() if name in then}
    if old.get("interrupted"):
        finished = list_finished(old)
        then = {name: then[name] for name in finished if name in then}
        now = {name: sha for name, sha in now.items() if name in then}
    for name in [*then, *(name for name in now if name not in then)]:
        same = then.get(name) == now.get(name)
        (found.same if same else found.different).append(name)


def _list_reasons(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lists what differs between two records and may explain other files."""
    left_out = (*NOT_COMPARED, *RESULTS)
    names = [name for name in old if name in new and name not in left_out]
    return [one for name in names for one in _list_differences(name, old[name], new[name])]


def _list_differences(name: str, old: Any, new: Any) -> list[str]:
    """Lists differences of JSON values as phrases: "versions jax: 1 then, 2 now"."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            one
            for part in {**old, **new}
            for one in _list_differences(f"{name} {part}", old.get(part), new.get(part))
        ]
    shown = [text if len(text := str(value)) < 80 else "..." for value in (old, new)]
    if shown[0] == shown[1]:
        return [f"{name}: another one now"]
    return [f"{name}: {shown[0]} then, {shown[1]} now"]
