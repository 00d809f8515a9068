"""Reading only regular files, and writing a file so that a crash never leaves half of it."""

import os
import stat
import struct
import zlib
from pathlib import Path

import numpy as np

from jaxvis.escape import escape_path

MAX_BYTES = 2**30
"""The largest file that `read_regular_file` reads, in bytes."""


def read_regular_file(path: str | Path, *, most: int = MAX_BYTES) -> bytes:
    """Reads a whole file; pipes, sockets and devices are refused without waiting for them.

    Args:
      path: the file.
      most: how many bytes it may have.

    Raises:
      OSError: if it cannot be opened or is a folder.
      ValueError: if it is no regular file, or larger than `most`.
    """

    def open_now(name: str, flags: int) -> int:
        # A named pipe without a writer would otherwise block here for ever.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=open_now) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError(f"{escape_path(path)} is a pipe, socket or device: name a file")
        if facts.st_size > most:
            raise ValueError(
                f"{escape_path(path)} has {facts.st_size} bytes: files of at most {most} bytes "
                "are read"
            )
        return file.read(facts.st_size)


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path` under a temporary name beside it, then renames.

    Args:
      path: the file; one that exists is replaced.
      data: the whole content.

    Raises:
      OSError: if the folder does not exist or cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        # The user knows the final name, not the temporary one.
        raise type(error)(error.errno, error.strerror, str(path)) from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def encode_png_16(pixels: np.ndarray) -> bytes:
    """Encodes a 16-bit PNG file, which Pillow can write for grey images only.

    Args:
      pixels: `[H, W, 3]` or `[H, W, 1]` uint16, with an opacity `[H, W, 4]` or `[H, W, 2]`.

    Returns:
      bytes: the file. Rows are stored as differences to the row above ("Up").

    Source: PNG (Portable Network Graphics) Specification, Third Edition, 5.6, 9.2.
    """
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _encode_chunk(b"IHDR", header)
        + _encode_chunk(b"IDAT", zlib.compress(filtered.tobytes()))
        + _encode_chunk(b"IEND", b"")
    )


def _encode_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum
