"""The processor of this machine: what numbers that were measured on one are valid for."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

CPUINFO = Path("/proc/cpuinfo")
UNITS = ("avx512f", "avx2", "avx")
"""Vector units of x86 processors as Linux names them, the widest first."""
LIMIT = "--xla_cpu_max_isa="
"""XLA's flag that limits the vector unit which programs use."""


class Processor(NamedTuple):
    """A processor.

    Attributes:
      name: as the system has it, or else the kind of machine.
      unit: its widest vector unit, one of `UNITS`, or "" where none is known.
    """

    name: str
    unit: str


def find_processor() -> Processor:
    """Finds the processor's name and its widest vector unit."""
    try:
        text = CPUINFO.read_text(encoding="utf-8")
    except OSError:  # not Linux
        return Processor(platform.processor() or platform.machine(), "")
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in pairs}
    flags = facts.get("flags", "").split()
    unit = next((unit for unit in UNITS if unit in flags), "")
    return Processor(facts.get("model name") or platform.processor() or platform.machine(), unit)


def find_limit(environment: Mapping[str, str]) -> str | None:
    """Finds what XLA_FLAGS limit the vector unit to, such as "AVX2"; None without a limit.

    Args:
      environment: such as `os.environ`.
    """
    words = environment.get("XLA_FLAGS", "").split()
    found = [word.removeprefix(LIMIT) for word in words if word.startswith(LIMIT)]
    return found[-1] if found else None


def find_used_processor() -> Processor:
    """Finds the processor with the vector unit that XLA uses, which XLA_FLAGS may limit."""
    name, unit = find_processor()
    limit = find_limit(os.environ)
    if limit is None or unit not in UNITS:
        return Processor(name, unit)
    allowed = {"AVX2": UNITS[1:], "AVX": UNITS[2:], "SSE4_2": ()}.get(limit.upper(), UNITS)
    return Processor(name, unit if unit in allowed else "".join(allowed[:1]))
