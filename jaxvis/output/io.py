"""Image files, read and written, and the photographs that come with jaxvis.

Arrays here live on the host: numpy float32 RGB in [0, 1], `[H, W, 3]`.
"""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np

from jaxvis.escape import escape_path
from jaxvis.output.arrays import blend_over, check_pixels
from jaxvis.output.decode import Levels, decode_image
from jaxvis.output.encode import encode_levels
from jaxvis.output.files import encode_png_16, read_regular_file, write_atomically
from jaxvis.output.resample import crop_to

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
WORDS = {
    "PNG": "PNG, lossless",
    "JPEG": "JPEG, quality 95, 4:4:4",
    "WEBP": "WebP, lossless",
    "BMP": "BMP, lossless",
    "PPM": "PPM, lossless",
    "TIFF": "TIFF, lossless",
}
"""Format -> what records call it."""
LONGEST = {"WEBP": 16383, "JPEG": 65535}
"""Format -> the most pixels of a side that a file of it can have."""
STRIP = 1 << 18
"""Pixels of an image that are converted at a time."""
SAMPLES = ("astronaut", "chelsea", "coffee", "rocket")
"""Names of the photographs that come with jaxvis."""


def read_image(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    background: float | tuple[float, float, float] = 1.0,
) -> np.ndarray:
    """Reads an image file, upright, as RGB.

    The format is found from the content, whatever the name: PNG (8 and 16 bit), JPEG,
    WebP, BMP, PPM, PGM, single-page TIFF and single-frame GIF. EXIF orientation is
    applied; grey, palette, CMYK and YCbCr become RGB, without regard to colour profiles;
    float files must already be in [0, 1].

    Args:
      path: the file, a regular one.
      size: (H, W) in pixels, or one number for a square, to cover and crop to (see
        `jaxvis.output.resample.crop_to`); None keeps the image as it is.
      background: grey level or RGB in [0, 1] shown through transparent pixels; white,
        as a browser does.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 RGB in [0, 1]. 16-bit PNG, PPM and grey files
      keep their 16 bits; 16-bit colour in other formats is read at 8.

    Raises:
      OSError: FileNotFoundError, PermissionError... if the file cannot be opened.
      ValueError: names the file and says what is wrong: a pipe or device, empty, not an
        image, damaged or truncated, animated or of several pages, more than 100
        megapixels or 1 GiB.

    >>> from importlib import resources
    >>> import jaxvis
    >>> cat = resources.files("jaxvis.output") / "photographs" / "chelsea.jpg"
    >>> photo = jaxvis.read_image(cat, size=(48, 64))
    >>> photo.shape, photo.dtype.name
    ((48, 64, 3), 'float32')
    """
    image = _blend(decode_image(read_regular_file(path), escape_path(path)), background)
    return image if size is None else crop_to(image, size)


def _blend(levels: Levels, background: float | tuple[float, float, float]) -> np.ndarray:
    """Returns `[H, W, 3]` float32 in [0, 1], made strip by strip: little memory beside it."""
    values, top = levels.values, np.float32(levels.top)
    image = np.empty((*values.shape[:2], 3), np.float32)
    rows = max(1, STRIP // image.shape[1])
    for row in range(0, len(image), rows):
        strip = values[row : row + rows].astype(np.float32) / top
        image[row : row + rows] = blend_over(strip, background)
    return image


def write_image(path: str | Path, image: np.ndarray, *, bits: int = 8, alpha: bool = False) -> None:
    """Writes an image under a temporary name, then renames: never half a file.

    Args:
      path: the file; its ending chooses the format: .png, .jpg (quality 95, without
        subsampling of colours), .webp (lossless), .bmp, .ppm, .tif.
      image: `[H, W, 3]` or grey `[H, W]`, float RGB in [0, 1], where values outside are
        clipped, or uint8.
      bits: 8, or 16 for PNG.
      alpha: whether the last channel is the opacity: the image is then `[H, W, 4]`, or grey
        `[H, W, 2]`, for PNG, WebP and TIFF.

    Raises:
      OSError: if the folder is missing or cannot be written.
      ValueError: for another ending, shape or number of bits, for other integers, for
        values that are not finite, and for a side that the format cannot have.

    >>> import tempfile
    >>> import numpy as np
    >>> from jaxvis.output.io import read_image, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/grey.webp", np.full((4, 6, 3), 0.5))
    ...     print(read_image(f"{folder}/grey.webp").shape)
    (4, 6, 3)
    """
    path = Path(path)
    kind = check_format(path, bits=bits, alpha=alpha)
    if alpha:
        image = _check_transparent(path, image)
    else:
        image = check_pixels(image, str(path))
    if max(image.shape[:2]) > LONGEST.get(kind, max(image.shape[:2])):
        raise ValueError(
            f"{path}: a side has at most {LONGEST[kind]} pixels in this format, not "
            f"{max(image.shape[:2])}: write a .png or .tif"
        )
    levels = np.clip(image, 0, 1) * (2**bits - 1) + 0.5
    if bits == 16:
        write_atomically(path, encode_png_16(levels.astype(np.uint16)))
        return
    write_atomically(path, encode_levels(levels.astype(np.uint8), kind))


def check_format(path: Path, *, bits: int = 8, alpha: bool = False) -> str:
    """Checks that pictures can be written to a file, and gives its format, such as "PNG".

    Args:
      path: the file; its ending chooses the format.
      bits: of a channel, 8, or 16 for PNG.
      alpha: whether they have an opacity.

    Raises:
      ValueError: for another ending, another number of bits, or a format without opacity.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path} must end in {', '.join(FORMATS)} to be written")
    if bits not in (8, 16) or (bits == 16 and kind != "PNG"):
        raise ValueError(f"{path}: bits is 8, or 16 for PNG files, not {bits}")
    if alpha and kind not in ("PNG", "WEBP", "TIFF"):
        raise ValueError(f"{path}: only PNG, WebP and TIFF files have an opacity")
    return kind


def describe_formats(names: Iterable[str]) -> dict[str, str]:
    """Describes how files were written, for records: name -> "JPEG, quality 95, 4:4:4".

    Args:
      names: of files; those that are no pictures, and PNG files, are left out.
    """
    kinds = {name: FORMATS.get(Path(name).suffix.lower(), "PNG") for name in names}
    return {name: WORDS[kind] for name, kind in kinds.items() if kind != "PNG"}


def _check_transparent(path: Path, image: np.ndarray) -> np.ndarray:
    """Checks an image whose last channel is its opacity."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] not in (2, 4):
        raise ValueError(
            f"{path}: an image with an opacity is [H, W, 4] or grey [H, W, 2], not {image.shape}"
        )
    parts = (image[..., :-1], image[..., -1:])
    return np.concatenate([check_pixels(part, str(path)) for part in parts], axis=-1)


def read_sample_photo(name: str, *, size: int | tuple[int, int] | None = None) -> np.ndarray:
    """Reads a photograph that comes with jaxvis.

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
    file = resources.files("jaxvis.output").joinpath("photographs", f"{name}.jpg")
    with resources.as_file(file) as path:
        return read_image(path, size=size)
