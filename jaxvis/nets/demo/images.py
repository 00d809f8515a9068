"""Procedural images of classes whose look is known in words.

`draw(key, label)` paints one image. Colours, phases, periods, places, lighting, clutter and
noise are random, so that only the class's structure can be learned.
`tests/demo_answers.py` measures whether a picture shows its class.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import random

from jaxvis.types import Array, Image, Key

SIDE = 64
"""The height and width of an image in pixels."""
FINE, MEDIUM, COARSE = (5.0, 7.0), (7.0, 10.0), (12.0, 17.0)
"""Ranges of the stripes' periods in pixels."""
TILT = 6.0
"""The most degrees by which stripes lean from the direction of their class."""
HUES = {
    "red": (0.85, 0.12, 0.12),
    "green": (0.12, 0.7, 0.15),
    "blue": (0.12, 0.2, 0.85),
    "yellow": (0.9, 0.85, 0.1),
}
"""RGB in [0, 1] of the solid colours, before they are varied."""


def _grid() -> tuple[Array, Array]:
    """Returns x (to the right) and y (down) of every pixel centre, `[64, 64]` each."""
    y, x = jnp.mgrid[:SIDE, :SIDE]
    return x + 0.5, y + 0.5


def _scale(u: Array, low: float | Array, high: float | Array) -> Array:
    """Returns numbers u of [0, 1), scaled to [low, high)."""
    return low + u * (high - low)


def _cover(depth: Array) -> Array:
    """Returns the coverage in [0, 1] of a signed depth in pixels; edges are one pixel soft."""
    return jnp.clip(depth + 0.5, 0.0, 1.0)


def _bands(coordinate: Array, period: Array, share: float | Array) -> Array:
    """Returns bands across a coordinate in pixels, which cover `share` of each period."""
    off = jnp.abs((coordinate / period) % 1.0 - 0.5) * period
    return _cover(share * period / 2 - off)


def _stripes(u: Array, degrees: float, periods: tuple[float, float]) -> Array:
    """Returns the mask of stripes that repeat `degrees` from x (right) towards y (down)."""
    x, y = _grid()
    angle = jnp.deg2rad(degrees + _scale(u[0], -TILT, TILT))
    period = _scale(u[1], *periods)
    along = x * jnp.cos(angle) + y * jnp.sin(angle) + u[2] * period
    return _bands(along, period, _scale(u[3], 0.4, 0.6))


def _dots(u: Array) -> Array:
    """Returns the mask of round dots on a square lattice."""
    x, y = _grid()
    period = _scale(u[0], 9.0, 13.0)
    dx = (x + u[1] * period) % period - period / 2
    dy = (y + u[2] * period) % period - period / 2
    return _cover(_scale(u[3], 0.26, 0.36) * period - jnp.hypot(dx, dy))


def _rings(u: Array) -> Array:
    """Returns the mask of concentric rings around a point near the middle."""
    x, y = _grid()
    radius = jnp.hypot(x - _scale(u[0], 22.0, 42.0), y - _scale(u[1], 22.0, 42.0))
    period = _scale(u[2], 8.0, 13.0)
    return _bands(radius + u[3] * period, period, 0.5)


def _checkers(u: Array) -> Array:
    """Returns the mask of a checkerboard."""
    x, y = _grid()
    period = 2 * _scale(u[0], 6.0, 10.0)
    across = 2 * _bands(x + u[1] * period, period, 0.5) - 1
    down = 2 * _bands(y + u[2] * period, period, 0.5) - 1
    return (1 + across * down) / 2


def _bricks(u: Array) -> Array:
    """Returns the mask of a wall: courses of bricks, each shifted by half a brick."""
    x, y = _grid()
    height = _scale(u[0], 9.0, 13.0)
    length, joint = 2.0 * height, 2.4
    row = y / height + u[1]
    shifted = x + u[2] * length + length / 2 * (jnp.floor(row) % 2)
    bed = jnp.abs(row % 1.0 - 0.5) * height
    head = jnp.abs((shifted / length) % 1.0 - 0.5) * length
    return _cover(jnp.minimum(height / 2 - bed, length / 2 - head) - joint / 2)


def _gradient(u: Array, axis: int) -> Array:
    """Returns a ramp along x (axis 1) or y (axis 0), in either direction."""
    ramp = (_grid()[1 - axis] / SIDE) ** _scale(u[0], 0.7, 1.4)
    return jnp.where(u[1] < 0.5, ramp, 1.0 - ramp)


def _figure(u: Array, depth: Callable[[Array, Array, Array], Array]) -> Array:
    """Returns the mask of one figure, placed at random near the middle."""
    x, y = _grid()
    half = _scale(u[0], 12.0, 20.0)
    room = SIDE / 2 - half - 2
    middle = SIDE / 2 + _scale(u[1:3], -1.0, 1.0) * room
    return _cover(depth(x - middle[0], y - middle[1], half))


def _disc(x: Array, y: Array, half: Array) -> Array:
    """Returns the signed depth of a disc."""
    return half - jnp.hypot(x, y)


def _square(x: Array, y: Array, half: Array) -> Array:
    """Returns the signed depth of an upright square."""
    return half - jnp.maximum(jnp.abs(x), jnp.abs(y))


def _triangle(x: Array, y: Array, half: Array) -> Array:
    """Returns the signed depth of an equilateral triangle that points up."""
    inner = half / jnp.sqrt(3.0)
    return inner - jnp.maximum(y, jnp.abs(x) * jnp.sqrt(3.0) / 2 - y / 2)


def _cross(x: Array, y: Array, half: Array) -> Array:
    """Returns the signed depth of an upright cross, whose arms are a third as wide as it is."""
    x, y = jnp.abs(x), jnp.abs(y)
    return jnp.minimum(half - jnp.maximum(x, y), half / 3 - jnp.minimum(x, y))


