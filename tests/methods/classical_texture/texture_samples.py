"""Small textures that tests of the classical methods share."""

import numpy as np


def noise(side=20, *, seed=0):
    """Returns a smooth random texture, every pixel of another colour."""
    image = np.random.default_rng(seed).random((side, side, 3))
    for axis in (0, 1):
        image = (image + np.roll(image, 1, axis) + np.roll(image, -1, axis)) / 3
    return image.astype(np.float32)


def checkers(side=16, *, cell=1):
    """Returns a black and white checkerboard."""
    line = np.arange(side) // cell
    board = (line[:, None] + line) % 2
    return np.repeat(board[..., None], 3, -1).astype(np.float32)


def interrupt_after(count, function):
    """Returns the function, which raises KeyboardInterrupt from its call `count` on."""
    calls = []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) > count:
            raise KeyboardInterrupt
        return function(*arguments, **options)

    return interrupted
