"""Small images with their classes, and networks that know them: CIFAR-10 and MNIST."""

import gzip
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.paths import DATA
from benchmarks.harness.small_nets import CIFAR_ROWS, LENET5_ROWS
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network
from jaxvis.types import Params

DIGITS = "images/mnist/t10k-{}-ubyte.gz"


class Known(NamedTuple):
    """A network, and images of its classes in an order of chance.

    Attributes:
      net, params: the network.
      images: `[N, H, W, C]` in [0, 1].
      labels: `[N]`.
    """

    net: Network
    params: Params
    images: np.ndarray
    labels: np.ndarray


def read_known(name: str, count: int) -> Known:
    """Reads the network and some images from the data folder.

    Args:
      name: "cifar" or "mnist".
      count: how many images, at most.
    """
    if name == "cifar":
        with np.load(DATA / "images/cifar10_test_1000.npz") as file:
            images, labels = file["x"] / np.float32(255), file["y"].astype(np.int32)
        net = build_network("convnetjs", CIFAR_ROWS, input_size=(32, 32), scores="fc")
        params = _read_params("cifar10_convnetjs_f32.npz", CIFAR_ROWS, {}, shift=-0.5)
    else:
        images, labels = _read_digits()
        net = build_network("lenet5", LENET5_ROWS, input_size=(32, 32), scores="fc7", channels=1)
        keys = {"conv1": "c1", "conv3": "c3", "conv5": "c5", "fc6": "f6", "fc7": "f7"}
        params = _read_params("mnist_lenet5_f32.npz", LENET5_ROWS, keys, shift=0.0)
    order = np.random.default_rng(0).permutation(len(labels))[:count]
    return Known(net, params, images[order], labels[order])


def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Reads MNIST's test digits, enlarged to 32 x 32, and their labels."""
    raw = gzip.decompress((DATA / DIGITS.format("images-idx3")).read_bytes())
    small = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28).astype(np.float32)
    large = np.asarray(jax.image.resize(small, (len(small), 32, 32), "linear"))
    raw = gzip.decompress((DATA / DIGITS.format("labels-idx1")).read_bytes())
    labels = np.frombuffer(raw, np.uint8, offset=8).astype(np.int32)
    return (np.clip(large + 0.5, 0, 255).astype(np.uint8) / np.float32(255))[..., None], labels


def _read_params(
    file: str, rows: tuple[Layer, ...], keys: dict[str, str], *, shift: float
) -> Params:
    """Reads the parameters of a network's rows.

    Args:
      file: of the weights.
      rows: of the network's table.
      keys: row -> name in LeNet-5's file; {} where rows have their own names.
      shift: of images in [0, 1], before the first row.
    """
    with np.load(DATA / "weights" / file) as opened:
        arrays = dict(opened)
    channels = 1 if keys else 3
    params = {"input": {"scale": jnp.ones(channels), "shift": jnp.full(channels, shift)}}
    for row in rows:
        if row.op not in ("conv", "fc"):
            continue
        found = [
            _find_array(arrays, keys.get(row.name, row.name), end) for end in ("weight", "bias")
        ]
        kernel = found[0].transpose(2, 3, 1, 0) if found[0].ndim == 4 else found[0].T
        params[row.name] = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(found[1])}
    return params


def _find_array(arrays: dict[str, np.ndarray], name: str, end: str) -> np.ndarray:
    """Finds an array by the end of its name, such as c1.weight or conv1/weight."""
    (found,) = (arrays[key] for key in arrays if key.endswith((f"{name}/{end}", f".{name}.{end}")))
    return found.astype(np.float32)
