"""What a figure depends on besides its sizes: versions, processor and threads."""

import os
import platform
from importlib import metadata
from typing import Any

import jax

from jaxvis.processor import find_limit, find_processor


def describe_machine() -> dict[str, Any]:
    """Describes the versions and the machine that a figure was measured with."""
    return {
        "jax": jax.__version__,
        "jaxlib": metadata.version("jaxlib"),
        "torch": package_version("torch"),
        "python": platform.python_version(),
        "cpu": " ".join(filter(None, find_processor())) + _name_limits(),
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
    found = {
        "XLA": find_limit(os.environ),
        "oneDNN": os.environ.get("ONEDNN_MAX_CPU_ISA"),
    }
    limits = [f"{name} to {unit}" for name, unit in found.items() if unit]
    return f", limited: {' and '.join(limits)}" if limits else ""
