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

Where there is no peer (torch is not installed), `peer`, `ratio` and their spreads are
None, `agree` is None and `peer_name` says why.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

Row = dict[str, Any]
Times = Mapping[str, np.ndarray]
"""Way -> what its runs took, `[pairs]`; entries of equal index are neighbours."""

REQUIRED = ("name", "case", "ours", "peer_name", "peer", "ratio", "agree", "versions")
"""What every row has."""


REST = 0.2
"""Seconds in which idle threads of another library fall asleep."""


class Verdict(NamedTuple):
    """Whether two outputs are the same: quantity -> found and allowed difference."""

    difference: dict[str, float]
    tolerance: dict[str, float]

    @property
    def agree(self) -> bool:
        """Whether every difference is within its tolerance; NaN is not."""
        return all(found <= self.tolerance[name] for name, found in self.difference.items())


def verdict(**checks: tuple[float, float]) -> Verdict:
    """Returns the verdict on several quantities.

    Args:
      **checks: quantity -> (difference found, difference allowed).

    Raises:
      ValueError: if nothing was compared.
    """
    if not checks:
        raise ValueError("a verdict compares at least one quantity")
    return Verdict(
        {name: float(found) for name, (found, _) in checks.items()},
        {name: float(allowed) for name, (_, allowed) in checks.items()},
    )


def relative(ours: np.ndarray, peer: np.ndarray) -> float:
    """Returns max |ours - peer| / max |peer|; infinite where shapes differ.

    Args:
      ours, peer: arrays of one shape.
    """
    ours, peer = np.asarray(ours, np.float64), np.asarray(peer, np.float64)
    if ours.shape != peer.shape:
        return float("inf")
    scale = max(float(np.max(np.abs(peer))), np.finfo(np.float32).tiny)
    return float(np.max(np.abs(ours - peer))) / scale


def angle(ours: np.ndarray, peer: np.ndarray) -> float:
    """Returns 1 - cosine of the worst pair of vectors; NaN where one is zero.

    Args:
      ours, peer: `[N, ...]`, one vector an entry of the first axis.
    """
    if np.shape(ours) != np.shape(peer):
        return float("inf")
    ours, peer = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (ours, peer))
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(peer, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(1 - np.sum(ours * peer, axis=1) / lengths))


def seconds(run: Callable[[], Any]) -> float:
    """Returns how long a call took; it must wait for its own results.

    Args:
      run: the call.
    """
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def interleaved(
    ways: Mapping[str, Callable[[], Any]],
    pairs: int,
    *,
    warmups: int = 1,
    again: bool = True,
) -> dict[str, np.ndarray]:
    """Returns the seconds of every run `[pairs]`, by way: A B A B, never A A B B.

    Neighbours share what else the machine was doing, so their ratio says more than a
    ratio of two medians. Before each counted run there is a rest and a run that is not
    counted: the threads of one library go on spinning for a while after its work, and
    would be counted against the other.

    Args:
      ways: name -> a call that waits for its own results.
      pairs: runs of every way.
      warmups: runs of every way before, not counted: they compile.
      again: whether to run uncounted before each counted run; runs of many seconds
        do not need it.
    """
    for _ in range(warmups):
        for run in ways.values():
            run()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(pairs):
        for name, run in ways.items():
            time.sleep(REST)
            if again:
                run()
            found[name].append(seconds(run))
    return {name: np.array(values) for name, values in found.items()}


def _quartiles(values: np.ndarray | None) -> list[float] | None:
    if values is None:
        return None
    return [round(float(value), 6) for value in np.quantile(values, (0.25, 0.75))]


def row(
    name: str,
    case: str,
    *,
    ours: np.ndarray,
    peer: np.ndarray | None,
    peer_name: str,
    verdict: Verdict | None,
    sizes: Mapping[str, Any],
    unit: str = "s",
    target: float | None = None,
    **facts: Any,
) -> Row:
    """Returns one row; see the top of this file.

    Args:
      name: the benchmark.
      case: what of it, in words.
      ours, peer: `[pairs]`, run by run, in `unit`; None where there is no peer.
      peer_name: the peer and its configuration, or why there is none.
      verdict: on the outputs; None only where there is no peer.
      sizes: what was computed: net, pixels, batch, steps...
      unit: of ours and peer; smaller is better.
      target: the least ratio aimed at.
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
        "name": name,
        "case": case,
        "unit": unit,
        "ours": float(np.median(ours)),
        "peer_name": peer_name,
        "peer": None if peer is None else float(np.median(peer)),
        "ratio": None if ratio is None else round(float(np.median(ratio)), 4),
        "target": target,
        "spread": {
            "ours": _quartiles(ours),
            "peer": _quartiles(peer),
            "ratio": _quartiles(ratio),
        },
        "pairs": len(ours),
        "agree": None if verdict is None else bool(verdict.agree),
        "difference": {} if verdict is None else verdict.difference,
        "tolerance": {} if verdict is None else verdict.tolerance,
        "sizes": dict(sizes),
        **facts,
        "versions": versions(),
    }


def wrong(rows: list[Row]) -> list[Row]:
    """Returns the rows whose outputs were compared and differ.

    Args:
      rows: rows of any benchmarks.
    """
    return [row for row in rows if row["agree"] not in (True, None)]


def check(rows: list[Row]) -> list[Row]:
    """Returns the rows, if each has what every row has.

    Args:
      rows: rows of any benchmarks, such as a file's.

    Raises:
      ValueError: names what is missing of which row.
    """
    for found in rows:
        missing = [key for key in REQUIRED if key not in found]
        if missing:
            raise ValueError(f"a row lacks {', '.join(missing)}: {found}")
    return rows


def versions() -> dict[str, Any]:
    """Returns what a figure depends on besides its sizes: versions and the machine."""
    return {
        "jax": jax.__version__,
        "jaxlib": metadata.version("jaxlib"),
        "torch": installed("torch"),
        "python": platform.python_version(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads(),
        "device": f"{jax.default_backend()}: {jax.devices()[0].device_kind}",
        "load": round(os.getloadavg()[0], 1),
    }


def installed(package: str) -> str | None:
    """Returns a package's version, or None where it is not installed.

    Args:
      package: its name in the index.
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def threads() -> int:
    """Returns the threads that torch gets: XLA's own number, or $OMP_NUM_THREADS."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def _cpu() -> str:
    """Returns the processor's name, and the widest vector unit it tells of."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", "").split()
    wide = next((unit for unit in ("avx512f", "avx2", "avx") if unit in flags), "")
    return f"{facts.get('model name', platform.machine())} {wide}".strip()
