"""Where weights are kept on this machine."""

import os
from pathlib import Path

EMBEDDED = {"demo": "demo.safetensors"}
"""Networks whose trained parameters are part of the package, in `jaxvis.nets.demo`."""


def home() -> Path:
    """Returns the cache folder: $JAXVIS_HOME, or the platform's own for jaxvis."""
    if os.environ.get("JAXVIS_HOME"):
        return Path(os.environ["JAXVIS_HOME"]).expanduser()
    import pooch  # its import costs more than all of this module's own

    return Path(pooch.os_cache("jaxvis"))


def cache_path(name: str) -> Path:
    """Returns where the cache keeps a converted file, there or not.

    Args:
      name: what `jaxvis weights get` calls it: "vgg19", "resnet50_v2".
    """
    return home() / "weights" / f"{name}.safetensors"
