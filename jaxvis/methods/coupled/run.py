"""What all methods with a generator share: how it is seen, started and shown."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.generators.drawing import mean_levels, stretch
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.views import Resize
from jaxvis.network import Network
from jaxvis.optimize.problem import Problem, Program
from jaxvis.optimize.step_programs import START
from jaxvis.types import Canvas, Image, Key, Params


@dataclass(frozen=True)
class Stretch:
    """The last step of a picture: what a generator put out, stretched to [0, 1].

    The mean colour, which the output was added to, is taken away first, as the authors show
    theirs: its blue is 20 grey levels below its red, and would give all pictures a cast of
    olive.

    Args:
      root: whether to take the square root, as for the untrained variant.
      apart: whether every channel has a range of its own.
    """

    root: bool
    apart: bool = False

    def __call__(self, key: Key, image: Image) -> Image:
        """Stretches the image `[H, W, 3]`."""
        del key
        output = image - mean_levels(image.shape[-1]) / 255
        return stretch(output, root=self.root, apart=self.apart)


def choose_finish(stretched: str) -> Callable[[Key, Image], Image] | None:
    """Gives the last step of a picture `[H, W, 3]`.

    Args:
      stretched: one of `jaxvis.recipes.generators.STRETCHES`.
    """
    if stretched == "none":
        return None
    return Stretch(stretched == "root", apart=stretched == "channels")


def choose_view(net: Network, canvas: Canvas) -> Resize | None:
    """Gives the view that shows a network a picture in the size that it takes.

    Args:
      net: the network.
      canvas: the generator's.
    """
    size = net.input_size
    return None if tuple(canvas.image_size()) == size else Resize(size)


def choose_starts(
    problem: Problem, params: Params, shared: Any, items: Algebra, keys: Key, count: int
) -> Any:
    """Draws several random starts of every item, and gives the one with the least loss.

    Args:
      problem: one item's.
      params: the network's parameters.
      shared: the generator's.
      items: leaves `[N, ...]`.
      keys: `[N]` typed keys.
      count: starts of each item; 1 leaves the start to the solver, and gives None.
    """
    if count == 1:
        return None
    params, program = problem.loss.prepare(params), problem.program
    best, least = jax.vmap(problem.canvas.init)(keys), np.full(len(keys), np.inf, np.float32)
    for number in range(count):
        best, least = _take_better(
            program, params, shared, items, keys, np.uint32(START + number), best, least
        )
    return best


@jit
def _take_better(
    program: Program,
    params: Params,
    shared: Any,
    items: Algebra,
    keys: Key,
    number: Any,
    best: Any,
    least: Any,
) -> tuple[Any, Any]:
    """Compares one more start with the best so far; gives both and their losses."""

    def compare(item: Algebra, key: Key, best: Any, least: Any) -> tuple[Any, Any]:
        key = jax.random.fold_in(key, number)
        z = program.canvas.init(key)
        found, *_ = program.loss(params, z, item, key, shared)
        chosen = jax.tree.map(partial(jnp.where, found < least), z, best)
        return chosen, jnp.minimum(found, least)

    return jax.vmap(compare)(items, keys, best, least)
