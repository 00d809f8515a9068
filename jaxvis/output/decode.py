"""Decoding the bytes of an image file, most with Pillow."""

import io
import struct
import warnings
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFile, ImageOps

from jaxvis.escape import escape
from jaxvis.output.netpbm import MAX_TEXT, decode_netpbm, is_netpbm, is_text, read_header

MAX_PIXELS = 100_000_000
"""The largest image that is read, in pixels: 1.2 GB as float32 RGB."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""Pillow's names of the formats that it reads here. Its other readers may start programs
(Ghostscript for EPS) or are rarely tested, so a file's name never leads to them."""
MAX_SCANS = 100
"""Passes of a progressive JPEG, each of which costs a pass over all pixels; cameras and
programs write about ten."""
MAX_SLOW = 1 << 25
"""Bytes of a GIF or a run-length encoded BMP, which Pillow reads piece by piece."""
MAX_RUN_LENGTH = 1 << 22
"""Pixels of a run-length encoded BMP, which Pillow decodes one by one."""
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
)
# What Pillow's decoders raise on damaged files.
_LIMIT = f"at most {MAX_PIXELS // 10**6} megapixels are read; shrink the image first"


class Levels(NamedTuple):
    """The pixels of an image file, as deep as the file has them.

    Attributes:
      values: `[H, W, C]` uint8, uint16 or float32; C is 1 for grey, 2 for grey and alpha,
        3 for RGB, 4 for RGB and alpha.
      top: the value of white.
    """

    values: np.ndarray
    top: float


def decode_image(data: bytes, name: str) -> Levels:
    """Decodes an image file, upright, whatever its format.

    Args:
      data: the whole file.
      name: what the messages call it.

    Raises:
      ValueError: says what is wrong with the file.
    """
    if not data:
        raise ValueError(f"{name} is empty")
    with warnings.catch_warnings():
        # Pillow warns of large images and odd metadata; the size is checked here.
        warnings.simplefilter("ignore")
        try:
            return _decode(data)
        except _Refused as refusal:
            raise ValueError(f"{name} {refusal}") from None
        except Pillow.UnidentifiedImageError:
            if data[:4] in _TIFF_STARTS:
                raise ValueError(
                    f"{name} is a damaged TIFF, or one of numbers that are not read, such as "
                    "64-bit floats or floats in colour: save it as a PNG"
                ) from None
            raise ValueError(
                f"{name} is not an image that can be read: use PNG, JPEG, WebP, BMP, "
                "PPM, PGM or TIFF"
            ) from None
        except Pillow.DecompressionBombError:
            raise ValueError(f"{name} is too large: {_LIMIT}") from None
        except _BROKEN as error:
            reason = escape(str(error))
            raise ValueError(f"{name} is damaged or truncated: {reason}") from None


class _Refused(Exception):
    """What is wrong with a file that decodes, as the end of a sentence."""


def _decode(data: bytes) -> Levels:
    if is_netpbm(data):
        width, height, *_ = read_header(data)
        _check_size(width, height)
        if is_text(data) and len(data) > MAX_TEXT:
            raise _Refused(f"has {len(data)} bytes of numbers as text: save it as a PNG")
        return Levels(*decode_netpbm(data))
    if data.startswith(b"GIF8"):
        _check_length(data)
    image = Pillow.open(io.BytesIO(data), formats=FORMATS)
    _check_cost(image, data)
    raw = image.tile[0].args if image.format == "PNG" and image.tile else None
    if raw in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return _decode_16_bit(data, image, raw)
    # In place, because a copy of a large image takes hundreds of megabytes.
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _decode_deep_grey(np.asarray(image), image)
    alpha = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa")
    mode = "RGBA" if alpha else "RGB"
    return Levels(np.asarray(image if image.mode == mode else image.convert(mode)), 255)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _Refused(f"is too large, {width}x{height}: {_LIMIT}")


def _check_length(data: bytes) -> None:
    if len(data) > MAX_SLOW:
        raise _Refused(f"has {len(data)} bytes, too many for its format: save it as a PNG")


def _check_cost(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuses what would take minutes or gigabytes to decode, and what is no single image."""
    _check_size(image.width, image.height)
    # MPO is a camera's JPEG with previews behind the picture. Frames are not counted: a
    # file may have millions.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise _Refused("holds several frames or pages: save the one you want as a PNG")
    scans = data.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 0
    if scans > MAX_SCANS:
        raise _Refused(f"is a JPEG of {scans} passes, not at most {MAX_SCANS}: save it again")
    if any(tile.codec_name == "bmp_rle" for tile in image.tile):
        _check_length(data)
        if image.width * image.height > MAX_RUN_LENGTH:
            raise _Refused("is a large BMP that is run-length encoded: save it as a PNG")


def _decode_16_bit(data: bytes, image: ImageFile.ImageFile, raw: str) -> Levels:
    """Decodes a 16-bit colour PNG, of which Pillow alone keeps only the high bytes."""
    hidden = image.info.get("transparency")
    if raw == "LA;16B":
        # Four bytes a pixel either way: (grey high, grey low, alpha high, alpha low).
        image.tile = [image.tile[0]._replace(args="RGBA")]
        ImageOps.exif_transpose(image, in_place=True)
        high_low = np.asarray(image)
        return Levels(_join_bytes(high_low[..., ::2], high_low[..., 1::2]), 65535)
    # Read as little-endian, the low byte comes where the high one was.
    other = Pillow.open(io.BytesIO(data), formats=("PNG",))
    other.tile = [other.tile[0]._replace(args=raw.replace("16B", "16L"))]
    for half in (image, other):
        ImageOps.exif_transpose(half, in_place=True)
    pixels = _join_bytes(np.asarray(image), np.asarray(other))
    if hidden is not None:
        alpha = np.any(pixels != np.asarray(hidden), -1, keepdims=True)
        pixels = np.concatenate([pixels, alpha * np.uint16(65535)], -1)
    return Levels(pixels, 65535)


def _join_bytes(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Returns uint16 numbers."""
    whole = high.astype(np.uint16)
    whole <<= 8
    whole |= low
    return whole


def _decode_deep_grey(pixels: np.ndarray, image: Pillow.Image) -> Levels:
    """Returns grey values of more than 8 bits, `[H, W, 1 or 2]`."""
    top = 1.0 if image.mode == "F" else 65535.0
    if not (np.all(np.isfinite(pixels)) and pixels.min() >= 0 and pixels.max() <= top):
        raise _Refused(
            f"has values from {pixels.min():g} to {pixels.max():g} where 0 to {top:g} "
            "is read: rescale it and save it as a 16-bit PNG"
        )
    grey = [pixels if image.mode == "F" else pixels.astype(np.uint16)]
    if "transparency" in image.info:
        grey.append((pixels != image.info["transparency"]) * grey[0].dtype.type(top))
    return Levels(np.stack(grey, -1), top)
