"""Image files and arrays, both ways; the only file that imports Pillow.

Arrays here live on the host: numpy float32 RGB in [0, 1], `[H, W, 3]`.
"""

import functools
import io
import math
import struct
import warnings
import zlib
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont, ImageOps

from jaxvis.output.arrays import checked, over, sides
from jaxvis.output.files import png_16_bit, write_atomically

PIXELS = 100_000_000
"""The largest image that is read, in pixels: 1.2 GB as float32 RGB."""
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""File name endings that are written."""
METHODS = {
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
    "box": Pillow.Resampling.BOX,
    "nearest": Pillow.Resampling.NEAREST,
}
"""Ways to resample."""
SAMPLES = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
}
"""Photographs that come inside the scikit-image package."""
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


def read_image(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    background: float | tuple[float, float, float] = 1.0,
) -> np.ndarray:
    """Returns the image in a file, upright, as RGB.

    PNG (8 and 16 bit), JPEG, WebP, BMP, PPM, PGM, single-page TIFF and single-frame
    GIF. EXIF orientation is applied; grey, palette, CMYK and YCbCr become RGB, without
    regard to colour profiles; float files must already be in [0, 1].

    Args:
      path: the file.
      size: (H, W) in pixels, or one number for a square, to cover and crop to (see
        `crop_to`); None keeps the image as it is.
      background: grey level or RGB in [0, 1] shown through transparent pixels; white,
        as a browser does.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 RGB in [0, 1]. 16-bit PNG and grey files keep
      their 16 bits; 16-bit colour in other formats is read at 8.

    Raises:
      OSError: FileNotFoundError, PermissionError... if the file cannot be opened.
      ValueError: names the file and says what is wrong: empty, not an image, damaged
        or truncated, animated or of several pages, more than 100 megapixels.
    """
    path = Path(path)
    data = path.read_bytes()
    if not data:
        raise ValueError(f"{path} is empty")
    with warnings.catch_warnings():
        # Pillow warns of large images and odd metadata; the size is checked here.
        warnings.simplefilter("ignore")
        try:
            image = _decode(data)
        except _Refused as refusal:
            raise ValueError(f"{path} {refusal}") from None
        except Pillow.UnidentifiedImageError:
            raise ValueError(
                f"{path} is not an image that can be read: use PNG, JPEG, WebP, BMP, "
                "PPM, PGM or TIFF"
            ) from None
        except Pillow.DecompressionBombError:
            raise ValueError(f"{path} is too large: {_LIMIT}") from None
        except _BROKEN as error:
            raise ValueError(f"{path} is damaged or truncated: {error}") from None
    image = over(image, background)
    return image if size is None else crop_to(image, size)


class _Refused(Exception):
    """What is wrong with a file that decodes, as the end of a sentence."""


_LIMIT = f"at most {PIXELS // 10**6} megapixels are read; shrink the image first"


def _decode(data: bytes) -> np.ndarray:
    """Returns `[H, W, 1 to 4]` float32 in [0, 1]: grey, grey-alpha, RGB, RGBA."""
    image = Pillow.open(io.BytesIO(data))
    if image.width * image.height > PIXELS:
        raise _Refused(f"is too large, {image.width}x{image.height}: {_LIMIT}")
    # MPO is a camera's JPEG with previews behind the picture.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise _Refused(f"holds {image.n_frames} frames or pages: save the one you want as a PNG")
    raw = image.tile[0].args if image.format == "PNG" and image.tile else None
    if raw in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return _decode_16_bit(data, image, raw)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _decode_deep(np.asarray(image), image)
    alpha = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa")
    return np.asarray(image.convert("RGBA" if alpha else "RGB"), np.float32) / 255


def _decode_16_bit(data: bytes, image: Pillow.Image, raw: str) -> np.ndarray:
    """Returns a 16-bit colour PNG, of which Pillow alone keeps the high bytes."""
    hidden = image.info.get("transparency")
    if raw == "LA;16B":
        # Four bytes a pixel either way: (grey high, grey low, alpha high, alpha low).
        image.tile = [image.tile[0]._replace(args="RGBA")]
        high_low = np.asarray(ImageOps.exif_transpose(image), np.float32)
        return (high_low[..., ::2] * 256 + high_low[..., 1::2]) / 65535
    # Read as little-endian, the low byte comes where the high one was.
    other = Pillow.open(io.BytesIO(data))
    other.tile = [other.tile[0]._replace(args=raw.replace("16B", "16L"))]
    high, low = (np.asarray(ImageOps.exif_transpose(half), np.float32) for half in (image, other))
    pixels = high * 256 + low
    if hidden is not None:
        alpha = 65535.0 * np.any(pixels != np.asarray(hidden), -1, keepdims=True)
        pixels = np.concatenate([pixels, alpha.astype(np.float32)], -1)
    return pixels / 65535


def _decode_deep(pixels: np.ndarray, image: Pillow.Image) -> np.ndarray:
    """Returns grey values of more than 8 bits, `[H, W, 1 or 2]`."""
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


def write_image(path: str | Path, image: np.ndarray, *, bits: int = 8) -> None:
    """Writes an image under a temporary name, then renames: never half a file.

    Args:
      path: the file; its ending chooses the format: .png, .jpg, .webp (both at
        quality 95), .bmp, .ppm, .tif.
      image: `[H, W, 3]` or grey `[H, W]` float RGB in [0, 1]; values outside are
        clipped.
      bits: 8, or 16 for PNG.

    Raises:
      OSError: if the folder is missing or cannot be written.
      ValueError: for another ending, shape or number of bits, for integers, and for
        values that are not finite.
    """
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path} must end in {', '.join(FORMATS)} to be written")
    if bits not in (8, 16) or (bits == 16 and kind != "PNG"):
        raise ValueError(f"{path}: bits is 8, or 16 for PNG files, not {bits}")
    image = checked(image, str(path))
    levels = np.clip(image, 0, 1) * (2**bits - 1) + 0.5
    if bits == 16:
        write_atomically(path, png_16_bit(levels.astype(np.uint16)))
        return
    pixels, file = levels.astype(np.uint8), io.BytesIO()
    picture = Pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.save(file, kind, **({"quality": 95} if kind in ("JPEG", "WEBP") else {}))
    write_atomically(path, file.getvalue())


def resize(
    image: np.ndarray, size: int | tuple[int, int], *, method: str = "bilinear"
) -> np.ndarray:
    """Returns an image resampled to a size, antialiased where it shrinks.

    Every output pixel is the mean of the input under a filter as wide as the output
    pixel, in float32: torch's `interpolate(..., antialias=True)` and, for "bilinear",
    `jax.image.resize`.

    Args:
      image: `[H, W, 3]` or grey `[H, W]` float.
      size: (H, W) in pixels, or one number for a square; the aspect ratio follows it.
      method: "bilinear", "bicubic", "lanczos", "box" or "nearest" (not antialiased).

    Returns:
      numpy.ndarray: `[H, W, 3]` (or `[H, W, 1]`) float32 within the range of `image`:
      the overshoot of "bicubic" and "lanczos" is clipped.

    Raises:
      ValueError: for an unknown method or a size below one pixel.
    """
    image, (height, width) = checked(image, "resize"), sides(size)
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    planes = [
        Pillow.fromarray(np.ascontiguousarray(plane, np.float32))
        for plane in np.moveaxis(image, -1, 0)
    ]
    planes = [plane.resize((width, height), METHODS[method]) for plane in planes]
    return np.clip(np.stack(planes, -1), image.min(), image.max(), dtype=np.float32)


def crop_to(image: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Returns an image that covers a size, resized and cut in the middle.

    The image is resized (bilinear, antialiased) so that one side fits exactly and the
    other is no shorter, then the surplus is cut off equally on both ends. The aspect
    ratio is kept.

    Args:
      image: `[H, W, 3]` or grey `[H, W]` float.
      size: (H, W) in pixels, or one number for a square.

    Returns:
      numpy.ndarray: `[H, W, 3]` (or `[H, W, 1]`) float32.

    Raises:
      ValueError: for a size below one pixel.
    """
    image, (height, width) = checked(image, "crop_to"), sides(size)
    scale = max(height / image.shape[0], width / image.shape[1])
    cover = (
        max(height, round(image.shape[0] * scale)),
        max(width, round(image.shape[1] * scale)),
    )
    if cover != image.shape[:2]:
        image = resize(image, cover)
    top, left = (cover[0] - height) // 2, (cover[1] - width) // 2
    return np.asarray(image[top : top + height, left : left + width], np.float32)


