"""DeepDream: a photograph in which a layer sees ever more of what it knows."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Algebra, Amplify
from jaxvis.loss.views import Roll
from jaxvis.network import Network
from jaxvis.optimize import Box, Problem, solve
from jaxvis.optimize.rules.first_order import normalized_sgd
from jaxvis.types import Image, Key, Params, Run, Status, as_key


def dream(
    net: Network,
    params: Params,
    image: Image,
    *,
    tap: str | None = None,
    objective: Algebra | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    octaves: int = 4,
    octave_scale: float = 1.4,
    steps: int = 10,
    step_size: float = 1.5,
    jitter: int = 32,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns `image` with the activations of a layer amplified, octave by octave.

    Per step x <- clip(x + step_size / 255 * g / mean |g|), g the gradient of
    |Phi(roll(x))|^2 / 2. Octaves go from small to full size; the details that one
    added are enlarged and carried into the next.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1].
      tap: the layer whose activations grow.
      objective: instead of tap, any objective (a channel, a guide's direction...).
      seeds: dreams, which differ by their jitter.
      key: a typed random key, or an integer seed.
      octaves: sizes, each `octave_scale` times the one before.
      octave_scale: ratio of neighbouring octaves, above 1.
      steps: updates per octave.
      step_size: mean change of a step in grey levels of 255.
      jitter: largest circular shift, in pixels.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1], trace["loss"]
      `[seeds, octaves * steps]`.

    Raises:
      ValueError: if neither or both of tap and objective are given, for an unknown
        tap, or if the smallest octave is too small for the network.

    Source: Mordvintsev, Olah & Tyka, DeepDream (2015); Lecture 21, 21.10.
    """
    if (tap is None) == (objective is None):
        raise ValueError("pass either tap= or objective=")
    if octaves < 1 or octave_scale <= 1:
        raise ValueError("octaves must be at least 1 and octave_scale above 1")
    item = Amplify(tap) if objective is None else objective
    for name in item.taps or ():
        net.named(name)
    image = jnp.asarray(image, jnp.float32)
    sizes = _sizes(image.shape[:2], octaves, octave_scale)
    # A weight gives the item its sweep axis, the seeds.
    items = jax.tree.map(lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], seeds, 0), 1.0 * item)
    detail = jnp.zeros((seeds, *sizes[0], 3))
    runs = []
    for octave, size in enumerate(sizes):
        base = _resized(image[None], size)
        run = solve(
            _octave(net, size, steps, step_size / 255, jitter),
            params,
            items,
            jax.random.fold_in(as_key(key), octave),
            start=jnp.clip(base + _resized(detail, size), 0, 1),
            chunk=chunk,
            progress=progress,
        )
        if size != sizes[-1] and np.any(run.trace["status"] == Status.UNFINISHED):
            # Cancelled before the last octave: no dream is finished.
            raise KeyboardInterrupt
        detail = run.z - base
        runs.append(run)
    trace = {
        name: np.concatenate([run.trace[name] for run in runs], axis=1)
        for name in runs[0].trace
        if name != "status"
    }
    status = np.max([run.trace["status"] for run in runs], axis=0)
    return Run(runs[-1].z, runs[-1].image, {**trace, "status": status})


def _sizes(size: tuple[int, int], octaves: int, scale: float) -> list[tuple[int, int]]:
    """Returns the octaves' sizes (H, W), smallest first."""
    return [
        tuple(max(round(side / scale**k), 1) for side in size) for k in reversed(range(octaves))
    ]


def _resized(images: jax.Array, size: tuple[int, int]) -> jax.Array:
    return jax.image.resize(images, (len(images), *size, 3), "linear")


def _octave(net: Network, size: tuple[int, int], steps: int, rate: float, jitter: int) -> Problem:
    canvas = Pixels(size, center=(0.0, 0.0, 0.0))
    loss = compose(net, canvas, view=Roll(jitter))
    return Problem(loss, canvas, normalized_sgd(rate), steps, projection=Box())
