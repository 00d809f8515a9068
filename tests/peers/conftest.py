"""What several comparisons with torch need."""

import importlib.util
import sys

import pytest


@pytest.fixture(scope="session")
def models(data_file):
    """Returns torchvision.models, through the shim where the wheel needs it."""
    pytest.importorskip("torch")
    path = data_file("../tools/torchvision_cpu_shim.py")
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])
    return pytest.importorskip("torchvision").models
