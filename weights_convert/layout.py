"""From the arrangement of axes in a file to ours: kernels HWIO and [in, out], flat H W C."""

from collections.abc import Callable
from math import prod

import numpy as np

Shape = tuple[int, ...]
Arrange = Callable[[np.ndarray], np.ndarray]

OUTER_FIRST = ("torch", "caffe")
"""Namings whose files hold kernels as OIHW and [out, in]; the others hold them as we do."""


def file_shape(target: Shape, naming: str) -> Shape:
    """Returns the shape that a parameter of shape `target` has in files.

    Args:
      target: our shape: HWIO, [in, out], or one axis.
      naming: "torch", "caffe", "keras" or "matconvnet".
    """
    if naming not in OUTER_FIRST or len(target) == 1:
        return target
    return (*target[:1:-1], *target[:2]) if len(target) == 4 else target[::-1]


def find_arrangement(shape: Shape, target: Shape, naming: str, incoming: Shape) -> Arrange | None:
    """Returns the function that brings an array into our arrangement; None if none does.

    Args:
      shape: the array's shape in the file. Axes of one may stand in front (old Caffe)
        or anywhere about a single one (MatConvNet); a fully connected kernel may be
        a convolution of the whole map that it reads (timm, MatConvNet), and a convolution
        of single pixels a fully connected kernel (ConvNeXt).
      target: the parameter's shape here.
      naming: see `file_shape`.
      incoming: the shape of what the layer reads, (h, w, c) or (d,). In files with the
        outputs first, a flattened map is in the order C, H, W; here it is in H, W, C.
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
    if prod(whole) != prod(target):  # it does not read a whole map: tokens, or positions
        whole = (1, 1, *target)
    forms = [file_shape(target, naming), file_shape(whole, naming)]
    if target[:-2] == (1, 1):  # a convolution of single pixels may be a fully connected layer
        forms.append(file_shape(target[2:], naming))
    while shape not in forms and len(shape) > len(target) and shape[0] == 1:
        shape = shape[1:]
    if shape not in forms:
        return None
    if naming not in OUTER_FIRST:
        return lambda array: array.reshape(target)
    outer = file_shape(whole, naming)
    return lambda array: array.reshape(outer).transpose(2, 3, 1, 0).reshape(target)
