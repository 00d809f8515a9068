"""Writing a file so that a crash leaves the old one or the new one, never half."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np


def write_atomically(path: str | Path, data: bytes) -> None:
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


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_16_bit(pixels: np.ndarray) -> bytes:
    """Returns a 16-bit PNG file, which Pillow can write for grey images only.

    Args:
      pixels: `[H, W, 3]` or `[H, W, 1]` uint16.

    Returns:
      bytes: the file. Rows are stored as differences to the row above ("Up").

    Source: PNG (Portable Network Graphics) Specification, Third Edition, 5.6, 9.2.
    """
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    colour_type = {1: 0, 3: 2}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(filtered.tobytes()))
        + _chunk(b"IEND", b"")
    )
