"""Speed of an inversion: our solver against torch's same update, both in batches."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Row, interleaved, relative, row, verdict
from benchmarks.peers import torch_peer
from jaxvis.images import MEAN
from jaxvis.loss.objectives import Match
from jaxvis.nets.table.geometry import stride_of
from jaxvis.optimize import solve
from jaxvis.recipes.natural import Natural, stages

FIDELITY = 100.0
IMAGES = 0.02
"""How much images after the steps may differ, of the largest value: Algorithm 1 divides
by gradients' sizes, and small ones are rounding."""


def measured(
    name: str,
    net: str,
    tap: str,
    *,
    count: int,
    side: int,
    steps: int = 10,
    pairs: int = 5,
) -> Row:
    """Returns the row: seconds of `steps` updates of a batch, ours and torch's.

    Args:
      name: the benchmark's.
      net: the network, with random weights: speed does not depend on them.
      tap: the layer, of a stride that has no jitter.
      count: images.
      side: pixels of a side.
      steps: updates.
      pairs: interleaved runs.
    """
    network, params = subjects.subject(net, side, stop=tap)
    images = subjects.photographs(count, side)
    codes = jnp.stack([network.code(params, image, tap) for image in images])
    items = jnp.full(count, FIDELITY) * Match(tap, codes, mask=jnp.ones(count))
    (problem,) = stages(
        network,
        Natural(second=0, jitter=1),
        size=(side, side),
        stride=stride_of(network, params, tap),
        steps=steps,
    )
    start = np.asarray(jax.vmap(problem.canvas.init)(jax.random.split(jax.random.key(0), count)))

    def ours() -> np.ndarray:
        return solve(problem, params, items, jax.random.key(0), start=start).z

    sizes = {"net": net, "tap": tap, "pixels": side, "images": count, "steps": steps}
    case = f"{count} images of {side} px at {net} {tap}, {steps} updates"
    why = torch_peer.absent()
    if why is not None:
        times = interleaved({"ours": ours}, pairs)["ours"]
        return row(
            name,
            case,
            ours=times,
            peer=None,
            peer_name=why,
            verdict=None,
            sizes=sizes,
            images_per_second=_rate(count, steps, times),
        )
    theirs, label = _torch(network, params, images, codes, start, tap, steps)
    check = verdict(image=(relative(ours(), theirs()), IMAGES))
    times = interleaved({"ours": ours, "peer": theirs}, pairs)
    return row(
        name,
        case,
        ours=times["ours"],
        peer=times["peer"],
        peer_name=label,
        verdict=check,
        sizes=sizes,
        target=1.0,
        images_per_second=_rate(count, steps, times["ours"]),
        peer_images_per_second=_rate(count, steps, times["peer"]),
    )


def _rate(count: int, steps: int, seconds: np.ndarray) -> float:
    """Returns images a second, an image being 350 updates."""
    return round(count * steps / 350 / float(np.median(seconds)), 4)


def _torch(network, params, images, codes, start, tap, steps):
    """Returns torch's run, as a call, and what it is called."""
    import torch

    from benchmarks.peers.torch_preimage import invert

    module = torch_peer.network(network, params, tap, images.shape[1])
    best = torch_peer.best(module, images, np.arange(len(images)) % codes.shape[-1], compiled=False)
    form = torch.channels_last if best.channels_last else torch.contiguous_format
    first = torch_peer.to_torch(start).contiguous(memory_format=form)
    wanted = np.asarray(codes)
    if wanted.ndim == 4:
        wanted = wanted.transpose(0, 3, 1, 2).copy()
    wanted = torch.from_numpy(wanted).to(first.device)

    def run() -> np.ndarray:
        z = invert(best.module, wanted, first, center=MEAN, fidelity=FIDELITY, steps=steps)
        return z.permute(0, 2, 3, 1).cpu().numpy()

    return run, f"{best.name}, the same update in one batch"
