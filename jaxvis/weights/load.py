"""A name -> a checked local file -> parameters.

`jaxvis.weights.source` finds the file, or makes it of what people have;
`jaxvis.weights.file` says what is in it.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.nets import registry
from jaxvis.nets.network_file import preprocess_of
from jaxvis.nets.random import PREPROCESSING, random_params
from jaxvis.nets.table.layers import shapes
from jaxvis.network import Network
from jaxvis.types import Key, Params
from jaxvis.weights.file import read_file, read_labels, read_metadata
from jaxvis.weights.labels import (
    IMAGENET,
    check_count,
    read_imagenet_labels,
    read_label_file,
)
from jaxvis.weights.source import FoundWeights, find_weights

FLAGS = {"classes": "--classes-count", "channels": "--channels"}
"""Option of a network that its file decides -> the flag of commands."""


class LoadedNetwork(NamedTuple):
    """A network, its parameters, and what is known of them.

    Attributes:
      net: the network.
      params: float32, `{row: {"kernel": ..., "bias": ...}}`; {} where there are none.
      labels: class labels by class index; () if unknown.
      weights: where the parameters came from: what was given (a path, "random:0",
        "hf:OWNER/NAME"), "cached", "embedded", or "none" where there are none.
      sha256: that of the file or folder that was given, in hexadecimal; None without one,
        or if it was not asked for.
      metadata: what the converted file says of itself; {} without a file.
      notes: sentences on what was downloaded and converted to open it.
      net_file: the path of the file that describes the network, and its sha256; () where
        the network has a name.
    """

    net: Network
    params: Params
    labels: tuple[str, ...]
    weights: str
    sha256: str | None
    metadata: dict[str, str]
    notes: tuple[str, ...] = ()
    net_file: tuple[str, ...] = ()


def load(
    name: str,
    *,
    weights: str | os.PathLike | Key | None = None,
    pool: str | None = None,
    head: str | None = None,
    input_size: tuple[int, int] | None = None,
    classes: int | None = None,
    channels: int | None = None,
    stop: str | None = None,
    precision: str = "float32",
    convolution: str = "fast",
) -> tuple[Network, Params]:
    """Returns a network and its parameters.

    Args:
      name: a name of `jaxvis.nets.registry`, such as "vgg19" or "demo"; or the path of a
        file that describes a network, "my_net.toml" or "my_net.py" (which is executed).
      weights: None takes what `jaxvis weights get` put into the cache folder ("demo" has
        its own, "hog", "hogb" and "dsift" need none). A path is that of a file
        (.pth, .pt, .ckpt, .bin, .safetensors, .npz, .h5, .keras, .caffemodel, .mat) or of
        a folder as Hugging Face's programs write it: it is converted once, and kept in
        the cache. "hf:OWNER/NAME" is a repository of the Hugging Face hub,
        "torchvision:IMAGENET1K_V2" and "keras:imagenet" are published weights
        (`jaxvis weights list`). A typed key (`jax.random.key(0)`) or "random:0" draws
        random parameters.
      pool: "max" or "avg", for the VGG networks; None is the network's own.
      head: "softmax", "linear" or "relu"; None is the network's own.
      input_size: (H, W) in pixels. Fully connected layers are made for it, and so the
        file must have been, unless `stop` leaves them out. None is the published size.
      classes: how many classes it tells apart; None is what the file says, and without
        one the published number.
      channels: of the image, 1 for grey; None is what the file says, and without one 3.
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
      OSError: if a file cannot be read, written or downloaded.
      ValueError: for an unknown network, a damaged file, one that is of another network
        (every differing name is listed), or one with other classes or channels.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> net, sorted(params["conv1_1"])
    (Network('demo', 64x64, 21 taps from input to prob), ['bias', 'kernel'])
    """
    found = load_network(
        name,
        weights=weights,
        stop=stop,
        with_sha256=False,
        pool=pool,
        head=head,
        input_size=input_size,
        classes=classes,
        channels=channels,
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
    labels: str | os.PathLike | None = None,
    skip_first_label: bool = False,
    **options: Any,
) -> LoadedNetwork:
    """Returns a network with its parameters and all that its file says, opened once.

    Args:
      name: the network, as in `load`.
      weights: as in `load`.
      stop: as in `load`.
      with_sha256: whether to hash the file too, which takes about a second a gigabyte.
      labels: a file of class labels, as `jaxvis.weights.labels` reads it, or "imagenet".
        None takes those of the file; and ImageNet's where the file says that its thousand
        classes are these.
      skip_first_label: leave the first label of the file out, such as "background".
      **options: pool, head, input_size, classes, channels, precision and convolution, as
        in `load`.

    Raises:
      FileNotFoundError: as `load`.
      OSError: as `load`.
      ValueError: as `load`; and for labels that are not one for each class.
    """
    if skip_first_label and labels in (None, IMAGENET):
        raise ValueError("skip_first_label (--skip-first-label) belongs to labels (--labels FILE)")
    net = registry.build(name, **options)
    key, given = _read_choice(weights)
    if name in registry.FIXED:
        if weights is not None:
            raise ValueError(f"{name} has no parameters: leave the weights (--weights) out")
        names = _choose_labels(net, labels, skip_first_label)
        return LoadedNetwork(net, {}, names, "none", None, {})
    if key is not None:
        names = _choose_labels(net, labels, skip_first_label)
        source = weights if isinstance(weights, str) else "random"
        params = random_params(net, key, stop=stop, **_choose_preprocess(name))
        return LoadedNetwork(net, params, names, source, None, {})
    with find_weights(name, given, input_size=options.get("input_size"), stop=stop) as found:
        net = _build(name, net, found, options)
        with_sha256 = with_sha256 and found.sha256 is None
        file = read_file(found.path, net, stop=stop, with_sha256=with_sha256)
    own = _choose_own_labels(net, file.labels, found)
    names = _choose_labels(net, labels, skip_first_label, own)
    sha256 = found.sha256 or file.sha256
    return LoadedNetwork(net, file.params, names, found.weights, sha256, file.metadata, found.notes)


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
    key, given = _read_choice(weights)
    if key is not None:
        return ()
    with find_weights(name, given) as found:
        net = _build(name, registry.build(name), found, {})
        return _choose_own_labels(net, read_labels(found.path), found)


def _choose_preprocess(name: str) -> dict[str, Any]:
    """Returns what random parameters do to the image, where the network's file names it."""
    preprocess = preprocess_of(name)
    return {"preprocess": preprocess} if preprocess in PREPROCESSING else {}


