"""Caffe's .caffemodel: the layers and blobs of a NetParameter in protobuf's encoding.

Only what holds weights is decoded, by Caffe's own field numbers (caffe.proto), in
all three generations of layers: `layer` (100), `layers` (2) and the V0 layer inside it.
"""

from collections.abc import Iterator
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from jaxvis.escape import describe_shape
from weights_convert.checkpoint import Checkpoint, CheckpointError, DamageError, StoredTensor
from weights_convert.readers.bounds import Budget, check_axes, check_end, map_file

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LAYER, V1_LAYER = 100, 2
LAYER_NAME, LAYER_BLOBS = 1, 7
V1_LAYER_NAME, V1_LAYER_BLOBS, V0_LAYER = 4, 6, 1
V0_NAME, V0_BLOBS = 1, 50
LEGACY_SHAPE, DATA, SHAPE, DOUBLE_DATA = (1, 2, 3, 4), 5, 7, 8
DIMENSIONS = 1
LEAVES = ("weight", "bias")
MAX_FIELDS, MAX_NAME = 100_000, 1 << 16
"""Fields of a file, and bytes of the name of a layer: bounds that no network reaches."""

Field = tuple[int, int, int, int]
"""Field number, wire type, first byte and end (or value and 0) of its content."""


def read(path: Path) -> Checkpoint:
    """Returns the blobs of a .caffemodel as `layer/weight` and `layer/bias`.

    Args:
      path: the file; mapped, blobs are read when they are asked for.

    Raises:
      CheckpointError: if it is damaged or holds no layers with blobs.
    """
    wire = _Wire(map_file(path))
    tensors: dict[str, StoredTensor] = {}
    for number, kind, start, end in wire.iterate_fields(0, len(wire.data)):
        if kind != BYTES or number not in (LAYER, V1_LAYER):
            continue
        name, blobs = wire.read_layer(number, start, end)
        for i, blob in enumerate(blobs):
            leaf = LEAVES[i] if i < len(LEAVES) else f"blob{i}"
            tensors[f"{name}/{leaf}"] = wire.describe_blob(*blob)
    if not tensors:
        raise CheckpointError("holds no layers with weights: is it a .caffemodel?")
    return Checkpoint("caffe", tensors)


class _Wire:
    """Protobuf's wire format over a mapped file."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.bytes = data, data.data  # a memoryview gives Python's numbers
        self.budget = Budget(MAX_FIELDS, "fields")

    def read_varint(self, at: int) -> tuple[int, int]:
        """Returns a number and the byte behind it."""
        value = 0
        for i, byte in enumerate(self.bytes[at : at + 10]):
            value |= (byte & 127) << (7 * i)
            if byte < 128:
                return value, at + i + 1
        raise DamageError(f"no number at byte {at}")

    def iterate_fields(self, at: int, end: int) -> Iterator[Field]:
        """Yields the fields of the message in `[at, end)`."""
        while at < end:
            self.budget.spend(1)
            key, at = self.read_varint(at)
            number, kind = key >> 3, key & 7
            if kind == VARINT:
                value, at = self.read_varint(at)
                yield number, kind, value, 0
                continue
            if kind == BYTES:
                size, at = self.read_varint(at)
            elif kind in (FIXED32, FIXED64):
                size = 4 if kind == FIXED32 else 8
            else:
                raise DamageError(f"no protobuf field at byte {at}")
            check_end(at + size, end)
            yield number, kind, at, at + size
            at += size

    def read_layer(self, number: int, at: int, end: int) -> tuple[str, list[tuple]]:
        """Returns a layer's name and where its blobs are."""
        named, blobs_of = (
            (LAYER_NAME, LAYER_BLOBS) if number == LAYER else (V1_LAYER_NAME, V1_LAYER_BLOBS)
        )
        name, blobs = "", []
        for field, kind, start, stop in self.iterate_fields(at, end):
            if number == V1_LAYER and field == V0_LAYER and kind == BYTES:
                named, blobs_of = V0_NAME, V0_BLOBS
                inner = [f for f in self.iterate_fields(start, stop) if f[1] == BYTES]
                name = next((self.read_text(*f[2:]) for f in inner if f[0] == V0_NAME), name)
                blobs += [f[2:] for f in inner if f[0] == V0_BLOBS]
            elif field == named and kind == BYTES:
                name = self.read_text(start, stop)
            elif field == blobs_of and kind == BYTES:
                blobs.append((start, stop))
        return name, blobs

    def read_text(self, at: int, end: int) -> str:
        if end - at > MAX_NAME:
            raise DamageError(f"a name of {end - at} bytes")
        return self.data[at:end].tobytes().decode("utf-8", "replace")

    def describe_blob(self, at: int, end: int) -> StoredTensor:
        """Returns a blob's shape and how to read its numbers."""
        legacy, shape, runs = {}, None, []
        for number, kind, start, stop in self.iterate_fields(at, end):
            if number in LEGACY_SHAPE and kind == VARINT:
                legacy[number] = start
            elif number == SHAPE and kind == BYTES:
                shape = self.read_dimensions(start, stop)
            elif number == DATA and kind in (BYTES, FIXED32):
                runs.append((start, stop, "<f4"))
            elif number == DOUBLE_DATA and kind in (BYTES, FIXED64):
                runs.append((start, stop, "<f8"))
        if shape is None:
            shape = tuple(legacy.get(number, 1) for number in LEGACY_SHAPE)
        held = sum((stop - start) // np.dtype(code).itemsize for start, stop, code in runs)
        if held != prod(shape):
            raise DamageError(f"a blob {describe_shape(shape)} with {held} numbers")
        return StoredTensor(shape, partial(self.read_numbers, runs, shape))

    def read_dimensions(self, at: int, end: int) -> tuple[int, ...]:
        """Returns a BlobShape: its dimensions come packed or one by one."""
        out = []
        for number, kind, start, stop in self.iterate_fields(at, end):
            if number != DIMENSIONS:
                continue
            if kind == VARINT:
                out.append(start)
                continue
            while start < stop:
                self.budget.spend(1)
                value, start = self.read_varint(start)
                out.append(value)
        check_axes(len(out))
        return tuple(out)

    def read_numbers(self, runs: list[tuple], shape: tuple[int, ...]) -> np.ndarray:
        parts = [self.data[start:stop].view(code) for start, stop, code in runs]
        flat = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.asarray(flat).reshape(shape)
