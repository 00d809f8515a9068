"""What runs the shards of a sweep: this process, Ray, or SLURM."""

import importlib
from collections.abc import Callable

ENGINES = {
    "local": "jaxvis.sweep.engines.local:run_local",
    "ray": "jaxvis.sweep.engines.ray_actors:run_ray",
    "slurm": "jaxvis.sweep.engines.slurm_jobs:run_slurm",
}
"""Name -> module and function; imported only when it is asked for."""


def find_engine(name: str) -> Callable[..., None]:
    """Finds an engine: `run(plan, store, *, workers, part, tell, options)`.

    Args:
      name: one of `ENGINES`.

    Raises:
      ValueError: for another one.
    """
    if name not in ENGINES:
        raise ValueError(f"--engine {name!r} is unknown: choose one of {', '.join(ENGINES)}")
    module, function = ENGINES[name].split(":")
    found: Callable[..., None] = getattr(importlib.import_module(module), function)
    return found
