"""How many items fit in memory together: an estimate read off the traced program."""

import math
import os

import jax
from jax.extend import core as jex_core

CPU_ITEMS = 8  # more images a step are no faster on a CPU, and finish later

HOST_BYTES = 2**31  # where nothing says how much memory is free


def budget() -> int:
    """Returns the bytes a chunk may take: 80 % of what the device reports as free.

    Where the device does not report, half of the host's free memory; where the host
    does not either, 2 GiB.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return int(0.8 * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows, macOS
        return HOST_BYTES
    return free // 2


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
