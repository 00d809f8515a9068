"""What all tests of attacks share."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_programs():
    """Compiles without most optimisations, which pay only where programs run for long."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
