import subprocess
import sys

import pytest

import jaxvis
from jaxvis.output import plot


def test_the_calls_of_a_notebook_are_there():
    for name in ("load", "maximize", "invert", "caricature", "dream"):
        assert callable(getattr(jaxvis, name))
    assert jaxvis.plot is plot


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'jaxvis' has no attribute 'swim'"):
        jaxvis.swim  # noqa: B018


def test_importing_the_package_imports_no_matplotlib():
    code = "import jaxvis, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
