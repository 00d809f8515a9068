"""A name -> a checked local file -> parameters.

`jaxvis weights get` fetches and converts such files, `weights_convert` converts others,
`jaxvis.weights.file` says what is in them.
"""

import contextlib
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxvis.nets import registry
from jaxvis.nets.random import random_params
from jaxvis.network import Network
from jaxvis.types import Key, Params
from jaxvis.weights.file import labels, metadata, read, save

__all__ = [
    "cached",
    "home",
    "labels",
    "labels_of",
    "load",
    "located",
    "metadata",
    "read",
    "save",
]

EMBEDDED = {"demo": "demo.safetensors"}
"""Networks whose trained parameters are part of the package, in `jaxvis.nets`."""


def load(
    name: str,
    *,
    weights: str | os.PathLike | Key | None = None,
    pool: str | None = None,
    head: str | None = None,
    input_size: tuple[int, int] | None = None,
    stop: str | None = None,
    precision: str = "float32",
    convolution: str = "fast",
) -> tuple[Network, Params]:
    """Returns a network and its parameters.

    Args:
      name: a name of `jaxvis.nets.registry`, such as "vgg19" or "demo".
      weights: None takes the converted file from the cache folder ("demo" has its
        own, "hog", "hogb" and "dsift" need none); a path reads that converted file; a
        typed key (`jax.random.key(0)`) draws random parameters.
      pool: "max" or "avg", for the VGG networks; None is the network's own.
      head: "softmax", "linear" or "relu"; None is the network's own.
      input_size: (H, W) in pixels; fully connected layers are made for it, and a file
        must have been, unless `stop` leaves them out. None is the published size.
      stop: the last tap that is wanted: no parameters of rows beyond it are read
        (fully connected layers are nine tenths of a VGG). None reads all.
      precision: "float32", "tf32" or "bfloat16": what products are made with. The
        image, the taps, the loss and the optimizer's state stay float32.
      convolution: "fast", or "direct" for XLA's own (forward-mode differentiation).

    Returns:
      (net, params): params float32, `{row: {"kernel": ..., "bias": ...}}`, {} where
      there are none.

    Raises:
      FileNotFoundError: if there is no such file; says which command gets it.
      ValueError: for an unknown network, an unconverted or damaged file, or one that
        was made for another network; every differing name is listed.
    """
    net = registry.build(
        name,
        pool=pool,
        head=head,
        input_size=input_size,
        precision=precision,
        convolution=convolution,
    )
    if name in registry.FIXED:
        if weights is not None:
            raise ValueError(f"{name} has no parameters: leave the weights (--weights) out")
        return net, {}
    if isinstance(weights, jax.Array):
        if not jnp.issubdtype(weights.dtype, jax.dtypes.prng_key):
            raise ValueError(
                "weights is a path, None or a typed key: jax.random.key(seed), not an "
                f"array of {weights.dtype}"
            )
        return net, random_params(net, weights, stop=stop)
    with located(name, weights=weights) as path:
        return net, read(path, net, stop=stop)


def home() -> Path:
    """Returns the cache folder: $JAXVIS_HOME, or the platform's own for jaxvis."""
    if os.environ.get("JAXVIS_HOME"):
        return Path(os.environ["JAXVIS_HOME"]).expanduser()
    import pooch  # its import costs more than all of this module's own

    return Path(pooch.os_cache("jaxvis"))


def cached(name: str) -> Path:
    """Returns where the cache keeps a converted file, there or not.

    Args:
      name: what `jaxvis weights get` calls it: "vgg19", "resnet50_v2".
    """
    return home() / "weights" / f"{name}.safetensors"


@contextlib.contextmanager
def located(name: str, *, weights: str | os.PathLike | None = None) -> Iterator[Path]:
    """Yields the path of a network's converted file, as `load` chooses it.

    Args:
      name: the network.
      weights: a path, or None for the embedded or the cached file.

    Raises:
      FileNotFoundError: if there is none; says which command gets it.
    """
    if weights is None and name in EMBEDDED:
        file = resources.files("jaxvis.nets.demo") / EMBEDDED[name]
        with resources.as_file(file) as path:
            yield path
        return
    path = cached(name) if weights is None else Path(weights)
    if not path.exists() and weights is None:
        raise FileNotFoundError(
            f"the weights of {name} are not here ({path}); get them with: "
            f"jaxvis weights get {name}, or pass a converted file: weights=FILE "
            "(on the command line: --weights FILE)"
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    yield path


def labels_of(name: str, *, weights: str | os.PathLike | Key | None = None) -> tuple[str, ...]:
    """Returns the class labels that go with `load(name, weights=weights)`.

    Args:
      name: the network.
      weights: as `load`; random parameters, or none, have no labels, ().

    Raises:
      FileNotFoundError: as `load`.
      ValueError: as `load`.
    """
    if isinstance(weights, jax.Array) or name in registry.FIXED:
        return ()
    with located(name, weights=weights) as path:
        return labels(path)
