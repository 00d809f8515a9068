"""What a command does before it runs, and the library never does on import."""

import os

import jax

from jaxvis.compiler import extend_flags
from jaxvis.devices import use_cores
from jaxvis.jax_internals import has_started
from jaxvis.tuning import find_tuning
from jaxvis.weights.cache import home

SECONDS = 0.05
"""Programs that compile faster than this are not worth a file."""


def prepare_process() -> None:
    """Sets what all programs of a command share, before JAX first computes.

    Raises:
      OSError, ValueError: if the file of measured numbers that $JAXVIS_TUNING names cannot
        be read, or is damaged.
    """
    find_tuning()
    extend_flags(os.environ)
    if not has_started():
        use_cores()
    enable_compilation_cache()


def enable_compilation_cache() -> None:
    """Keeps compiled programs in a folder, so that a second run starts at once.

    The folder is `xla` in $JAXVIS_HOME or the platform's cache folder for jaxvis. JAX's
    own settings win: JAX_COMPILATION_CACHE_DIR names another folder, and
    JAX_ENABLE_COMPILATION_CACHE=false turns it off. A folder that cannot be written is
    no error: the programs are compiled each time.
    """
    # JAX adds its settings when it is imported, so its annotations do not list them.
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    folder = home() / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
