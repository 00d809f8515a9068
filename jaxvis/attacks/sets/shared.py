"""One perturbation for a set of images: ascent along the mean gradient of batches.

Each step draws a batch of images and a place, an angle... for each of them. All devices
share the batch; what they climb together is one array.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from tqdm import tqdm

from jaxvis.attacks.losses import AttackLoss, is_fooled
from jaxvis.attacks.rows import Victims
from jaxvis.compiler import jit
from jaxvis.devices import (
    PARTS,
    WHOLE,
    copy_to_all,
    count_devices,
    find_devices,
    make_mesh,
    share,
    split_items,
)
from jaxvis.interrupts import hold_interrupts
from jaxvis.network import Network
from jaxvis.optimize.keys import fold_name, keys_of_places, unroll_draws
from jaxvis.optimize.rules import Rule, transformation_of
from jaxvis.types import Array, Image, Key, Params, Status


@dataclass(frozen=True)
class Shared:
    """What is climbed, for whole batches; static and hashable.

    Args:
      net: the network, which names its scores.
      loss: what is raised, for every image.
      put: `(z, image, key) -> image`: how an image is perturbed; the result is clipped
        to [0, 1].
      project: `z -> z`, the nearest one that is allowed.
      rule: how z follows the gradient.
      mesh: the devices that share a batch, or None for one device.
    """

    net: Network
    loss: AttackLoss
    put: Callable[[Array, Image, Key], Image]
    project: Callable[[Array], Array]
    rule: Rule
    mesh: Mesh | None = None

    def look(self, params: Params, z: Array, one: "Batch") -> tuple[Array, Array]:
        """Computes (the loss of one perturbed image `[]`, whether it fools `[]`).

        Args:
          params: the network's parameters.
          z: what the image is perturbed with.
          one: an image and what belongs to it, without an axis.
        """
        image, label, target, key = one
        name = self.net.scores or ""
        seen = jnp.clip(self.put(z, image, unroll_draws(key)), 0.0, 1.0)
        scores = self.net.apply(params, seen, stop=name)[name].ravel()
        return self.loss(scores, label, target), is_fooled(scores, label, target)


class Batch(NamedTuple):
    """Images that are looked at together.

    Attributes:
      images: `[n, H, W, C]`.
      labels, targets: `[n]` int32, as in `Victims`.
      keys: `[n]` typed keys.
    """

    images: Any
    labels: Any
    targets: Any
    keys: Any


class Climbed(NamedTuple):
    """What became of the perturbation of a set.

    Attributes:
      z: it, on the host.
      loss: the mean of every batch, before its step, `[steps taken]`.
      status: how it ended.
    """

    z: np.ndarray
    loss: np.ndarray
    status: Status


@partial(jit, static_argnums=0)
def _step(
    shared: Shared, params: Params, z: Array, state: Any, batch: Batch
) -> tuple[Array, Any, Array]:
    """Takes one step; gives (z, the state of the rule, the mean loss)."""

    def slopes(params: Params, z: Array, batch: Batch) -> tuple[Array, Array]:
        def one(z: Array, part: Batch) -> tuple[Array, Array]:
            return shared.look(params, z, part)

        gradient = jax.vmap(jax.value_and_grad(one, has_aux=True), (None, 0))
        (values, _), slope = gradient(z, batch)
        return values, slope

    spread = share(shared.mesh, slopes, (WHOLE, WHOLE, PARTS), PARTS)
    values, slope = spread(params, z, batch)
    uphill = -jnp.mean(slope, axis=0)
    update, state = transformation_of(shared.rule).update(uphill, state, z)
    return shared.project(optax.apply_updates(z, update)), state, jnp.mean(values)  # type: ignore[return-value, arg-type]


@partial(jit, static_argnums=0)
def _judge(shared: Shared, params: Params, z: Array, batch: Batch) -> Array:
    def judge(params: Params, z: Array, batch: Batch) -> Array:
        return jax.vmap(lambda one: shared.look(params, z, one)[1])(batch)

    return share(shared.mesh, judge, (WHOLE, WHOLE, PARTS), PARTS)(params, z, batch)


def climb_together(
    shared: Shared,
    params: Params,
    z: np.ndarray,
    victims: Victims,
    *,
    steps: int,
    batch: int,
    key: Key,
    progress: bool,
) -> Climbed:
    """Raises the mean loss of a set; every image comes once before the first one comes again.

    Args:
      shared: what is climbed; its mesh is chosen here.
      params: the network's parameters.
      z: where it begins, `[H, W, C]`.
      victims: the images.
      steps: how many there are.
      batch: images of a step; rounded up to a multiple of the number of devices.
      key: of the order of the images, and of what `put` draws.
      progress: whether to show a bar.

    Returns:
      What was found; UNFINISHED where Ctrl-C came, FAILED where a value was not finite: then
      it is the last one that was.
    """
    shared, held = _spread(shared, params, victims)
    count = _fill(batch, shared.mesh)
    order = _shuffle(key, len(victims.images), steps * count)
    state = transformation_of(shared.rule).init(jnp.asarray(z))
    now, losses, status = jnp.asarray(z), [], Status.DONE
    with hold_interrupts() as stopped, tqdm(total=steps, disable=not progress, delay=1) as bar:
        for step in range(steps):
            if stopped():
                status = Status.UNFINISHED
                break
            rows = order[step * count : (step + 1) * count]
            keys = keys_of_places(jax.random.fold_in(key, step), count)
            new, state, loss = _step(shared, held, now, state, _pick(shared, victims, rows, keys))
            if not (np.isfinite(loss) and np.all(np.isfinite(new))):
                status = Status.FAILED
                break
            now = new
            losses.append(float(loss))
            bar.update()
    if status == Status.DONE and steps > 1 and not np.any(np.asarray(now) != z):
        status = Status.DEAD
    return Climbed(np.asarray(now), np.array(losses, np.float32), status)


def count_fooled(
    shared: Shared, params: Params, z: np.ndarray, victims: Victims, *, key: Key
) -> np.ndarray:
    """Says which images the perturbation fools, `[N]` bool.

    Args:
      shared: how images are perturbed.
      params: the network's parameters.
      z: the perturbation.
      victims: the images.
      key: of what `put` draws.
    """
    shared, held = _spread(shared, params, victims)
    total = len(victims.images)
    count = _fill(min(32, total), shared.mesh)
    keys = keys_of_places(key, total)
    found = []
    for start in range(0, total, count):
        # A last part that is too short is filled with the images from the front.
        rows = np.arange(start, start + count) % total
        batch = _pick(shared, victims, rows, keys[rows])
        found.append(np.asarray(_judge(shared, held, jnp.asarray(z), batch)))
    return np.concatenate(found)[:total]


def _spread(shared: Shared, params: Params, victims: Victims) -> tuple[Shared, Params]:
    """Chooses the devices, and puts the parameters on all of them."""
    mesh = make_mesh(find_devices((params,)))
    size = victims.images.shape[1:3]
    return replace(shared, mesh=mesh), copy_to_all(shared.net.prepare(params, size=size), mesh)


def _fill(count: int, mesh: Mesh | None) -> int:
    devices = count_devices(mesh)
    return -(-count // devices) * devices


def _pick(shared: Shared, victims: Victims, rows: np.ndarray, keys: Array) -> Batch:
    """Puts some of the images on the devices."""
    batch = Batch(
        jnp.asarray(victims.images[rows]), victims.labels[rows], victims.targets[rows], keys
    )
    return split_items(batch, shared.mesh)


def _shuffle(key: Key, count: int, length: int) -> np.ndarray:
    """Draws `length` places in 0..count-1: one random order of all after another."""
    rounds = -(-length // count)
    seed = int(jax.random.randint(fold_name(key, "order"), (), 0, 2**31 - 1))
    random = np.random.default_rng(seed)
    return np.concatenate([random.permutation(count) for _ in range(rounds)])[:length]
