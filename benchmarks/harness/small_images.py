"""Small images with their classes, and networks that know them: MNIST and CIFAR-10.

Weights and images are read from the data folder of the tests.
"""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.small_nets import CIFAR_ROWS, LENET5_ROWS
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network
from jaxvis.types import Params

LENET5 = "weights/mnist_lenet5_f32.npz"
CONVNETJS = "weights/cifar10_convnetjs_f32.npz"
DIGITS = "images/mnist/t10k-images-idx3-ubyte.gz"
DIGIT_LABELS = "images/mnist/t10k-labels-idx1-ubyte.gz"
CIFAR = "images/cifar10_test_1000.npz"
KEYS = {
    "conv1": "convnet.c1",
    "conv3": "convnet.c3",
    "conv5": "convnet.c5",
    "fc6": "fc.f6",
    "fc7": "fc.f7",
}
"""Row of LeNet-5 -> its name in the file."""


class Known(NamedTuple):
    """A network, and images of its classes in an order of chance.

    Attributes:
      net, params: the network.
      images: `[N, 32, 32, C]` uint8.
      labels: `[N]` int32.
    """

    net: Network
    params: Params
    images: np.ndarray
    labels: np.ndarray


def load_lenet5(data: Path) -> tuple[Network, Params]:
    """Loads LeNet-5 for grey digits of 32 x 32 pixels, white on black.

    Args:
      data: the data folder.
    """
    net = build_network("lenet5", LENET5_ROWS, input_size=(32, 32), scores="fc7", channels=1)
    names = {row: (f"{key}.weight", f"{key}.bias") for row, key in KEYS.items()}
    return net, _read_params(data / LENET5, LENET5_ROWS, names, channels=1, shift=0.0)


def load_cifar_net(data: Path) -> tuple[Network, Params]:
    """Loads ConvNetJS' network for pictures of 32 x 32 pixels.

    Args:
      data: the data folder.
    """
    net = build_network("convnetjs", CIFAR_ROWS, input_size=(32, 32), scores="fc")
    names = {row.name: (f"{row.name}/weight", f"{row.name}/bias") for row in CIFAR_ROWS}
    return net, _read_params(data / CONVNETJS, CIFAR_ROWS, names, channels=3, shift=-0.5)


def _read_params(
    path: Path,
    rows: Sequence[Layer],
    names: Mapping[str, tuple[str, str]],
    *,
    channels: int,
    shift: float,
) -> Params:
    """Reads the parameters of a network's rows, named as its file has them."""
    with np.load(path) as file:
        arrays = dict(file)
    params = {"input": {"scale": jnp.ones(channels), "shift": jnp.full(channels, shift)}}
    for row in rows:
        if row.op in ("conv", "fc"):
            weight, bias = (arrays[name].astype(np.float32) for name in names[row.name])
            kernel = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
            params[row.name] = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}
    return params


def read_digits(data: Path) -> np.ndarray:
    """Reads MNIST's test digits, enlarged to 32 x 32: `[10000, 32, 32, 1]` uint8.

    Args:
      data: the data folder.
    """
    raw = gzip.decompress((data / DIGITS).read_bytes())
    small = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    large = jax.image.resize(small.astype(np.float32), (len(small), 32, 32), "linear")
    return np.asarray(jnp.clip(large + 0.5, 0, 255)).astype(np.uint8)[..., None]


def read_known(data: Path, name: str) -> Known:
    """Reads a network and its images, in an order of chance.

    Args:
      data: the data folder.
      name: "mnist", 10,000 digits, or "cifar", a thousand pictures.
    """
    if name == "mnist":
        raw = gzip.decompress((data / DIGIT_LABELS).read_bytes())
        labels = np.frombuffer(raw, np.uint8, offset=8).astype(np.int32)
        images, loaded = read_digits(data), load_lenet5(data)
    else:
        with np.load(data / CIFAR) as file:
            images, labels = file["x"], file["y"].astype(np.int32)
        loaded = load_cifar_net(data)
    order = np.random.default_rng(0).permutation(len(labels))
    return Known(*loaded, images[order], labels[order])
