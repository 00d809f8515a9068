"""A process that holds jaxvis alone: a gradient step, and the solver's chunk."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import child, subjects
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.nets import build
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve_chunks
from jaxvis.optimize.rules import adam
from jaxvis.types import Params
from jaxvis.weights import file as weights_file
from jaxvis.weights.tensor_file import open_tensors

ITEMS = 32
"""Items from which the solver chooses a chunk."""


def _read_params(path: str, net: Network, networks: int, tap: str) -> Params:
    if not networks:
        return weights_file.read(path, net, stop=tap)
    out: dict = {}
    with open_tensors(path) as file:
        for name in file.names:
            row, _, leaf = name.rpartition("/")
            out.setdefault(row, {})[leaf] = jnp.asarray(file.read(name))
    return out


class _Batch(NamedTuple):
    """The images of one step, and the compiled gradient that takes it."""

    net: Network
    gradient: subjects.Gradient
    images: np.ndarray
    index: np.ndarray

    def prepare(self, params: Params) -> Params:
        """Prepares parameters for the steps, and waits for them."""
        return jax.block_until_ready(
            subjects.prepare_params(self.net, params, self.images.shape[1])
        )

    def step(self, params: Params) -> tuple:
        """Takes the step of all images at once, with prepared parameters."""
        return tuple(map(np.asarray, self.gradient(params, self.images, self.index)))

    def step_one_by_one(self, params: Params) -> tuple:
        """Takes the steps one after another; each network is prepared for itself."""
        found = [
            self.gradient(
                self.prepare(jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], params)),
                self.images[i : i + 1],
                self.index[i : i + 1],
            )
            for i in range(len(self.images))
        ]
        return tuple(np.concatenate(part) for part in zip(*found))


def measure_memory(spec: dict) -> dict:
    """Measures the memory that a batch's gradient takes: see `child.measure_memory`.

    Args:
      spec: "net", "side", "tap", "weights", "images", "networks" (0, or how many),
        "convolution" and what `child.measure_memory` needs.

    Returns:
      dict: that and, if "chunk" of the spec is true, the items that the solver takes
      together of 32.
    """
    net = build(spec["net"], input_size=(spec["side"],) * 2, convolution=spec["convolution"])
    many = bool(spec["networks"])
    gradient = subjects.make_gradient(net, spec["tap"], params_axis=0 if many else None)
    images = np.load(spec["images"])
    batch = _Batch(net, gradient, images, subjects.number_classes(len(images)))
    jax.block_until_ready(jnp.zeros(1))  # the backend starts here, not in the step

    # The solver takes networks one after another on a CPU, too.
    alone = many and jax.default_backend() == "cpu"

    def load() -> Params:
        params = _read_params(spec["weights"], net, spec["networks"], spec["tap"])
        return params if alone else batch.prepare(params)

    found = child.measure_memory(load, batch.step_one_by_one if alone else batch.step, spec)
    if spec.get("chunk"):
        found["chunk"] = find_chunk(net, load(), spec["tap"])
    return found


def find_chunk(net: Network, params: Params, tap: str) -> int:
    """Finds how many of 32 items the solver optimises together on this machine.

    Args:
      net, params: the network.
      tap: where its channels are maximised.
    """
    canvas = Fourier(net.input_size)
    problem = Problem(compose(net, canvas), canvas, adam(0.05), 1)
    items = jax.vmap(lambda i: Excite(tap, i))(jnp.arange(ITEMS))
    places, _ = next(solve_chunks(problem, params, items, jax.random.key(0)))
    return len(places)


if __name__ == "__main__":
    child.run_task({"memory": measure_memory})
