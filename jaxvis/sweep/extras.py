"""Packages that only some users need, imported when they are asked for."""

import importlib
from typing import Any


def import_extra(package: str, extra: str) -> Any:
    """Imports a package that belongs to an extra of jaxvis.

    Args:
      package: its name.
      extra: the extra that installs it.

    Raises:
      ValueError: if it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as missing:
        raise ValueError(
            f'{package} cannot be imported ({missing}): pip install "jaxvis[{extra}]"'
        ) from None