@functools.lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=size)


def text(line: str, *, size: int = 13) -> np.ndarray:
    """Returns one line of text as ink, in the font that comes with Pillow.

    Args:
      line: the text.
      size: font size in pixels.

    Returns:
      numpy.ndarray: `[h, w]` float32, 1 where there is ink; h depends on `size` alone.
    """
    font = _font(size)
    ascent, descent = font.getmetrics()
    left, _, right, _ = font.getbbox(line or " ")
    width = max(1, math.ceil(right - min(left, 0)))
    page = Pillow.new("L", (width, ascent + descent), 0)
    ImageDraw.Draw(page).text((-min(left, 0), 0), line, fill=255, font=font)
    return np.asarray(page, np.float32) / 255


def sample_photo(name: str, *, size: int | tuple[int, int] | None = None) -> np.ndarray:
    """Returns a photograph that comes inside the scikit-image package.

    Args:
      name: "astronaut" (portrait), "chelsea" (a cat), "coffee" or "rocket".
      size: as for `read_image`.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 RGB in [0, 1]. Nothing is downloaded.

    Raises:
      ValueError: for another name.
    """
    if name not in SAMPLES:
        raise ValueError(f"the sample photographs are {', '.join(SAMPLES)}: not {name}")
    file = resources.files("skimage.data").joinpath(SAMPLES[name])
    with resources.as_file(file) as path:
        return read_image(path, size=size)