def _build(name: str, net: Network, found: FoundWeights, options: Mapping[str, Any]) -> Network:
    """Returns the network as large as its file says: classes, channels and input size.

    Args:
      name: of the network.
      net: the network without what the file says.
      found: the file.
      options: what the caller wants of the network.
    """
    metadata = read_metadata(found.path, net=net.name)
    wanted = dict(options)
    for option, built in (("classes", _count_classes(net)), ("channels", net.channels)):
        text = metadata.get(option) or ""
        if not re.fullmatch(r"[1-9]\d{0,6}", text) or int(text) == built:
            continue
        if options.get(option) is not None:
            raise ValueError(
                f"{found.weights} has {text} {option}, not {options[option]}: leave "
                f"{option}= ({FLAGS[option]}) out"
            )
        wanted[option] = int(text)
    size = re.fullmatch(r"\[([1-9]\d{0,4}), ([1-9]\d{0,4})\]", metadata.get("input_size") or "")
    if size and options.get("input_size") is None:
        own = int(size[1]), int(size[2])
        wanted |= {} if own == net.input_size else {"input_size": own}
    return net if wanted == options else registry.build(name, **wanted)


def _choose_own_labels(
    net: Network, labels: tuple[str, ...], found: FoundWeights
) -> tuple[str, ...]:
    """Returns the labels of a file; ImageNet's if it has none and says that it is of it."""
    if not labels and found.imagenet and _count_classes(net) == len(read_imagenet_labels()):
        return read_imagenet_labels()
    return labels


def _choose_labels(
    net: Network,
    labels: str | os.PathLike | None,
    skip_first_label: bool,
    own: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Returns the labels that the caller wants, one for each class."""
    if labels is None:
        return own
    count = _count_classes(net)
    if count is None:
        raise ValueError(f"{net.name} names no class scores: leave labels (--labels) out")
    if labels == IMAGENET:
        names = read_imagenet_labels()
        check_count("ImageNet", names, count)
        return names
    return read_label_file(labels, classes=count, skip_first_label=skip_first_label)


def _count_classes(net: Network) -> int | None:
    return shapes(net.rows, net.input_size)[net.scores][-1] if net.rows and net.scores else None


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
