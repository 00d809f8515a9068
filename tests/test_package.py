"""What `import jaxvis` gives: everything that a user needs, one dot away, and quickly."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import jaxvis
from jaxvis.output import plot
from jaxvis.types import Run, Status


@pytest.mark.parametrize("name", jaxvis.__all__)
def test_every_public_name_is_one_dot_away(name):
    found = getattr(jaxvis, name)
    assert found.__doc__, f"jaxvis.{name} has no docstring"
    assert name in dir(jaxvis)


def test_methods_are_the_functions_themselves_and_parts_are_modules():
    assert jaxvis.plot is plot
    assert callable(jaxvis.maximize) and callable(jaxvis.style)
    assert jaxvis.objectives.Excite("relu1_1", 3).taps == ("relu1_1",)
    assert isinstance(jaxvis.recipes.RECIPES["robust"]((32, 32)), jaxvis.recipes.Recipe)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'jaxvis' has no attribute 'swim'"):
        jaxvis.swim  # noqa: B018


def test_importing_the_package_imports_neither_jax_nor_matplotlib():
    code = "import jaxvis, sys; sys.exit('matplotlib' in sys.modules or 'jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def run_of(status, shape):
    image = np.full((*shape, 8, 6, 3), 0.5, np.float32)
    loss = np.zeros((*shape, 5), np.float32)
    return Run((), image, {"loss": loss}, np.full(shape, status, np.int8), {})


def test_a_run_prints_as_one_line():
    run = run_of(Status.DONE, (3, 2))
    run.status[0, 0] = Status.DEAD
    assert repr(run) == "Run(3 x 2 pictures of 8x6 pixels; 5 steps; 1 dead, 5 done)"


def test_a_run_shows_itself_as_a_grid_whose_rows_are_items():
    run = run_of(Status.DONE, (3, 2))
    run.image[1, 1] = np.nan
    page = np.asarray(Image.open(io.BytesIO(run._repr_png_())))
    assert page.shape == (3 * (8 + 4) + 4, 2 * (6 + 4) + 4, 3)
    np.testing.assert_array_equal(page[4, 4], [128, 128, 128])
    np.testing.assert_array_equal(page[4 + 12, 4 + 10], [255, 0, 255])
    assert run._replace(image=())._repr_png_() is None
