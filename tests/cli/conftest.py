"""Fixtures for tests of commands: what a command sets in JAX goes when it ends."""

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

SET = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture(autouse=True)
def jax_as_before():
    """Puts the compilation cache back, so that no test sees the folder of another."""
    before = {name: getattr(jax.config, name) for name in SET}
    yield
    if before == {name: getattr(jax.config, name) for name in SET}:
        return
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
