"""What the curves of cost are measured with: two networks, and pictures of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxvis
from benchmarks.harness import subjects
from jaxvis.loss.objectives import Excite
from jaxvis.nets import random_params
from jaxvis.network import Network
from jaxvis.optimize import solve
from jaxvis.optimize.keys import keys_of_places
from jaxvis.recipes.presets import RECIPES
from jaxvis.types import Params

Losses = np.ndarray
"""Of every picture and step, `[N, steps]`."""


class Subject(NamedTuple):
    """What pictures are made of, and how.

    Attributes:
      net: the network's name.
      pixels: of a side.
      steps: updates.
      tap: whose first channel the pictures maximise; None takes the first class.
    """

    net: str
    pixels: int
    steps: int
    tap: str | None = None

    def load(self) -> tuple[Network, Params]:
        """Loads the network: "demo" with its trained weights, others with random ones."""
        if self.net == "demo":
            return jaxvis.load("demo")
        return subjects.make_network(self.net, self.pixels)


def make_painter(subject: Subject) -> Callable[..., Losses]:
    """Makes a call that paints pictures of one thing by `jaxvis.maximize`.

    Args:
      subject: the network and the steps.

    Returns:
      `(items, pixels=subject.pixels) -> losses`, which waits for the pictures.
    """
    net, params = subject.load()

    def paint(items: int, pixels: int = subject.pixels) -> Losses:
        size = (pixels, pixels)
        options = {"tap": subject.tap, "steps": subject.steps}
        run = jaxvis.maximize(net, params, seeds=items, size=size, **options)
        return run.trace["loss"][0]

    return paint


def make_network_painter(subject: Subject, most: int) -> Callable[..., Losses]:
    """Makes a call that paints one picture for each of several networks with random weights.

    Args:
      subject: the network, of which only the layers are used, and the steps.
      most: networks that are made.

    Returns:
      `(networks, first=0) -> losses` of networks first, first + 1...
    """
    net, _ = subject.load()
    tap = subject.tap or net.classes
    made = [
        random_params(net, jax.random.key(i), preprocess="imagenet", stop=tap) for i in range(most)
    ]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
    recipe = replace(RECIPES["robust"]((subject.pixels,) * 2), steps=subject.steps)
    problem, keys = recipe.problem(net), keys_of_places(jax.random.key(0), most)

    def paint(networks: int, first: int = 0) -> Losses:
        part = slice(first, first + networks)
        own = jax.tree.map(lambda leaf: leaf[part], params)
        items = jax.vmap(lambda i: Excite(tap, i))(jnp.zeros(networks, jnp.int32))
        return solve(problem, own, items, keys[part], params_axis=0).trace["loss"]

    return paint
