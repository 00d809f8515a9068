"""What is said where a framework is not installed."""

import sys

import pytest

import jaxvis


@pytest.mark.parametrize(
    ("adapt", "package"), [(jaxvis.from_equinox, "equinox"), (jaxvis.from_keras, "keras")]
)
def test_a_missing_framework_is_named_with_the_command_that_installs_it(
    adapt, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}$"):
        adapt(object(), input_size=(4, 4))
