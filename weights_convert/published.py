"""Weights that others publish: downloaded, converted, and known again by their files."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from weights_convert.conversion import convert
from weights_convert.torchvision_files import CAFFE_FILES, SOURCES, recognise_file

MIRROR = "JAXVIS_WEIGHTS_URL"
"""Environment variable: where the published files are, if not at their own hosts."""
CONFIG = "config.json"
"""What a folder of Hugging Face's says of its network."""
MAX_CONFIG = 1 << 22
"""Bytes of the largest such file that is read."""


def get_published(
    name: str,
    out: Path,
    *,
    downloads: Path,
    url: str | None = None,
    timeout: float = 30.0,
    keep: bool = False,
    overwrite: bool = False,
) -> None:
    """Downloads a published file and converts it.

    Args:
      name: a key of `SOURCES`.
      out: the converted file to write, whole or not at all; its folder is made.
      downloads: the folder where the published file goes, for as long as it is needed.
      url: the folder of a mirror; None is $JAXVIS_WEIGHTS_URL, else the publisher's own.
      timeout: seconds without a byte after which the download is given up.
      keep: keep the published file.
      overwrite: replace `out` if it exists.

    Raises:
      OSError: without a network, or when the server has no such file or stalls.
      ValueError: for a wrong checksum, or a file that does not fit.
    """
    from weights_convert.download import fetch  # requests is slow to import

    source = SOURCES[name]
    out.parent.mkdir(parents=True, exist_ok=True)
    base = url or os.environ.get(MIRROR) or source.folder
    downloaded = fetch(
        f"{base.rstrip('/')}/{source.file}",
        downloads / source.file,
        sha256=source.sha256,
        md5=source.md5,
        timeout=timeout,
    )
    convert(
        [downloaded],
        net=source.net,
        out=out,
        preprocess=source.preprocess,
        stop=source.stop,
        overwrite=overwrite,
    )
    if not keep:
        downloaded.unlink()


def is_of_imagenet(files: Sequence[str], sums: Sequence[str]) -> bool:
    """Says whether files of weights are known to come from a training on ImageNet.

    A network of a thousand classes alone says nothing: these may be anybody's.

    Args:
      files: their names. Those of Caffe's models and of Keras Applications are known.
      sums: their sha256, in hexadecimal. Those of torchvision's files are known.
    """
    by_name = any(name in CAFFE_FILES.values() or _KERAS.fullmatch(name) for name in files)
    return by_name or any(recognise_file(one) is not None for one in sums)


def is_config_of_imagenet(folder: Path) -> bool:
    """Says whether a folder of Hugging Face's says that it was trained on ImageNet.

    timm's tags do: "a1_in1k" and "augreg_in21k_ft_in1k" are of ImageNet's 1000 classes.

    Args:
      folder: with or without a config.json; one that cannot be read says nothing.
    """
    try:
        with (folder / CONFIG).open(encoding="utf-8") as file:
            config = json.loads(file.read(MAX_CONFIG))
        tag = config["pretrained_cfg"]["tag"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(tag, str) and "in1k" in tag.split("_")


_KERAS = re.compile(r"\w+_weights_tf_dim_ordering_tf_kernels\.h5")
"""How Keras Applications call their files of ImageNet's 1000 classes."""
