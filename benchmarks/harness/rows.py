"""What a measurement is: one row, made of interleaved runs and a verdict on outputs.

A row is a plain dict that JSON can hold:

    name, case          the benchmark, and what of it, in words
    ours, peer, unit    medians; smaller is better
    peer_name           who the peer is, in which configuration
    ratio               median over pairs of peer / ours: above 1, jaxvis is better
    spread              quartiles of ours, peer and ratio
    pairs               how many pairs of runs, interleaved A B A B
    target              the least ratio aimed at, or None
    agree               whether both computed the same
    difference, tolerance   by quantity: what was found, what is allowed
    sizes, versions     what was computed, on what
    processor           seconds of processor time, on all cores together, of ours and peer
    others              the share of the cores that other processes took meanwhile

Where there is no peer (torch is not installed), `peer`, `ratio` and their spreads are
None, `agree` is None and `peer_name` says why.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.machine import describe_machine
from benchmarks.harness.timing import interleave
from benchmarks.harness.verdicts import Verdict

Row = dict[str, Any]

REQUIRED = ("name", "case", "ours", "peer_name", "peer", "ratio", "agree", "versions")
"""What every row has."""


class Case(NamedTuple):
    """The subject of one row.

    Attributes:
      name: the benchmark.
      words: what of it, in words.
      sizes: what is computed: net, pixels, batch, steps...
      unit: of the figures; smaller is better.
      target: the least ratio aimed at.
    """

    name: str
    words: str
    sizes: Mapping[str, Any]
    unit: str = "s"
    target: float | None = None


class Peer(NamedTuple):
    """Another program that computes the same.

    Attributes:
      name: who it is, in which configuration.
      run: a call that waits for its own results.
      verdict: on its outputs.
      facts: whatever else the row should say of it.
    """

    name: str
    run: Callable[[], Any]
    verdict: Verdict
    facts: Mapping[str, Any] = {}


def compare(
    case: Case,
    ours: Callable[[], Any],
    peer: Peer | str,
    *,
    pairs: int,
    warmups: int = 1,
) -> Row:
    """Measures one row: our program and a peer, run in turn.

    Args:
      case: what is measured.
      ours: a call that waits for its own results.
      peer: the other program, or why there is none.
      pairs: interleaved runs.
      warmups: runs of both before, not counted.
    """
    if isinstance(peer, str):
        times = interleave({"ours": ours}, pairs)
        return make_row(case, ours=times["ours"], peer_name=peer, **times.describe())
    times = interleave({"ours": ours, "peer": peer.run}, pairs, warmups=warmups)
    return make_row(
        case,
        ours=times["ours"],
        peer=times["peer"],
        peer_name=peer.name,
        verdict=peer.verdict,
        **peer.facts,
        **times.describe(),
    )


def make_row(
    case: Case,
    *,
    ours: np.ndarray,
    peer: np.ndarray | None = None,
    peer_name: str,
    verdict: Verdict | None = None,
    **facts: Any,
) -> Row:
    """Makes one row of what was measured; see the top of this file.

    Args:
      case: what was measured.
      ours, peer: `[pairs]`, run by run, in the case's unit; None where there is no peer.
      peer_name: the peer and its configuration, or why there is none.
      verdict: on the outputs; None only where there is no peer.
      **facts: whatever else the row should say.

    Raises:
      ValueError: if the runs do not come in pairs, or a peer's outputs were not
        compared.
    """
    if peer is not None and np.shape(ours) != np.shape(peer):
        raise ValueError(f"{len(ours)} runs of ours against {len(peer)} of the peer")
    if (peer is None) != (verdict is None):
        raise ValueError("a row has a peer and a verdict on its outputs, or neither")
    ratio = None if peer is None else np.asarray(peer) / np.asarray(ours)
    return {
        "name": case.name,
        "case": case.words,
        "unit": case.unit,
        "ours": float(np.median(ours)),
        "peer_name": peer_name,
        "peer": None if peer is None else float(np.median(peer)),
        "ratio": None if ratio is None else round(float(np.median(ratio)), 4),
        "target": case.target,
        "spread": {
            "ours": _quartiles(ours),
            "peer": _quartiles(peer),
            "ratio": _quartiles(ratio),
        },
        "pairs": len(ours),
        "agree": None if verdict is None else bool(verdict.agree),
        "difference": {} if verdict is None else verdict.difference,
        "tolerance": {} if verdict is None else verdict.tolerance,
        "sizes": dict(case.sizes),
        **facts,
        "versions": describe_machine(),
    }


def _quartiles(values: np.ndarray | None) -> list[float] | None:
    if values is None:
        return None
    return [round(float(value), 6) for value in np.quantile(values, (0.25, 0.75))]


def find_wrong(rows: list[Row]) -> list[Row]:
    """Finds the rows whose outputs were compared and differ.

    Args:
      rows: rows of any benchmarks.
    """
    return [row for row in rows if row["agree"] not in (True, None)]


def check_rows(rows: list[Row]) -> list[Row]:
    """Returns the rows, if each has what every row has.

    Args:
      rows: rows of any benchmarks, such as a file's.

    Raises:
      ValueError: names what is missing of which row.
    """
    for row in rows:
        missing = [key for key in REQUIRED if key not in row]
        if missing:
            raise ValueError(f"a row lacks {', '.join(missing)}: {row}")
    return rows
