"""How much memory there is, and how much a step takes.

Two figures for the second: what the compiler says of the compiled step, which counts,
and an estimate read off the traced program, which only says what to compile first.
"""

import math
import os
from pathlib import Path

import jax
from jax.extend import core as jex_core

CPU_ITEMS = 8  # more images a step are no faster on a CPU, and finish later

HOST_BYTES = 2**31  # where nothing says how much memory is free

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def free() -> int:
    """Returns the bytes that the device, or the host where it is one, has left."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return min(_machine(), _group())


def budget() -> int:
    """Returns the bytes a chunk may take: 80 % of what a device has, half of a host's.

    Where nothing reports, 1 GiB.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    return int((0.8 if "bytes_limit" in stats else 0.5) * free())


def _machine() -> int:
    """Returns the bytes that the host has left, caches of files included."""
    try:
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):  # not Linux
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows, macOS
        return HOST_BYTES


def _group() -> int | float:
    """Returns the bytes that a container's limit leaves; infinity without one."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        lines = (CGROUP / "memory.stat").read_text().splitlines()
        stat = dict(line.split() for line in lines)
        return max(limit - used + int(stat.get("inactive_file", 0)), 0)
    except (OSError, ValueError):  # no container, or "max": no limit
        return math.inf


def taken(compiled: jax.stages.Compiled, shared: object) -> int | None:
    """Returns the bytes a compiled step takes beside what is there already.

    Args:
      compiled: the step.
      shared: those of its arguments that are there already, whatever the chunk.

    Returns:
      Arguments, results and temporaries; None where the compiler does not tell.
    """
    stats = compiled.memory_analysis()
    if stats is None:
        return None
    there = sum(_bytes(leaf) for leaf in jax.tree.leaves(shared) if hasattr(leaf, "dtype"))
    both = stats.argument_size_in_bytes + stats.output_size_in_bytes
    return both - stats.alias_size_in_bytes + stats.temp_size_in_bytes - there


def exhausted(error: BaseException) -> bool:
    """Returns whether an error says that memory has run out.

    Args:
      error: what was raised.
    """
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, jax.errors.JaxRuntimeError) and (
        "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()
    )


def _bytes(aval: object) -> int:
    shape = getattr(aval, "shape", ())
    width = getattr(getattr(aval, "dtype", None), "itemsize", 4)
    return math.prod(shape) * width


def _inner(equation: jex_core.JaxprEqn) -> list[jex_core.Jaxpr]:
    values = [v for p in equation.params.values() for v in _as_tuple(p)]
    closed = [getattr(v, "jaxpr", v) for v in values]
    return [v for v in closed if isinstance(v, jex_core.Jaxpr)]


def _as_tuple(value: object) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def peak_bytes(jaxpr: jex_core.Jaxpr) -> int:
    """Returns the bytes that a program's values take at once, before XLA has its say.

    Every intermediate counts from where it is made to where it is last used. Fusion,
    which makes many of them disappear, is ignored; so is a copy that XLA adds for a
    layout, which `budget` leaves room for.

    Args:
      jaxpr: the program, as `jax.make_jaxpr(f)(...).jaxpr` gives it.
    """
    last = {}
    for i, equation in enumerate(jaxpr.eqns):
        for var in equation.invars:
            if isinstance(var, jex_core.Var):
                last[var] = i
    live, peak, held = 0, 0, {}
    results = {v for v in jaxpr.outvars if isinstance(v, jex_core.Var)}
    for i, equation in enumerate(jaxpr.eqns):
        inner = max((peak_bytes(sub) for sub in _inner(equation)), default=0)
        for var in equation.outvars:
            held[var] = _bytes(var.aval)
            live += held[var]
        peak = max(peak, live + inner)
        for var in _vars(equation):
            if last.get(var, -1) <= i and var not in results:
                live -= held.pop(var, 0)
    return peak


def _vars(equation: jex_core.JaxprEqn) -> set:
    both = [*equation.invars, *equation.outvars]
    return {v for v in both if isinstance(v, jex_core.Var)}
