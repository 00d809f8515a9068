"""A process that holds jaxvis alone: a gradient step, and the solver's chunk."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import child, subjects
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.nets import build
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.rules.first_order import adam
from jaxvis.types import Params
from jaxvis.weights import file as weights_file

ITEMS = 32
"""Items from which the solver chooses a chunk."""


def _params(path: str, net: Network, networks: int, tap: str) -> Params:
    if not networks:
        return weights_file.read(path, net, stop=tap)
    out: dict = {}
    with weights_file.opened(path) as file:
        for name in file.keys():
            row, _, leaf = name.rpartition("/")
            out.setdefault(row, {})[leaf] = jnp.asarray(file.get_tensor(name))
    return out


def memory(spec: dict) -> dict:
    """Returns the memory that a batch's gradient takes: see `child.measured`.

    Args:
      spec: "net", "side", "tap", "weights", "images", "networks" (0, or how many) and
        what `child.measured` needs.

    Returns:
      dict: that and, if "chunk" of the spec is true, the items that the solver takes
      together of 32.
    """
    net = build(spec["net"], input_size=(spec["side"],) * 2)
    many = bool(spec["networks"])
    gradient = subjects.gradient(net, spec["tap"], params_axis=0 if many else None)
    images = np.load(spec["images"])
    index = subjects.indices(len(images))
    jax.block_until_ready(jnp.zeros(1))  # the backend starts here, not in the step

    # As the solver takes them: on a CPU one network after another, with its own forms.
    alone = many and jax.default_backend() == "cpu"

    def load() -> Params:
        params = _params(spec["weights"], net, spec["networks"], spec["tap"])
        return params if alone else ready(params)

    def ready(params: Params) -> Params:
        return jax.block_until_ready(subjects.ours(net, params, spec["side"]))

    def step(params: Params) -> tuple:
        if not alone:
            return tuple(map(np.asarray, gradient(params, images, index)))
        found = [
            gradient(
                ready(jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], params)),
                images[i : i + 1],
                index[i : i + 1],
            )
            for i in range(len(images))
        ]
        return tuple(np.concatenate(part) for part in zip(*found))

    found = child.measured(load, step, spec)
    if spec.get("chunk"):
        found["chunk"] = chunk(net, load(), spec["tap"])
    return found


class _Enough(Exception):
    """The first chunk is done: its size is known."""


def chunk(net: Network, params: Params, tap: str) -> int:
    """Returns how many of 32 items the solver optimises together on this machine.

    Args:
      net, params: the network.
      tap: where its channels are maximised.
    """
    canvas = Fourier(net.input_size)
    problem = Problem(compose(net, canvas), canvas, adam(0.05), 1)
    items = jax.vmap(lambda i: Excite(tap, i))(jnp.arange(ITEMS))
    taken: list[int] = []

    def first(where: range, run: object) -> None:
        taken.append(len(where))
        raise _Enough

    try:
        solve(problem, params, items, jax.random.key(0), on_chunk=first)
    except _Enough:
        pass
    return taken[0]


if __name__ == "__main__":
    child.main({"memory": memory})
