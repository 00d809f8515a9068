"""The inversions that `benchmarks.speed.lbfgs` measures, solved by other libraries.

optax takes all of them under `vmap`; SciPy and torch take one item after another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness import subjects
from benchmarks.peers import torch_peer
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Match
from jaxvis.network import Network
from jaxvis.types import Array, Loss, Params

MEMORY, FTOL, STEPS = 10, 1e-4, 200
"""Pairs kept, tolerance, and the most evaluations (of optax: iterations)."""


@dataclass(frozen=True)
class Inversions:
    """Inversions of one layer's codes: what all ways to solve them need.

    Args:
      net, tap, side: the network, the layer that is inverted, pixels of a side.
      params: as the step wants them.
      plain: as they were drawn, for torch.
      loss: of one item.
      items: targets, leaves `[N, ...]`.
      start: `[N, side, side, 3]`, the first z.
    """

    net: Network
    tap: str
    side: int
    params: Params
    plain: Params
    loss: Loss
    items: Match
    start: Array

    def item(self, at: int) -> Match:
        """Returns one item's target."""
        return jax.tree.map(lambda leaf: leaf[at], self.items)

    def compute_loss(self, z: Array, item: Match) -> Array:
        """Computes the loss of one z `[side, side, 3]`."""
        return self.loss(self.params, z, item, jax.random.key(0))[0]


class Found(NamedTuple):
    """The end of a run: losses `[N]`, and how many values with gradients it took in all."""

    losses: np.ndarray
    evaluations: int


def make_inversions(name: str, tap: str, side: int, count: int) -> Inversions:
    """Makes the inversions of `count` images from one layer of a random network.

    Args:
      name: the network.
      tap: the layer.
      side: pixels.
      count: images.
    """
    net, plain = subjects.make_network(name, side, stop=tap)
    canvas = Pixels((side, side), noise=0.1)
    params = subjects.prepare_params(net, plain, side)
    images = jnp.asarray(subjects.draw_images(count, side))
    codes = jax.vmap(lambda image: net.apply(plain, image, stop=tap)[tap])(images)
    start = jax.vmap(canvas.init)(jax.random.split(jax.random.key(1), count))
    items = Match(tap, codes, mask=jnp.ones(count))
    return Inversions(net, tap, side, params, plain, compose(net, canvas), items, start)


def compile_optax(given: Inversions) -> tuple[Callable, Callable]:
    """Compiles optax's first states and its step, of all items.

    Args:
      given: the inversions.
    """
    optimizer = optax.lbfgs(memory_size=MEMORY)

    def one(z: Array, state: Any, done: Array, item: Match) -> tuple:
        value_of = partial(given.compute_loss, item=item)
        value, grad = optax.value_and_grad_from_state(value_of)(z, state=state)
        updates, new = optimizer.update(grad, state, z, value=value, grad=grad, value_fn=value_of)
        after = optax.tree.get(new, "value")
        keep = partial(jax.tree.map, lambda old, new: jnp.where(done, old, new))
        small = value - after <= FTOL * jnp.maximum(value, 1.0)
        z, state = keep((z, state), (optax.apply_updates(z, updates), new))
        return z, state, done | small, optax.tree.get(state, "value")

    return jax.jit(jax.vmap(optimizer.init)), jax.jit(jax.vmap(one))


def solve_by_optax(given: Inversions, init: Callable, step: Callable) -> Found:
    """Solves the inversions with `optax.lbfgs`, which does not count its evaluations: 0.

    Args:
      given: the inversions.
      init, step: of `compile_optax`.
    """
    z, done = given.start, jnp.zeros(len(given.start), bool)
    state, losses = init(z), None
    for _ in range(STEPS):
        z, state, done, losses = step(z, state, done, given.items)
        if np.all(done):
            break
    return Found(np.asarray(losses), 0)


def solve_by_scipy(given: Inversions, value_and_grad: Callable) -> Found:
    """Solves the inversions with SciPy's L-BFGS-B, one item after another.

    Args:
      given: the inversions.
      value_and_grad: the compiled loss and gradient of one item.
    """
    from scipy.optimize import minimize

    losses, evaluations = [], 0
    shape = given.start.shape[1:]
    for at, start in enumerate(np.asarray(given.start, np.float64)):
        item = given.item(at)

        def both(z: np.ndarray, item: Match = item) -> tuple[float, np.ndarray]:
            loss, grad = value_and_grad(np.float32(z).reshape(shape), item)
            return float(loss), np.asarray(grad, np.float64).ravel()

        options = {"maxcor": MEMORY, "maxfun": STEPS, "ftol": FTOL, "gtol": 0.0}
        end = minimize(both, start.ravel(), jac=True, method="L-BFGS-B", options=options)
        losses.append(end.fun)
        evaluations += end.nfev
    return Found(np.array(losses), evaluations)


def solve_by_torch(given: Inversions, module: Callable) -> Found:
    """Solves the inversions with `torch.optim.LBFGS`, one item after another.

    Args:
      given: the inversions.
      module: images -> tap.
    """
    import torch

    from benchmarks.peers.torch_lbfgs import minimize

    losses, evaluations = [], 0
    for at in range(len(given.start)):
        compute_loss, z = make_torch_loss(given, module, at)
        options = {"evaluations": STEPS, "memory": MEMORY, "tolerance": FTOL}
        evaluations += len(minimize(compute_loss, z, **options))
        with torch.no_grad():
            losses.append(float(compute_loss()))
    return Found(np.array(losses), evaluations)


def make_torch_loss(given: Inversions, module: Callable, at: int) -> tuple[Callable, Any]:
    """Makes torch's loss of one item, and the z `[1, 3, side, side]` that it reads.

    Args:
      given: the inversions.
      module: images -> tap.
      at: which item.
    """
    import torch

    z = torch_peer.to_torch(np.asarray(given.start[at : at + 1])).requires_grad_()
    target = torch_peer.to_torch(np.asarray(given.items.target[at : at + 1]))
    center = torch.tensor(Pixels((1, 1)).center, device=z.device)[:, None, None]
    scale = target.square().sum()
    return lambda: (module(z + center) - target).square().sum() / scale, z
