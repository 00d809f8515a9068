"""The sizes that a picture is painted at, coarse to fine."""

RATIO = 2**0.5
"""Of neighbouring scales."""
COARSEST = 90
"""Pixels of the shorter side below which no coarser scale is added: above half of the
receptive field of relu5_1, so a picture has two scales from 128 pixels up."""


def list_sizes(size: tuple[int, int], scales: int | None) -> list[tuple[int, int]]:
    """Lists the sizes (H, W) of the scales, coarse to fine.

    Args:
      size: (H, W) of the finest in pixels.
      scales: how many, each sqrt 2 times the one before; None is as many as have a
        shorter side of at least `COARSEST` pixels, and the finest in any case.

    Raises:
      ValueError: for fewer than one scale or pixel.

    >>> from jaxvis.methods.style.scales import list_sizes
    >>> list_sizes((256, 256), None)
    [(91, 91), (128, 128), (181, 181), (256, 256)]
    """
    if scales is not None and scales < 1:
        raise ValueError(f"scales must be at least 1, got {scales}")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size must be (H, W) in pixels, at least 1 each, not {size}")
    if scales is None:
        scales = 1
        while min(size) / RATIO**scales >= COARSEST:
            scales += 1
    (height, width), factors = size, [RATIO**k for k in reversed(range(scales))]
    return [(max(round(height / f), 1), max(round(width / f), 1)) for f in factors]
