"""Decoding the bytes of an image file, with Pillow."""

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFile, ImageOps

MAX_PIXELS = 100_000_000
"""The largest image that is read, in pixels: 1.2 GB as float32 RGB."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF", "GIF")
"""Pillow's names of the formats that are read. Its other readers may start programs
(Ghostscript for EPS) or are rarely tested, so a file's name never leads to them."""
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


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decodes an image file, upright, whatever its format.

    Args:
      data: the whole file.
      name: what the messages call it.

    Returns:
      numpy.ndarray: `[H, W, C]` float32 in [0, 1]; C is 1 for grey, 2 for grey and alpha,
      3 for RGB, 4 for RGB and alpha.

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
            raise ValueError(
                f"{name} is not an image that can be read: use PNG, JPEG, WebP, BMP, "
                "PPM, PGM or TIFF"
            ) from None
        except Pillow.DecompressionBombError:
            raise ValueError(f"{name} is too large: {_LIMIT}") from None
        except _BROKEN as error:
            raise ValueError(f"{name} is damaged or truncated: {error}") from None


class _Refused(Exception):
    """What is wrong with a file that decodes, as the end of a sentence."""


def _decode(data: bytes) -> np.ndarray:
    image = Pillow.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise _Refused(f"is too large, {image.width}x{image.height}: {_LIMIT}")
    # MPO is a camera's JPEG with previews behind the picture.
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise _Refused(f"holds {frames} frames or pages: save the one you want as a PNG")
    raw = image.tile[0].args if image.format == "PNG" and image.tile else None
    if raw in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return _decode_16_bit(data, image, raw)
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
        return _decode_deep_grey(np.asarray(upright), upright)
    alpha = "transparency" in upright.info or upright.mode in ("RGBA", "LA", "PA", "RGBa")
    return np.asarray(upright.convert("RGBA" if alpha else "RGB"), np.float32) / 255


def _decode_16_bit(data: bytes, image: ImageFile.ImageFile, raw: str) -> np.ndarray:
    """Decodes a 16-bit colour PNG, of which Pillow alone keeps only the high bytes."""
    hidden = image.info.get("transparency")
    if raw == "LA;16B":
        # Four bytes a pixel either way: (grey high, grey low, alpha high, alpha low).
        image.tile = [image.tile[0]._replace(args="RGBA")]
        high_low = np.asarray(ImageOps.exif_transpose(image), np.float32)
        return (high_low[..., ::2] * 256 + high_low[..., 1::2]) / 65535
    # Read as little-endian, the low byte comes where the high one was.
    other = Pillow.open(io.BytesIO(data), formats=("PNG",))
    other.tile = [other.tile[0]._replace(args=raw.replace("16B", "16L"))]
    high, low = (np.asarray(ImageOps.exif_transpose(half), np.float32) for half in (image, other))
    pixels = high * 256 + low
    if hidden is not None:
        alpha = 65535.0 * np.any(pixels != np.asarray(hidden), -1, keepdims=True)
        pixels = np.concatenate([pixels, alpha.astype(np.float32)], -1)
    return pixels / 65535


def _decode_deep_grey(pixels: np.ndarray, image: Pillow.Image) -> np.ndarray:
    """Scales grey values of more than 8 bits to [0, 1], `[H, W, 1 or 2]`."""
    top = 1.0 if image.mode == "F" else 65535.0
    if not (np.all(np.isfinite(pixels)) and pixels.min() >= 0 and pixels.max() <= top):
        raise _Refused(
            f"has values from {pixels.min():g} to {pixels.max():g} where 0 to {top:g} "
            "is read: rescale it and save it as a 16-bit PNG"
        )
    grey = [pixels.astype(np.float32) / top]
    if "transparency" in image.info:
        grey.append((pixels != image.info["transparency"]).astype(np.float32))
    return np.stack(grey, -1)
