"""The peer of Efros and Leung's synthesis makes the same picture, and finds a wrong one."""

import numpy as np

from benchmarks.peers import numpy_efros_leung
from benchmarks.speed import efros_leung as benchmark
from jaxvis.methods.classical_texture.efros_leung import efros_leung

SIZE, WINDOW = (12, 12), 5


def make_stripes():
    """Returns a texture of few grey levels, so that rounding decides nothing."""
    y, x = np.mgrid[:16, :16]
    return np.repeat(((x + 2 * y) % 5 / 4)[..., None], 3, -1).astype(np.float32)


def grow(**options):
    texture = numpy_efros_leung.Texture(make_stripes()[..., :1], WINDOW, tolerance=0.1)
    return numpy_efros_leung.grow(texture, SIZE, benchmark._make_generator(), **options)


def test_the_picture_is_the_same_in_any_number_of_products():
    run = efros_leung(make_stripes(), size=SIZE, window=WINDOW)
    for together in (None, 1):
        found = grow(together=together)
        np.testing.assert_array_equal(found.places, run.z[0])
        np.testing.assert_allclose(found.errors, run.trace["loss"][0], atol=1e-6)


def test_a_pixel_from_elsewhere_is_found():
    places = grow().places
    assert grow(follow=places).excess == 0
    wrong = places.copy()
    # One column further is another grey level.
    wrong[0, 0, 1] = places[0, 0, 1] - 1 if places[0, 0, 1] > WINDOW // 2 else WINDOW // 2 + 1
    assert grow(follow=wrong).excess > benchmark.EXCESS
