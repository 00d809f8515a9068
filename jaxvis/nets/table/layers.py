"""A network is a table of rows: what one row says, and the shapes that follow.

Nothing else describes a network. The same rows give the Flax module and the forward
pass (`jaxvis.nets.table.forward`), the taps, receptive fields (`jaxvis.nets.table.geometry`) and
parameter names.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """Returns one row of a network's table.

    Args:
      name: the tap's name, unique in the table.
      op: a key of `OPS`.
      width: output channels of conv and fc; 0 elsewhere.
      size, stride, pad, groups: kernel size, stride, zero (conv) or -inf (max pool)
        padding in pixels on every side, and feature groups.
      ceil: pooling output size rounds up, Caffe's rule; False rounds down.
      bias: whether conv and fc add one.
      inputs: names of the rows it reads; empty reads the row above.
      alpha, kappa: lrn's constants, y = x / (kappa + alpha / size * sum x^2)^0.75;
        alpha is the slope of a leaky ReLU, too; an instance norm adds alpha to the
        variance; tanh is kappa + alpha * tanh(x).
      styles: how many styles an instance norm is conditioned on; 0 is one, for all.
    """

    name: str
    op: str
    width: int = 0
    size: int = 1
    stride: int = 1
    pad: int = 0
    groups: int = 1
    ceil: bool = False
    bias: bool = True
    inputs: tuple[str, ...] = ()
    alpha: float = 0.0
    kappa: float = 1.0
    styles: int = 0


def pool_size(size: int, row: Layer) -> int:
    """Returns a pooling row's output length for an input of `size` pixels.

    Caffe's rule where `row.ceil`: ceil((n + 2 pad - size) / stride) + 1, one less if
    the last window would begin beyond the padded input.

    Args:
      size: pixels along one side.
      row: a pooling row.
    """
    span = size + 2 * row.pad - row.size
    if not row.ceil:
        return span // row.stride + 1
    out = -(-span // row.stride) + 1
    return out - 1 if (out - 1) * row.stride >= size + row.pad else out


def same_pads(size: int, row: Layer) -> tuple[int, int]:
    """Returns the zeros before and behind that TensorFlow's "SAME" adds to a side.

    Args:
      size: pixels along one side.
      row: a `same` row, with the size and stride of the convolution that follows.
    """
    out = -(-size // row.stride)
    total = max((out - 1) * row.stride + row.size - size, 0)
    return total // 2, total - total // 2


def sources(rows: tuple[Layer, ...]) -> dict[str, tuple[str, ...]]:
    """Returns the names of the rows that each row reads; the input row reads none.

    Args:
      rows: the table.
    """
    above = ("",) + tuple(row.name for row in rows)
    return {
        row.name: () if row.op == "input" else (row.inputs or (above[i],))
        for i, row in enumerate(rows)
    }


def _spatial(row: Layer, size: tuple[int, int]) -> tuple[int, int]:
    if row.op == "conv":
        out = tuple((n + 2 * row.pad - row.size) // row.stride + 1 for n in size)
    else:
        out = tuple(pool_size(n, row) for n in size)
    # Rounding up, Caffe's pooling takes a map smaller than its window.
    cut = not row.ceil and min(n + 2 * row.pad for n in size) < row.size
    if min(out) < 1 or cut:
        raise ValueError(f"the image is too small: nothing is left at {row.name!r}")
    return out


def _drawn(row: Layer, size: tuple[int, int]) -> tuple[int, int]:
    """Returns (h, w) after a row of a network that draws."""
    if row.op in ("up", "repeat"):
        return tuple(2 * n for n in size)
    if row.op == "same":
        return tuple(n + sum(same_pads(n, row)) for n in size)
    out = tuple(n + (2 if row.op == "reflect" else -2) * row.pad for n in size)
    if min(out) < 1 or (row.op == "reflect" and min(size) <= row.pad):
        raise ValueError(f"the image is too small: nothing is left at {row.name!r}")
    return out


def shapes(rows: tuple[Layer, ...], size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Returns every tap's shape, `(h, w, c)` or `(d,)`, for an image of `size`.

    Args:
      rows: the table.
      size: (H, W) in pixels.

    Raises:
      ValueError: if the image is too small for a row.
    """
    out: dict[str, tuple[int, ...]] = {}
    reads = sources(rows)
    for row in rows:
        given = [out[name] for name in reads[row.name]]
        if row.op == "input":
            out[row.name] = (*size, 3)
        elif row.op == "fc":
            out[row.name] = (row.width,)
        elif row.op == "gap":
            out[row.name] = (given[0][-1],)
        elif row.op == "concat":
            out[row.name] = (*given[0][:-1], sum(s[-1] for s in given))
        elif row.op in ("conv", "max", "avg"):
            width = row.width or given[0][-1]
            out[row.name] = (*_spatial(row, given[0][:2]), width)
        elif row.op in ("up", "repeat", "same", "reflect", "crop"):
            width = row.width or given[0][-1]
            out[row.name] = (*_drawn(row, given[0][:2]), width)
        else:
            out[row.name] = given[0]
    return out


def minimum(rows: tuple[Layer, ...]) -> int:
    """Returns the smallest side of an image, in pixels, that passes every row.

    Args:
      rows: the table.

    Raises:
      ValueError: if no image below 1024 pixels does.
    """
    for side in range(1, 1024):
        try:
            shapes(rows, (side, side))
        except ValueError:
            continue
        return side
    raise ValueError("no image below 1024 pixels passes this table")
