"""The bytes of a file, or of a compressed part of it, read piece by piece."""

import zlib
from typing import Protocol

import numpy as np

from weights_convert.checkpoint import DamageError
from weights_convert.readers.bounds import Budget

CHUNK, FEED = 1 << 16, 1 << 16
"""Bytes that are inflated at a time, and compressed ones that are given at a time."""


class Source(Protocol):
    """Bytes that are read by their position."""

    def read(self, at: int, size: int) -> bytes | bytearray:
        """Returns up to `size` bytes from byte `at` on.

        Args:
          at: the position.
          size: how many.
        """
        ...

    def verify(self) -> None:
        """Raises an error if the bytes have a checksum, and it is wrong."""

    def rewind(self) -> None:
        """Forgets what was read, and frees its memory."""


class Bytes:
    """The bytes of a file.

    Args:
      data: `[size]` uint8.
    """

    def __init__(self, data: np.ndarray) -> None:
        self.data = data

    def read(self, at: int, size: int) -> bytes:
        """Returns up to `size` bytes from byte `at` on.

        Args:
          at: the position.
          size: how many.
        """
        return self.data[at : at + size].tobytes()

    def verify(self) -> None:
        """Does nothing: these bytes have no checksum."""

    def rewind(self) -> None:
        """Does nothing: they are not kept in memory."""


class InflatedBytes:
    """A zlib stream, inflated a piece at a time as it is read from the front.

    Reading further ahead is cheap; going back begins again at the start of the stream.

    Args:
      data: `[size]` uint8, the stream.
      budget: how many bytes may be inflated until `verify` has succeeded.
    """

    def __init__(self, data: np.ndarray, budget: Budget) -> None:
        self.data, self.budget, self.verified = data, budget, False
        self.inflater: zlib._Decompress | None = None
        self.ready, self.at, self.fed = bytearray(), 0, 0

    def read(self, at: int, size: int) -> bytes | bytearray:
        """Returns up to `size` bytes from byte `at` on, fewer at the end of the stream.

        Args:
          at: the position.
          size: how many.
        """
        if at < self.at:
            self.rewind()
        while self.at + len(self.ready) < at:
            self.at += len(self.ready)
            self.ready = bytearray(self._inflate())
            if not self.ready:
                return b""
        del self.ready[: at - self.at]
        self.at = at
        while len(self.ready) < size:
            piece = self._inflate()
            if not piece:
                break
            self.ready += piece
        if size < CHUNK:
            return bytes(self.ready[:size])
        # An array is not copied: its bytes leave the buffer.
        whole, self.ready = self.ready, self.ready[size:]
        del whole[size:]
        self.at += len(whole)
        return whole

    def verify(self) -> None:
        """Raises an error if the stream is damaged; its end holds a checksum of it all.

        Called before an array is read.

        Raises:
          DamageError: if it is damaged.
        """
        if self.verified:
            return
        self.rewind()
        try:
            while self._inflate():
                pass
        except zlib.error as error:
            raise DamageError(str(error)) from error
        if self.inflater is None or not self.inflater.eof:
            raise DamageError("a compressed part has no end")
        self.rewind()
        self.verified = True

    def rewind(self) -> None:
        """Goes back to the start, and frees the memory of what was inflated."""
        self.inflater, self.fed = None, 0
        self.ready, self.at = bytearray(), 0

    def _inflate(self) -> bytes:
        """Returns the next piece, empty at the end."""
        inflater = self.inflater = self.inflater or zlib.decompressobj()
        while not inflater.eof:
            given = inflater.unconsumed_tail
            if not given:
                given = self.data[self.fed : self.fed + FEED].tobytes()
                self.fed += len(given)
            piece = inflater.decompress(given, CHUNK)
            if piece:
                if not self.verified:
                    self.budget.spend(len(piece))
                return piece
            if not given:
                break
        return b""
