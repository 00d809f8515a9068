"""Caffe's .caffemodel: the layers and blobs of a NetParameter in protobuf's encoding.

Only what holds weights is decoded, by Caffe's own field numbers (caffe.proto), in
all three generations of layers: `layer` (100), `layers` (2) and the V0 layer inside it.
"""

from collections.abc import Iterator
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from weights_convert.checkpoint import Checkpoint, Stored, damaged, mapped, truncated

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LAYER, V1_LAYER = 100, 2
LAYER_NAME, LAYER_BLOBS = 1, 7
V1_LAYER_NAME, V1_LAYER_BLOBS, V0_LAYER = 4, 6, 1
V0_NAME, V0_BLOBS = 1, 50
LEGACY_SHAPE, DATA, SHAPE, DOUBLE_DATA = (1, 2, 3, 4), 5, 7, 8
DIMENSIONS = 1
LEAVES = ("weight", "bias")

Field = tuple[int, int, int, int]
"""Field number, wire type, first byte and end (or value and 0) of its content."""


def read(path: Path) -> Checkpoint:
    """Returns the blobs of a .caffemodel as `layer/weight` and `layer/bias`.

    Args:
      path: the file; mapped, blobs are read when they are asked for.

    Raises:
      ValueError: if it is damaged or holds no layers with blobs.
    """
    wire = _Wire(path)
    tensors: dict[str, Stored] = {}
    for number, kind, start, end in wire.fields(0, len(wire.data)):
        if kind != BYTES or number not in (LAYER, V1_LAYER):
            continue
        name, blobs = wire.layer(number, start, end)
        for i, blob in enumerate(blobs):
            leaf = LEAVES[i] if i < len(LEAVES) else f"blob{i}"
            tensors[f"{name}/{leaf}"] = wire.blob(*blob)
    if not tensors:
        raise ValueError(f"{path} holds no layers with weights: is it a .caffemodel?")
    return Checkpoint("caffe", tensors)


class _Wire:
    """Protobuf's wire format over a mapped file."""

    def __init__(self, path: Path) -> None:
        self.path, self.data = path, mapped(path)

    def varint(self, at: int) -> tuple[int, int]:
        """Returns a number and the byte behind it."""
        value = 0
        for i, byte in enumerate(self.data[at : at + 10]):
            value |= (int(byte) & 127) << (7 * i)
            if byte < 128:
                return value, at + i + 1
        raise damaged(self.path, f"no number at byte {at}")

    def fields(self, at: int, end: int) -> Iterator[Field]:
        """Yields the fields of the message in `[at, end)`."""
        while at < end:
            key, at = self.varint(at)
            number, kind = key >> 3, key & 7
            if kind == VARINT:
                value, at = self.varint(at)
                yield number, kind, value, 0
                continue
            if kind == BYTES:
                size, at = self.varint(at)
            elif kind in (FIXED32, FIXED64):
                size = 4 if kind == FIXED32 else 8
            else:
                raise damaged(self.path, f"no protobuf field at byte {at}")
            if at + size > end:
                raise truncated(self.path, at + size, end)
            yield number, kind, at, at + size
            at += size

    def layer(self, number: int, at: int, end: int) -> tuple[str, list[tuple]]:
        """Returns a layer's name and where its blobs are."""
        named, blobs_of = (
            (LAYER_NAME, LAYER_BLOBS) if number == LAYER else (V1_LAYER_NAME, V1_LAYER_BLOBS)
        )
        name, blobs = "", []
        for field, kind, start, stop in self.fields(at, end):
            if number == V1_LAYER and field == V0_LAYER and kind == BYTES:
                named, blobs_of = V0_NAME, V0_BLOBS
                inner = list(self.fields(start, stop))
                name = next((self.text(f) for f in inner if f[0] == V0_NAME), name)
                blobs += [f[2:] for f in inner if f[0] == V0_BLOBS]
            elif field == named and kind == BYTES:
                name = self.text((field, kind, start, stop))
            elif field == blobs_of and kind == BYTES:
                blobs.append((start, stop))
        return name, blobs

    def text(self, field: Field) -> str:
        return self.data[field[2] : field[3]].tobytes().decode("utf-8", "replace")

    def blob(self, at: int, end: int) -> Stored:
        """Returns a blob's shape and how to read its numbers."""
        legacy, shape, runs = {}, None, []
        for number, kind, start, stop in self.fields(at, end):
            if number in LEGACY_SHAPE and kind == VARINT:
                legacy[number] = start
            elif number == SHAPE and kind == BYTES:
                shape = self.dimensions(start, stop)
            elif number == DATA and kind in (BYTES, FIXED32):
                runs.append((start, stop, "<f4"))
            elif number == DOUBLE_DATA and kind in (BYTES, FIXED64):
                runs.append((start, stop, "<f8"))
        if shape is None:
            shape = tuple(legacy.get(number, 1) for number in LEGACY_SHAPE)
        held = sum((stop - start) // np.dtype(code).itemsize for start, stop, code in runs)
        if held != prod(shape):
            raise damaged(self.path, f"a blob {shape} with {held} numbers")
        return Stored(shape, partial(self.numbers, runs, shape))

    def dimensions(self, at: int, end: int) -> tuple[int, ...]:
        """Returns a BlobShape: its dimensions come packed or one by one."""
        out = []
        for number, kind, start, stop in self.fields(at, end):
            if number != DIMENSIONS:
                continue
            if kind == VARINT:
                out.append(start)
                continue
            while start < stop:
                value, start = self.varint(start)
                out.append(value)
        return tuple(out)

    def numbers(self, runs: list[tuple], shape: tuple[int, ...]) -> np.ndarray:
        parts = [self.data[start:stop].view(code) for start, stop, code in runs]
        flat = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.asarray(flat).reshape(shape)
