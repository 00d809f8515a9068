"""The photographs that come with jaxvis, as a folder that a plan may name."""

from pathlib import Path

import jaxvis.output


def sample_folder() -> Path:
    """Gives the folder of the photographs that come with jaxvis."""
    return Path(next(iter(jaxvis.output.__path__))) / "photographs"