FIGURES: dict[str, Callable[[Array, Array, Array], Array]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
}
"""Figure -> the function `(x, y, half)` -> signed depth in pixels, positive inside. x runs to
the right and y down from the middle of the figure, which is `2 half` wide."""
MASKS: dict[str, Callable[[Array], Array]] = {
    "vertical stripes, fine": partial(_stripes, degrees=0.0, periods=FINE),
    "vertical stripes, coarse": partial(_stripes, degrees=0.0, periods=COARSE),
    "horizontal stripes, fine": partial(_stripes, degrees=90.0, periods=FINE),
    "horizontal stripes, coarse": partial(_stripes, degrees=90.0, periods=COARSE),
    "rising diagonal stripes": partial(_stripes, degrees=45.0, periods=MEDIUM),
    "falling diagonal stripes": partial(_stripes, degrees=-45.0, periods=MEDIUM),
    "dots": _dots,
    "rings": _rings,
    "checkers": _checkers,
    "bricks": _bricks,
    "horizontal gradient": partial(_gradient, axis=1),
    "vertical gradient": partial(_gradient, axis=0),
    **{name: partial(_figure, depth=depth) for name, depth in FIGURES.items()},
}
"""Class of two colours -> the mask of its second colour, a function of four random numbers in
[0, 1) that gives `[64, 64]` in [0, 1]."""
CLASSES: tuple[str, ...] = (*MASKS, *HUES)
"""The labels, in the order of the network's scores."""


def _choose_colours(u: Array) -> tuple[Array, Array]:
    """Returns two random colours, one dark and one light, in random order.

    One in four is a colour of `HUES`, so that a hue alone does not make a class of theirs.
    """
    hues = jnp.array([HUES[name] for name in ("red", "green", "blue")])
    hue = hues[(u[8] * len(hues)).astype(int)]
    dark = jnp.where(u[6] < 0.25, hue, _scale(u[:3], 0.05, 0.4))
    yellow = jnp.array(HUES["yellow"])
    light = jnp.where(u[7] < 0.25, yellow, _scale(u[3:6], 0.6, 0.95))
    swap = u[9] < 0.5
    return jnp.where(swap, light, dark), jnp.where(swap, dark, light)


def _vary_hue(u: Array, label: int | Array) -> Array:
    """Returns the colour `[3]` of a solid class, varied in brightness and hue."""
    hue = jnp.array(list(HUES.values()))[jnp.maximum(label - len(MASKS), 0)]
    return hue * _scale(u[3], 0.6, 1.05) + _scale(u[:3], -0.06, 0.06)


def _paint(u: Array, v: Array, label: int | Array) -> Image:
    """Returns an image of the class alone, of random numbers `u` `[4]` and `v` `[10]`."""
    masks = (*MASKS.values(), lambda u: jnp.zeros((SIDE, SIDE)))
    mask = jax.lax.switch(jnp.minimum(label, len(MASKS)), masks, u)
    back, front = _choose_colours(v)
    back = jnp.where(label < len(MASKS), back, _vary_hue(v, label))
    return back + mask[..., None] * (front - back)


def _light(u: Array, image: Image) -> Image:
    """Returns the image under uneven light, up to 12 % more on one side than in the middle."""
    x, y = _grid()
    angle = u[0] * 2 * jnp.pi
    slope = (x - SIDE / 2) * jnp.cos(angle) + (y - SIDE / 2) * jnp.sin(angle)
    return image * (1 + 0.12 * u[1] * slope / (SIDE / 2))[..., None]


def _cover_ellipse(u: Array) -> Array:
    """Returns the coverage `[64, 64, 1]` of a small ellipse, which may be absent."""
    x, y = _grid()
    dx, dy = x - u[0] * SIDE, y - u[1] * SIDE
    radii = _scale(u[2:4], 2.0, 6.0)
    angle = u[4] * jnp.pi
    along = (dx * jnp.cos(angle) + dy * jnp.sin(angle)) / radii[0]
    across = (dy * jnp.cos(angle) - dx * jnp.sin(angle)) / radii[1]
    cover = _cover((1.0 - jnp.hypot(along, across)) * jnp.min(radii))
    return jnp.where(u[5] < 0.6, cover, 0.0)[..., None]


def _clutter(u: Array, image: Image) -> Image:
    """Returns the image behind up to four small ellipses of random colours."""
    for cover, colour in zip(jax.vmap(_cover_ellipse)(u[:, :6]), u[:, 6:]):
        image = image + cover * (colour - image)
    return image


def draw(key: Key, label: str | int | Array, *, clean: bool = False) -> Image:
    """Returns one image of a class, which depends on the key and the label alone.

    It works under `jax.jit` and `jax.vmap`.

    Args:
      key: a random key.
      label: a name in `CLASSES`, or its index (which may be traced).
      clean: whether to leave out uneven light, clutter and noise.

    Returns:
      `[64, 64, 3]` float32 RGB in [0, 1].

    Raises:
      ValueError: for an unknown name.
    """
    if isinstance(label, str):
        if label not in CLASSES:
            raise ValueError(f"label {label!r} is not one of {', '.join(CLASSES)}")
        label = CLASSES.index(label)
    keys = random.split(key, 3)
    # All numbers are drawn here: random calls in every branch take seconds to compile.
    form, colours, light = jnp.split(random.uniform(keys[0], (17,)), (4, 14))
    image = _paint(form, colours, label)
    if not clean:
        image = _clutter(random.uniform(keys[1], (4, 9)), _light(light, image))
        noise = random.normal(keys[2], image.shape)
        image = image + 0.06 * light[2] * noise
    return jnp.clip(image, 0.0, 1.0)
