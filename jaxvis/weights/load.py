"""A name -> a checked local file -> parameters.

`jaxvis weights get` fetches and converts such files, `weights_convert` converts others,
`jaxvis.weights.file` says what is in them.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.nets import registry
from jaxvis.nets.random import random_params
from jaxvis.network import Network
from jaxvis.types import Key, Params
from jaxvis.weights.file import read_file, read_labels

EMBEDDED = {"demo": "demo.safetensors"}
"""Networks whose trained parameters are part of the package, in `jaxvis.nets`."""


class LoadedNetwork(NamedTuple):
    """A network, its parameters, and what is known of them.

    Attributes:
      net: the network.
      params: float32, `{row: {"kernel": ..., "bias": ...}}`; {} where there are none.
      labels: class labels by class index; () if unknown.
      weights: where the parameters came from: the path given, "random:0", "cached",
        "embedded", or "none" where there are none.
      sha256: that of their file, in hexadecimal; None without a file, or if it was not
        asked for.
      metadata: what the file says of itself; {} without a file.
    """

    net: Network
    params: Params
    labels: tuple[str, ...]
    weights: str
    sha256: str | None
    metadata: dict[str, str]


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
        typed key (`jax.random.key(0)`) or "random:0" draws random parameters.
      pool: "max" or "avg", for the VGG networks; None is the network's own.
      head: "softmax", "linear" or "relu"; None is the network's own.
      input_size: (H, W) in pixels. Fully connected layers are made for it, and so the
        file must have been, unless `stop` leaves them out. None is the published size.
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
    found = load_network(
        name,
        weights=weights,
        stop=stop,
        with_sha256=False,
        pool=pool,
        head=head,
        input_size=input_size,
        precision=precision,
        convolution=convolution,
    )
    return found.net, found.params


def load_network(
    name: str,
    *,
    weights: str | os.PathLike | Key | None = None,
    stop: str | None = None,
    with_sha256: bool = True,
    **options: Any,
) -> LoadedNetwork:
    """Returns a network with its parameters and all that its file says, opened once.

    Args:
      name: the network, as in `load`.
      weights: as in `load`.
      stop: as in `load`.
      with_sha256: whether to hash the file too, which takes about a second a gigabyte.
      **options: pool, head, input_size, precision and convolution, as in `load`.

    Raises:
      FileNotFoundError: as `load`.
      ValueError: as `load`.
    """
    net = registry.build(name, **options)
    if name in registry.FIXED:
        if weights is not None:
            raise ValueError(f"{name} has no parameters: leave the weights (--weights) out")
        return LoadedNetwork(net, {}, (), "none", None, {})
    key, file_path = _read_choice(weights)
    if key is not None:
        source = weights if isinstance(weights, str) else "random"
        return LoadedNetwork(net, random_params(net, key, stop=stop), (), source, None, {})
    with open_path(name, weights=file_path) as path:
        file = read_file(path, net, stop=stop, with_sha256=with_sha256)
    source = "embedded" if name in EMBEDDED else "cached"
    source = source if file_path is None else str(file_path)
    return LoadedNetwork(net, file.params, file.labels, source, file.sha256, file.metadata)


def labels_of(name: str, *, weights: str | os.PathLike | Key | None = None) -> tuple[str, ...]:
    """Returns the class labels that go with `load(name, weights=weights)`.

    Args:
      name: the network.
      weights: as `load`; random parameters, or none, have no labels, ().

    Raises:
      FileNotFoundError: as `load`.
      ValueError: as `load`.
    """
    if name in registry.FIXED:
        return ()
    key, file_path = _read_choice(weights)
    if key is not None:
        return ()
    with open_path(name, weights=file_path) as path:
        return read_labels(path)


def home() -> Path:
    """Returns the cache folder: $JAXVIS_HOME, or the platform's own for jaxvis."""
    if os.environ.get("JAXVIS_HOME"):
        return Path(os.environ["JAXVIS_HOME"]).expanduser()
    import pooch  # its import costs more than all of this module's own

    return Path(pooch.os_cache("jaxvis"))


def cache_path(name: str) -> Path:
    """Returns where the cache keeps a converted file, there or not.

    Args:
      name: what `jaxvis weights get` calls it: "vgg19", "resnet50_v2".
    """
    return home() / "weights" / f"{name}.safetensors"


@contextlib.contextmanager
def open_path(name: str, *, weights: str | os.PathLike | None = None) -> Iterator[Path]:
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
    path = cache_path(name) if weights is None else Path(weights)
    if not path.exists() and weights is None:
        raise FileNotFoundError(
            f"the weights of {name} are not here ({path}); get them with: "
            f"jaxvis weights get {name}, or pass a converted file: weights=FILE "
            "(on the command line: --weights FILE)"
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    yield path


def _read_choice(weights: Any) -> tuple[Key | None, str | os.PathLike | None]:
    """Returns (the key of random parameters, the path of a file); at least one is None."""
    if isinstance(weights, jax.Array) and jnp.issubdtype(weights.dtype, jax.dtypes.prng_key):
        return weights, None
    if isinstance(weights, str) and weights.partition(":")[0] == "random":
        seed = re.fullmatch(r"random:(\d{1,9})", weights)
        if seed is None:
            raise ValueError(
                f"{weights!r}: write random:SEED, such as random:0, SEED below a thousand million"
            )
        return jax.random.key(int(seed[1])), None
    if weights is None or isinstance(weights, str | os.PathLike):
        return None, weights
    held = f"an array of {weights.dtype}" if hasattr(weights, "dtype") else repr(type(weights))
    raise ValueError(
        'weights is a path, "random:0", None or a typed key: jax.random.key(seed), not ' + held
    )
