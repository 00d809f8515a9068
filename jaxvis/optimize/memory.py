"""How much memory there is, and how much a step takes.

There are two figures for a step. What the compiler says of the compiled step decides. An
estimate from the traced program only says which chunk to compile first.
"""

import functools
import math
import os
from pathlib import Path
from typing import Any

import jax

from jaxvis.jax_internals import Jaxpr, JaxprEqn, Var
from jaxvis.tuning import Tuning, find_tuning

HOST_BYTES = 2**31  # taken as free where the system does not say how much is

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def choose_core_items(pixels: int, each: int, devices: int, *, tuning: Tuning | None = None) -> int:
    """Chooses how many pictures a CPU device takes together: few, which its cache holds.

    Args:
      pixels: of one picture.
      each: how many pictures a device has in all.
      devices: how many devices the CPU is; 1 where one program uses all cores.
      tuning: the limits, which were measured; None takes those of this machine.
    """
    limits = find_tuning() if tuning is None else tuning
    if devices == 1:
        return min(each, limits.cpu_items)
    least = 2 if pixels <= limits.core_large else 1
    most = min(each, limits.cpu_items, max(least, limits.core_pixels // pixels))
    # As equal as possible: what a last chunk has too little is filled with copies.
    return -(-each // -(-each // most))


def free_bytes() -> int:
    """Gives the bytes that are left on the device, or on the host where that computes."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return int(min(_machine_bytes(), _container_bytes()))


def budget() -> int:
    """Gives the bytes that a chunk may take: 80 % of what is left on a device, half on a host.

    It is 1 GiB where the system does not say how much is left.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    return int((0.8 if "bytes_limit" in stats else 0.5) * free_bytes())


def _machine_bytes() -> int:
    """Gives the bytes that the host has left; what caches of files take counts as left."""
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


def _container_bytes() -> int | float:
    """Gives the bytes that a container's limit leaves; infinity where there is no limit."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        lines = (CGROUP / "memory.stat").read_text().splitlines()
        stat = dict(line.split() for line in lines)
        return max(limit - used + int(stat.get("inactive_file", 0)), 0)
    except (OSError, ValueError):  # no container, or "max": no limit
        return math.inf


def step_bytes(compiled: jax.stages.Compiled, shared: object) -> int | None:
    """Gives the bytes that a compiled step takes beyond what is in memory already.

    Args:
      compiled: the step.
      shared: those of its arguments that are in memory already, whatever the chunk.

    Returns:
      The bytes of arguments, results and temporaries; None where the compiler does not say.
    """
    stats = _analyse(compiled)
    if stats is None:
        return None
    there = sum(_bytes(leaf) for leaf in jax.tree.leaves(shared) if hasattr(leaf, "dtype"))
    both = stats.argument_size_in_bytes + stats.output_size_in_bytes
    return both - stats.alias_size_in_bytes + stats.temp_size_in_bytes - there


@functools.lru_cache(maxsize=64)
def _analyse(compiled: jax.stages.Compiled) -> Any:
    return compiled.memory_analysis()  # takes as long as a step of a small network


def is_out_of_memory(error: BaseException) -> bool:
    """Says whether an error means that memory has run out.

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


def _inner_programs(equation: JaxprEqn) -> list[Jaxpr]:
    values = [v for p in equation.params.values() for v in _as_tuple(p)]
    closed = [getattr(v, "jaxpr", v) for v in values]
    return [v for v in closed if isinstance(v, Jaxpr)]


def _as_tuple(value: object) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


@functools.lru_cache(maxsize=256)
def peak_bytes(jaxpr: Jaxpr) -> int:
    """Estimates the bytes that a traced program's values take at its fullest moment.

    Every intermediate counts from where it is made to where it is last used. Fusion,
    which removes many of them, is ignored. So are copies that XLA adds to change a layout;
    `budget` leaves room for those. JAX keeps what it has traced, so that a second call of a
    method asks about the same program: the answer is kept too.

    Args:
      jaxpr: the program, as `jax.make_jaxpr(f)(...).jaxpr` gives it.
    """
    last = {}
    for i, equation in enumerate(jaxpr.eqns):
        for var in equation.invars:
            if isinstance(var, Var):
                last[var] = i
    live, peak, held = 0, 0, {}
    results = {v for v in jaxpr.outvars if isinstance(v, Var)}
    for i, equation in enumerate(jaxpr.eqns):
        inner = max((peak_bytes(sub) for sub in _inner_programs(equation)), default=0)
        for var in equation.outvars:
            held[var] = _bytes(var.aval)
            live += held[var]
        peak = max(peak, live + inner)
        for var in _variables(equation):
            if last.get(var, -1) <= i and var not in results:
                live -= held.pop(var, 0)
    return peak


def _variables(equation: JaxprEqn) -> set:
    both = [*equation.invars, *equation.outvars]
    return {v for v in both if isinstance(v, Var)}
