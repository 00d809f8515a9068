"""Where the benchmarks find their files and where they keep their rows."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
README = ROOT / "README.md"
ROWS = ROOT / "benchmarks" / "rows.json"
"""The rows that the README and docs/benchmarks.md show."""
DOCS = ROOT / "docs"
CURVES = ROOT / "benchmarks" / "curves.json"
"""The rows that the page on cost shows."""
DATA = Path(os.environ.get("JAXVIS_TEST_DATA", ROOT.parent / "shared" / "data"))
"""Real weights and photographs, as the tests have them; the folder may be missing."""


def name_weights(folder: Path | None, name: str) -> Path | None:
    """Names the file of a network's weights; None is the one in the cache.

    Args:
      folder: of converted files NAME.safetensors, or None.
      name: of the network.
    """
    return folder and folder / f"{name}.safetensors"
