"""PBM, PGM and PPM files, P1 to P6, at all depths.

Own code and not Pillow's, which keeps 8 of 16 bits, takes minutes for a large file whose
white is not 255, and looks for the ends of comments byte by byte.

Source: netpbm's manual, "pbm", "pgm" and "ppm".
"""

import re
from math import prod

import numpy as np

LONGEST_HEADER = 4096
MAX_TEXT = 1 << 23
"""Bytes of a file that has its numbers as text, of which 8 MB take some seconds."""
MAX_TOP = 65535
_SIZE = rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})"
_HEADER = re.compile(rb"P(?:[14]" + 2 * _SIZE + rb"|[2356]" + 3 * _SIZE + rb")(?=\s)")
_COMMENT = re.compile(rb"#[^\r\n]*")


def is_netpbm(data: bytes) -> bool:
    """Returns whether a file begins as one of these.

    Args:
      data: the file.
    """
    return re.match(rb"P[1-6][\s#]", data) is not None


def is_text(data: bytes) -> bool:
    """Returns whether the numbers of a file are written as text.

    Args:
      data: the file.
    """
    return data[1:2] in (b"1", b"2", b"3")


def read_header(data: bytes) -> tuple[int, int, int, int]:
    """Returns width, height, the value of white, and the byte behind the header.

    Args:
      data: the file.

    Raises:
      ValueError: if it has none.
    """
    found = _HEADER.match(data[:LONGEST_HEADER])
    if found is None:
        raise ValueError(f"no header in the first {LONGEST_HEADER} bytes")
    width, height, *top = (int(number) for number in found.groups() if number is not None)
    white = top[0] if top else 1
    if not width or not height or not 1 <= white <= MAX_TOP:
        raise ValueError(f"a header of {width}x{height} pixels up to {white}")
    return width, height, white, found.end()


def decode_netpbm(data: bytes) -> tuple[np.ndarray, int]:
    """Decodes a file.

    Args:
      data: the file; its size has been checked.

    Returns:
      (values, top): `[H, W, 1 or 3]` uint8 or uint16, and the value of white.

    Raises:
      ValueError: if it is cut off, or has other things than numbers.
    """
    width, height, top, start = read_header(data)
    kind = int(data[1:2])
    shape = (height, width, 3 if kind in (3, 6) else 1)
    dtype = np.dtype(np.uint8 if top < 256 else np.uint16)
    if kind == 4:
        rows = _take(data, start + 1, height * -(-width // 8), np.dtype(np.uint8))
        bits = np.unpackbits(rows.reshape(height, -1), axis=1, count=width)
        values = 1 - bits
    elif kind in (5, 6):
        values = _take(data, start + 1, prod(shape), dtype.newbyteorder(">")).astype(dtype)
    else:
        values = _read_text(data, start, kind, prod(shape), dtype)
    return np.minimum(values.reshape(shape), dtype.type(top)), top


def _take(data: bytes, start: int, count: int, dtype: np.dtype) -> np.ndarray:
    if len(data) - start < count * dtype.itemsize:
        raise ValueError(f"{len(data) - start} bytes of {count * dtype.itemsize}")
    return np.frombuffer(data, dtype, count, start)


def _read_text(data: bytes, start: int, kind: int, count: int, dtype: np.dtype) -> np.ndarray:
    text = _COMMENT.sub(b"", data[start:])
    if kind == 1:  # digits that may stand without spaces
        digits = np.frombuffer(b"".join(text.split()), np.uint8)[:count]
        if len(digits) < count or not np.isin(digits, (48, 49)).all():
            raise ValueError(f"not {count} digits of 0 or 1")
        return np.uint8(49) - digits
    numbers = text.split(None, count)[:count]
    if len(numbers) < count or not all(len(n) <= 5 and n.isdigit() for n in numbers):
        raise ValueError(f"not {count} numbers up to {MAX_TOP}")
    return np.minimum(np.array(numbers).astype(np.int64), np.iinfo(dtype).max).astype(dtype)
