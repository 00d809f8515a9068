"""From a file's arrangement of axes to ours: kernels HWIO and [in, out], H W C flat."""

from collections.abc import Callable
from math import prod

import numpy as np

Shape = tuple[int, ...]
Arrange = Callable[[np.ndarray], np.ndarray]

OUTER_FIRST = ("torch", "caffe")
"""Namings whose files hold kernels as OIHW and [out, in]; the others as we do."""


def native(target: Shape, naming: str) -> Shape:
    """Returns the shape that a parameter of shape `target` has in files.

    Args:
      target: our shape: HWIO, [in, out], or one axis.
      naming: "torch", "caffe", "keras" or "matconvnet".
    """
    if naming not in OUTER_FIRST or len(target) == 1:
        return target
    return (*target[:1:-1], *target[:2]) if len(target) == 4 else target[::-1]


def arrangement(shape: Shape, target: Shape, naming: str, incoming: Shape) -> Arrange | None:
    """Returns the function that brings an array into our arrangement; None if none.

    Args:
      shape: the array's shape in the file. Axes of one may stand in front (old Caffe)
        or anywhere about a single one (MatConvNet); a fully connected kernel may be
        the convolution of the whole map that it reads (timm, MatConvNet).
      target: the parameter's shape here.
      naming: see `native`.
      incoming: shape of what the layer reads, (h, w, c) or (d,): in files with the
        outputs first a flattened map is in C, H, W order, here in H, W, C.
    """
    if naming == "variables" and len(target) == 4 and shape != target:
        # A transposed convolution's: [h, w, out, in], turned.
        turned = (*target[:2], *target[:1:-1])
        if shape != turned:
            return None
        return lambda array: array[::-1, ::-1].swapaxes(2, 3)
    if len(target) == 1:
        fits = prod(shape) == target[0] == max(shape, default=0)
        return (lambda array: array.reshape(target)) if fits else None
    window = incoming if len(incoming) == 3 else (1, 1, *incoming)
    whole = target if len(target) == 4 else (*window, target[-1])
    forms = (native(target, naming), native(whole, naming))
    while shape not in forms and len(shape) > len(target) and shape[0] == 1:
        shape = shape[1:]
    if shape not in forms:
        return None
    if naming not in OUTER_FIRST:
        return lambda array: array.reshape(target)
    outer = native(whole, naming)
    return lambda array: array.reshape(outer).transpose(2, 3, 1, 0).reshape(target)
