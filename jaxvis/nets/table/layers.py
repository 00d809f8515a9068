"""The table of rows that describes a network, and what follows from it alone.

Nothing else describes a network. The same rows give the Flax module and the forward pass
(`jaxvis.nets.table.forward`), the taps, the receptive fields
(`jaxvis.nets.table.geometry`) and the names of the parameters.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One row of a network's table.

    Args:
      name: the tap's name, unique in the table.
      op: a key of `MODULES` or `OPS` in `jaxvis.nets.table.ops`.
      width: output channels of conv and fc; 0 elsewhere.
      size: side of the kernel or of the pooling window.
      stride: pixels between neighbouring windows.
      pad: pixels on every side, of zeros for conv and of -inf for max pooling.
      groups: feature groups of conv.
      ceil: whether the size after pooling is rounded up, which is Caffe's rule.
      bias: whether conv and fc add one.
      inputs: names of the rows that it reads; empty reads the row above.
      alpha, kappa: constants of the op. For lrn, y = x / (kappa + alpha / size *
        sum x^2)^0.75. For a leaky ReLU, alpha is the slope. An instance norm adds alpha
        to the variance. For tanh, y = kappa + alpha * tanh(x).
      styles: how many styles an instance norm is conditioned on; 0 for an ordinary one.
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
    """Returns how long a side is after pooling.

    With `row.ceil` this is Caffe's rule: ceil((n + 2 pad - size) / stride) + 1, and one
    less if the last window would begin beyond the padded input.

    Args:
      size: n, the pixels along the side before it.
      row: a pooling row.
    """
    span = size + 2 * row.pad - row.size
    if not row.ceil:
        return span // row.stride + 1
    out = -(-span // row.stride) + 1
    return out - 1 if (out - 1) * row.stride >= size + row.pad else out


def same_pads(size: int, row: Layer) -> tuple[int, int]:
    """Returns how many zeros TensorFlow's "SAME" adds before and behind a side.

    Args:
      size: pixels along one side.
      row: a `same` row, with the size and stride of the convolution that follows.
    """
    out = -(-size // row.stride)
    total = max((out - 1) * row.stride + row.size - size, 0)
    return total // 2, total - total // 2


def sources(rows: tuple[Layer, ...]) -> dict[str, tuple[str, ...]]:
    """Returns row -> the names of the rows that it reads; the input row reads none.

    Args:
      rows: the table.
    """
    above = ("",) + tuple(row.name for row in rows)
    return {
        row.name: () if row.op == "input" else (row.inputs or (above[i],))
        for i, row in enumerate(rows)
    }


def rows_between(
    rows: tuple[Layer, ...], known: frozenset[str], wanted: tuple[str, ...]
) -> frozenset[str]:
    """Returns the names of the rows that are computed for `wanted` when `known` are given.

    Args:
      rows: the table.
      known: names of the taps that are given.
      wanted: names of the taps to compute.

    Raises:
      ValueError: if a wanted tap lies before the known ones, or on a way around them.
    """
    reads, needed, queue = sources(rows), set(), list(wanted)
    while queue:
        name = queue.pop()
        if name in needed or (name in known and name != "input"):
            continue
        if not reads[name] and name not in known:
            raise ValueError(
                f"{wanted[-1]!r} cannot be reached from {sorted(known)} alone: it "
                "also reads taps before them; give those too, start=(tap, tap)"
            )
        needed.add(name)
        queue.extend(reads[name])
    return frozenset(needed)


def _pool_or_conv_size(row: Layer, size: tuple[int, int]) -> tuple[int, int]:
    height, width = size
    if row.op == "conv":
        more = 2 * row.pad - row.size
        out = ((height + more) // row.stride + 1, (width + more) // row.stride + 1)
    else:
        out = (pool_size(height, row), pool_size(width, row))
    # Caffe's rule, which rounds up, also pools a map that is smaller than the window.
    cut = not row.ceil and min(n + 2 * row.pad for n in size) < row.size
    if min(out) < 1 or cut:
        raise ValueError(f"the image is too small: nothing is left at {row.name!r}")
    return out


def _resize(row: Layer, size: tuple[int, int]) -> tuple[int, int]:
    """Returns (h, w) after a row that only networks with an image as output have."""
    height, width = size
    if row.op in ("up", "repeat"):
        return 2 * height, 2 * width
    if row.op == "same":
        return height + sum(same_pads(height, row)), width + sum(same_pads(width, row))
    more = (2 if row.op == "reflect" else -2) * row.pad
    out = (height + more, width + more)
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
            height, width, channels = given[0]
            out[row.name] = (*_pool_or_conv_size(row, (height, width)), row.width or channels)
        elif row.op in ("up", "repeat", "same", "reflect", "crop"):
            height, width, channels = given[0]
            out[row.name] = (*_resize(row, (height, width)), row.width or channels)
        else:
            out[row.name] = given[0]
    return out


def minimum(rows: tuple[Layer, ...]) -> int:
    """Returns the smallest side, in pixels, of an image that passes every row.

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
