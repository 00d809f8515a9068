"""What is fuzzed: every reader of files, with its seeds, its mutations and its errors."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from jaxvis.output.io import read_image
from jaxvis.output.record import read_record
from jaxvis.train.checkpoint import peek, restore
from jaxvis.weights import file as weights_file
from jaxvis.weights.labels import read_label_file
from jaxvis.weights.style_file import load_transform
from tests.fuzz import mutators as change
from tests.fuzz import seeds
from weights_convert import convert
from weights_convert.checkpoint import CheckpointError
from weights_convert.readers import pickles
from weights_convert.readers.detect import read

MOST_NUMBERS = 1 << 20
"""A conversion reads only tensors of the network's own shapes, so larger ones are not read."""


@dataclass(frozen=True)
class Target:
    """A reader of files.

    Args:
      seeds: makes good files.
      read: reads a file; returns the bytes of what it read, which are no fault.
      mutations: of what is inside the file, beside mutations of its bytes.
      ending: of the file's name.
      errors: what the reader may raise.
      named: whether its errors name the file.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], int | None]
    mutations: tuple[change.Mutation, ...] = ()
    ending: str = ""
    errors: tuple[type[Exception], ...] = (CheckpointError, OSError)
    named: bool = True


def _read_tensors(path: Path) -> None:
    for tensor in read(path).tensors.values():
        if prod(tensor.shape) <= MOST_NUMBERS:
            np.array(tensor.read())


def _convert(path: Path) -> None:
    _read_tensors(path)
    out = path.with_name("out.safetensors")
    try:
        convert([path], net=seeds.NET, out=out, overwrite=True)
    except ValueError as error:
        # Names that differ are an error of the conversion, not of a reader.
        check_text(str(error), path.name)


def _load_pickle(path: Path) -> None:
    pickles.load(io.BytesIO(path.read_bytes()))


def _read_weights(path: Path) -> None:
    weights_file.read_metadata(path)
    weights_file.read_labels(path)
    weights_file.read_file(path, seeds.NET)


def _read_picture(path: Path) -> int:
    return read_image(path).nbytes


def _read_style(path: Path) -> None:
    load_transform(path)


def _read_training(path: Path) -> None:
    peek(path)
    restore(path, seeds.TRAINED, facts=seeds.FACTS)


def _read_record(path: Path) -> None:
    read_record(path)


def _read_labels(path: Path) -> None:
    read_label_file(path)


def check_text(text: str, name: str) -> None:
    """Raises an AssertionError for a message that a terminal should not get.

    Args:
      text: the message.
      name: the file's name, which it must hold; "" if it need not.
    """
    assert name in text, f"the message does not name the file: {text[:300]!r}"
    assert text.replace("\n", "").isprintable(), f"a control character: {text[:300]!r}"
    longest = max(map(len, text.splitlines()))
    assert longest < 600, f"a line of {longest} characters: {text[:300]!r}"


def _picture(kind: str, *mutations: change.Mutation) -> Target:
    return Target(
        partial(seeds.make_pictures, kind), _read_picture, mutations, errors=(ValueError, OSError)
    )


PLAIN = (ValueError, OSError)
TARGETS = {
    "safetensors": Target(seeds.make_safetensors, _convert, (change.mutate_safetensors,)),
    "torch_zip": Target(seeds.make_torch_zips, _convert, (change.mutate_zip,), ".pth"),
    "torch_stream": Target(seeds.make_torch_streams, _convert, (change.mutate_pickle,), ".pth"),
    "pickle": Target(seeds.make_pickles, _load_pickle, (change.mutate_pickle,), named=False),
    "npz": Target(seeds.make_npzs, _convert, (change.mutate_zip,), ".npz"),
    "mat5": Target(seeds.make_mats, _convert, (change.mutate_mat,), ".mat"),
    "mat73": Target(seeds.make_mat73s, _read_tensors, (), ".mat"),
    "keras": Target(seeds.make_keras, _read_tensors, (), ".h5"),
    "keras_zip": Target(seeds.make_keras_zips, _read_tensors, (change.mutate_zip,), ".keras"),
    "hdf5": Target(seeds.make_hdf5s, _read_tensors, (), ".h5"),
    "caffemodel": Target(seeds.make_caffemodels, _convert, (), ".caffemodel"),
    "weights": Target(
        seeds.make_weights, _read_weights, (change.mutate_safetensors,), errors=PLAIN
    ),
    "style": Target(seeds.make_styles, _read_style, (change.mutate_safetensors,), errors=PLAIN),
    "training": Target(
        seeds.make_trainings, _read_training, (change.mutate_safetensors,), errors=PLAIN
    ),
    "png": _picture("PNG", change.mutate_png),
    **{kind.lower(): _picture(kind) for kind in ("JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")},
    "record": Target(seeds.make_records, _read_record, (change.mutate_json,), ".json", PLAIN),
    "labels": Target(seeds.make_labels, _read_labels, (change.mutate_json,), ".txt", PLAIN),
}


# --- readers with a fault, which must be seen ---------------------------------------

GOOD = b"good"


def _plant(fault: Callable[[], object]) -> Target:
    def read_good(path: Path) -> None:
        if path.read_bytes() != GOOD:
            fault()

    return Target(lambda: [GOOD], read_good, errors=PLAIN)


def _raise(error: Exception) -> None:
    raise error


PLANTED = {
    "KeyError": _plant(lambda: _raise(KeyError("x"))),
    "AssertionError": _plant(lambda: _raise(ValueError("a message without the file's name"))),
    "MemoryError": _plant(lambda: bytearray(1 << 36)),
    "memory": _plant(lambda: bytearray(b"x") * ((1 << 30) + (100 << 20))),
    "crash": _plant(lambda: os._exit(3)),
    "hang": _plant(lambda: sum(iter(int, 1))),
}
"""What is planted -> a reader that does it."""
