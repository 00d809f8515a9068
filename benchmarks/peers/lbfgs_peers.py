"""The inversions that `benchmarks.speed.lbfgs` measures, as others solve them.

optax under `vmap`; SciPy and torch one item after another. See `benchmarks.speed.lbfgs`.
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
class Case:
    """What all ways need.

    Args:
      net, tap, side: the network, the layer that is inverted, pixels of a side.
      params: as the step wants them; `plain`, as they were drawn, for torch.
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

    def value(self, z: Array, item: Match) -> Array:
        """Returns the loss of one z `[side, side, 3]`."""
        return self.loss(self.params, z, item, jax.random.key(0))[0]


class Found(NamedTuple):
    """Where a way ended: losses `[N]`, and values with gradients it took in all."""

    losses: np.ndarray
    evaluations: int


def case(name: str, tap: str, side: int, count: int) -> Case:
    """Returns the inversions of `count` images from one layer of a random network.

    Args:
      name: the network.
      tap: the layer.
      side: pixels.
      count: images.
    """
    net, drawn = subjects.subject(name, side, stop=tap)
    canvas = Pixels((side, side), noise=0.1)
    params = subjects.ours(net, drawn, side)
    images = jnp.asarray(subjects.photographs(count, side))
    codes = jax.vmap(lambda image: net.apply(drawn, image, stop=tap)[tap])(images)
    start = jax.vmap(canvas.init)(jax.random.split(jax.random.key(1), count))
    items = Match(tap, codes, mask=jnp.ones(count))
    return Case(net, tap, side, params, drawn, compose(net, canvas), items, start)


def optax_step(given: Case) -> tuple[Callable, Callable]:
    """Returns optax's first states and its step, of all items, compiled.

    Args:
      given: the case.
    """
    optimizer = optax.lbfgs(memory_size=MEMORY)

    def one(z: Array, state: Any, done: Array, item: Match) -> tuple:
        value_of = partial(given.value, item=item)
        value, grad = optax.value_and_grad_from_state(value_of)(z, state=state)
        updates, new = optimizer.update(grad, state, z, value=value, grad=grad, value_fn=value_of)
        after = optax.tree.get(new, "value")
        kept = partial(jax.tree.map, lambda old, new: jnp.where(done, old, new))
        small = value - after <= FTOL * jnp.maximum(value, 1.0)
        z, state = kept((z, state), (optax.apply_updates(z, updates), new))
        return z, state, done | small, optax.tree.get(state, "value")

    return jax.jit(jax.vmap(optimizer.init)), jax.jit(jax.vmap(one))


def by_optax(given: Case, init: Callable, step: Callable) -> Found:
    """Returns what `optax.lbfgs` finds; its evaluations are not told: 0.

    Args:
      given: the case.
      init, step: of `optax_step`.
    """
    z, done = given.start, jnp.zeros(len(given.start), bool)
    state, losses = init(z), None
    for _ in range(STEPS):
        z, state, done, losses = step(z, state, done, given.items)
        if np.all(done):
            break
    return Found(np.asarray(losses), 0)


def by_scipy(given: Case, value: Callable) -> Found:
    """Returns what SciPy's L-BFGS-B finds, one item after another.

    Args:
      given: the case.
      value: the compiled value and gradient of one item.
    """
    from scipy.optimize import minimize

    losses, taken = [], 0
    shape = given.start.shape[1:]
    for at, start in enumerate(np.asarray(given.start, np.float64)):
        item = given.item(at)

        def both(z: np.ndarray, item: Match = item) -> tuple[float, np.ndarray]:
            loss, grad = value(np.float32(z).reshape(shape), item)
            return float(loss), np.asarray(grad, np.float64).ravel()

        options = {"maxcor": MEMORY, "maxfun": STEPS, "ftol": FTOL, "gtol": 0.0}
        end = minimize(both, start.ravel(), jac=True, method="L-BFGS-B", options=options)
        losses.append(end.fun)
        taken += end.nfev
    return Found(np.array(losses), taken)


def by_torch(given: Case, module: Callable) -> Found:
    """Returns what `torch.optim.LBFGS` finds, one item after another.

    Args:
      given: the case.
      module: images -> tap.
    """
    import torch

    losses, taken = [], 0
    for at in range(len(given.start)):
        value, z = torch_value(given, module, at)
        optimizer = torch.optim.LBFGS(
            [z],
            max_iter=STEPS,
            max_eval=STEPS,
            history_size=MEMORY,
            tolerance_grad=0,
            tolerance_change=FTOL,
            line_search_fn="strong_wolfe",
        )

        def closure(value: Callable = value, z: torch.Tensor = z) -> torch.Tensor:
            z.grad = None
            loss = value()
            loss.backward()
            return loss

        optimizer.step(closure)
        taken += optimizer.state[z]["func_evals"]
        with torch.no_grad():
            losses.append(float(value()))
    return Found(np.array(losses), taken)


def torch_value(given: Case, module: Callable, at: int) -> tuple[Callable, Any]:
    """Returns torch's loss of one item, and the z `[1, 3, side, side]` it is of.

    Args:
      given: the case.
      module: images -> tap.
      at: which item.
    """
    import torch

    z = torch_peer.to_torch(np.asarray(given.start[at : at + 1])).requires_grad_()
    target = torch_peer.to_torch(np.asarray(given.items.target[at : at + 1]))
    center = torch.tensor(Pixels((1, 1)).center, device=z.device)[:, None, None]
    scale = target.square().sum()
    return lambda: (module(z + center) - target).square().sum() / scale, z
