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
      width: output channels of conv and fc, channels of the image of input; 0 elsewhere.
      size: side of the kernel or of the pooling window; (height, width) where they differ.
      stride: pixels between neighbouring windows.
      pad: pixels on every side, of zeros for conv and of -inf for max pooling; a pair is
        (above and below, left and right).
      groups: feature groups of conv.
      ceil: whether the size after pooling is rounded up, which is Caffe's rule.
      bias: whether conv and fc add one.
      inputs: names of the rows that it reads; empty reads the row above.
      alpha, kappa: constants of the op. For lrn, y = x / (kappa + alpha / size *
        sum x^2)^0.75. For a leaky ReLU, alpha is the slope. For tanh, y = kappa + alpha *
        tanh(x).
      styles: how many styles an instance norm is conditioned on; 0 for an ordinary one.
      epsilon: what batch, layer and instance norms add to the variance.
      count_pad: whether average pooling counts the padding as zeros. If not, an average at
        the edge is taken over the pixels that exist.
      file_name: what files of weights call the layer; empty for the row's own name.
    """

    name: str
    op: str
    width: int = 0
    size: int | tuple[int, int] = 1
    stride: int = 1
    pad: int | tuple[int, int] = 0
    groups: int = 1
    ceil: bool = False
    bias: bool = True
    inputs: tuple[str, ...] = ()
    alpha: float = 0.0
    kappa: float = 1.0
    styles: int = 0
    epsilon: float = 1e-5
    count_pad: bool = False
    file_name: str = ""

    @property
    def window(self) -> tuple[int, int]:
        """The (height, width) of the kernel or of the pooling window."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def pads(self) -> tuple[int, int]:
        """The pixels of padding (above and below, left and right)."""
        return (self.pad, self.pad) if isinstance(self.pad, int) else self.pad


def pool_size(size: int, row: Layer, axis: int) -> int:
    """Returns how long a side is after pooling.

    With `row.ceil` this is Caffe's rule: ceil((n + 2 pad - size) / stride) + 1, and one
    less if the last window would begin beyond the padded input.

    Args:
      size: n, the pixels along the side before it.
      row: a pooling row.
      axis: 0 for the height, 1 for the width.
    """
    pad = row.pads[axis]
    span = size + 2 * pad - row.window[axis]
    if not row.ceil:
        return span // row.stride + 1
    out = -(-span // row.stride) + 1
    return out - 1 if (out - 1) * row.stride >= size + pad else out


def same_pads(size: int, row: Layer) -> tuple[int, int]:
    """Returns how many zeros TensorFlow's "SAME" adds before and behind a side.

    Args:
      size: pixels along one side.
      row: a `same` row, with the size and stride of the convolution that follows.
    """
    out = -(-size // row.stride)
    total = max((out - 1) * row.stride + row.window[0] - size, 0)
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


def rows_behind_attention(rows: tuple[Layer, ...]) -> frozenset[str]:
    """Returns the names of the rows of which every unit sees the whole image.

    Args:
      rows: the table.
    """
    reads = sources(rows)
    found: set[str] = set()
    for row in rows:
        if row.op == "attention" or found.intersection(reads[row.name]):
            found.add(row.name)
    return frozenset(found)


def _pool_or_conv_size(row: Layer, size: tuple[int, int]) -> tuple[int, int]:
    down, across = (n + 2 * pad - side for n, pad, side in zip(size, row.pads, row.window))
    if row.op == "conv":
        out = (down // row.stride + 1, across // row.stride + 1)
    else:
        out = (pool_size(size[0], row, 0), pool_size(size[1], row, 1))
    # Caffe's rule, which rounds up, also pools a map that is smaller than the window.
    cut = not row.ceil and min(down, across) < 0
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
    pad = row.pads[0]
    more = (2 if row.op == "reflect" else -2) * pad
    out = (height + more, width + more)
    if min(out) < 1 or (row.op == "reflect" and min(size) <= pad):
        raise ValueError(f"the image is too small: nothing is left at {row.name!r}")
    return out


def _token_shape(row: Layer, given: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Returns the shape after a row that only transformers have."""
    *before, channels = given[0]
    if row.op == "outline":
        return tuple(before)
    if row.op == "tokens":
        return 1 + before[0] * before[1], channels
    if row.op == "patches":
        return *given[1], channels
    return before[0], row.width or channels // 3  # behind queries, keys and values


def is_hidden(shape: tuple[int, ...]) -> bool:
    """Says whether a row of this shape is no tap: a sequence of tokens `(tokens, c)`.

    What is in such a sequence is shown by rows of its own, as a map and as a vector.

    Args:
      shape: the row's shape.
    """
    return len(shape) == 2


def shapes(rows: tuple[Layer, ...], size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Returns every row's shape for an image of `size`.

    That of a tap is `(h, w, c)` or `(d,)`; that of a hidden row is `(tokens, c)`.

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
            out[row.name] = (*size, row.width or 3)
        elif row.op == "fc":
            out[row.name] = (row.width,)
        elif row.op in ("gap", "token"):
            out[row.name] = (given[0][-1],)
        elif row.op in ("outline", "tokens", "patches", "dense", "attention"):
            out[row.name] = _token_shape(row, given)
        elif row.op == "concat":
            out[row.name] = (*given[0][:-1], sum(s[-1] for s in given))
        elif row.op in ("conv", "max", "avg", "window_max"):
            height, width, channels = given[0]
            out[row.name] = (*_pool_or_conv_size(row, (height, width)), row.width or channels)
        elif row.op in ("up", "repeat", "same", "reflect", "crop"):
            height, width, channels = given[0]
            out[row.name] = (*_resize(row, (height, width)), row.width or channels)
        else:  # a product too has the shape of the map, which it names first
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
