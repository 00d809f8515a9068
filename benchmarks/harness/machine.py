"""What a figure depends on besides its sizes: versions, processor and threads."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import jax


def describe_machine() -> dict[str, Any]:
    """Describes the versions and the machine that a figure was measured with."""
    return {
        "jax": jax.__version__,
        "jaxlib": metadata.version("jaxlib"),
        "torch": package_version("torch"),
        "python": platform.python_version(),
        "cpu": _processor_name() + _name_limits(),
        "cores": os.cpu_count(),
        "threads": thread_count(),
        "devices": jax.local_device_count(),
        "device": f"{jax.default_backend()}: {jax.devices()[0].device_kind}",
        "load": round(os.getloadavg()[0], 1),
    }


def package_version(package: str) -> str | None:
    """Gives a package's version, or None where it is not installed.

    Args:
      package: its name in the index.
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def thread_count() -> int:
    """Gives the threads that torch gets: XLA's own number, or $OMP_NUM_THREADS."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def _name_limits() -> str:
    """Names the vector units that XLA and oneDNN, torch's library, are limited to."""
    flag = "--xla_cpu_max_isa="
    words = [word for word in os.environ.get("XLA_FLAGS", "").split() if word.startswith(flag)]
    found = {
        "XLA": words[-1].removeprefix(flag) if words else None,
        "oneDNN": os.environ.get("ONEDNN_MAX_CPU_ISA"),
    }
    limits = [f"{name} to {unit}" for name, unit in found.items() if unit]
    return f", limited: {' and '.join(limits)}" if limits else ""


def _processor_name() -> str:
    """Gives the processor's name and its widest vector unit."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", "").split()
    wide = next((unit for unit in ("avx512f", "avx2", "avx") if unit in flags), "")
    return f"{facts.get('model name', platform.machine())} {wide}".strip()
