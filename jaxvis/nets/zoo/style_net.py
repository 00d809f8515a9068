"""The feed-forward style network of Johnson, Alahi & Fei-Fei: image -> styled image.

c9s1-32, d64, d128, five residual blocks of 128, u64, u32, c9s1-3, an instance norm
after every convolution, tanh at the end. Three ways of padding are in use:

- transform_same: zeros as TensorFlow's "SAME" has them, transposed convolutions.
- transform_start: 40 pixels reflected around the image; residual blocks are not padded
  and their skips are cropped; transposed convolutions (Johnson et al.).
- transform_reflect: every convolution reflects what it reads; rows and columns are
  repeated, then convolved, which leaves no checkerboard.
"""

from jaxvis.nets.table.forward import network
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network
from jaxvis.types import Array, Params

EPSILON = {"transform_same": 1e-3, "transform_start": 1e-5, "transform_reflect": 1e-5}
"""Name -> what its norms add to the variance."""
NAMES = tuple(EPSILON)
SWING = 150 / 255
"""Half the range of the output, around mid grey: 150 tanh + 127.5 in 0..255."""


def transform(
    name: str,
    *,
    width: int = 32,
    blocks: int = 5,
    styles: int = 0,
    input_size: tuple[int, int] = (256, 256),
) -> Network:
    """Returns a style network; the tap `image` is its picture, not clipped to [0, 1].

    A picture's sides are the image's, rounded up to a multiple of 4.

    Args:
      name: one of `NAMES`.
      width: channels of the first convolution; the trunk has 4 times as many.
      blocks: residual ones.
      styles: how many styles the norms are conditioned on; 0 is a network of one.
      input_size: (H, W) in pixels, for tables; any size from 16 pixels works.

    Raises:
      ValueError: for another name, or numbers below 1 (styles: below 0).

    Source: Johnson, Alahi & Fei-Fei, Perceptual losses for real-time style transfer and
      super-resolution, 2016, supplementary table 1; Dumoulin et al., 2017.
    Departures: convolutions have no bias, which the norms would take out; norms see one
      image, not the batch.
    """
    if name not in NAMES:
        raise ValueError(f"a style network is one of {', '.join(NAMES)}, not {name!r}")
    if min(width, blocks) < 1 or styles < 0:
        raise ValueError(
            f"width and blocks are at least 1, styles at least 0, not {width}, {blocks}, {styles}"
        )
    table = _Rows(name, styles)
    if name == "transform_start":
        table.rows.append(Layer("start", "reflect", pad=8 * blocks))
    table.conv("conv1", width, size=9, norm="norm1", relu="relu1")
    table.conv("conv2", 2 * width, stride=2, norm="norm2", relu="relu2")
    table.conv("conv3", 4 * width, stride=2, norm="norm3", relu="relu3")
    for i in range(1, blocks + 1):
        table.block(f"res{i}", 4 * width)
    table.double("up1", 2 * width)
    table.double("up2", width)
    table.conv("conv4", 3, size=9, norm="norm4")
    table.rows.append(Layer("image", "tanh", alpha=SWING, kappa=0.5))
    return network(name, tuple(table.rows), input_size=input_size)


class _Rows:
    """The rows as they are added, in one way of padding."""

    def __init__(self, name: str, styles: int) -> None:
        self.name, self.styles = name, styles
        self.rows: list[Layer] = []

    def conv(
        self,
        row: str,
        width: int,
        *,
        size: int = 3,
        stride: int = 1,
        pad: bool = True,
        norm: str,
        relu: str | None = None,
    ) -> None:
        around = size // 2 if pad else 0
        if pad and self.name == "transform_reflect":
            self.rows.append(Layer(f"{row}_pad", "reflect", pad=around))
            around = 0
        elif stride > 1 and self.name == "transform_same":
            self.rows.append(Layer(f"{row}_pad", "same", size=size, stride=stride))
            around = 0
        self.rows.append(Layer(row, "conv", width, size, stride, around, bias=False))
        self.after(norm, relu)

    def after(self, norm: str, relu: str | None) -> None:
        epsilon = EPSILON[self.name]
        self.rows.append(Layer(norm, "inorm", alpha=epsilon, styles=self.styles))
        if relu:
            self.rows.append(Layer(relu, "relu"))

    def block(self, name: str, width: int) -> None:
        skip, pad = self.rows[-1].name, self.name != "transform_start"
        names = {"norm": f"{name}_norm1", "relu": f"{name}_relu"}
        self.conv(f"{name}_conv1", width, pad=pad, **names)
        self.conv(f"{name}_conv2", width, pad=pad, norm=f"{name}_norm2")
        last = self.rows[-1].name
        if not pad:
            self.rows.append(Layer(f"{name}_skip", "crop", pad=2, inputs=(skip,)))
            skip = f"{name}_skip"
        self.rows.append(Layer(name, "add", inputs=(last, skip)))

    def double(self, name: str, width: int) -> None:
        if self.name == "transform_reflect":
            self.rows.append(Layer(f"{name}_repeat", "repeat"))
            self.conv(name, width, norm=f"{name}_norm", relu=f"{name}_relu")
            return
        front = 2 if self.name == "transform_same" else 1
        self.rows.append(Layer(name, "up", width, 3, 2, front, bias=False))
        self.after(f"{name}_norm", f"{name}_relu")


def mixed(params: Params, weights: Array) -> Params:
    """Returns the parameters of one style, mixed from those of several.

    Scale and bias of every norm are sum_s w_s scale_s and sum_s w_s bias_s; a one-hot
    `weights` chooses a style, a sum of 1 interpolates, others extrapolate.

    Args:
      params: of a network with styles.
      weights: `[styles]`.

    Source: Dumoulin, Shlens & Kudlur, A learned representation for artistic style,
      2017, section 3.2.
    """
    return {
        row: {
            leaf: weights @ value if leaf != "kernel" and value.ndim == 2 else value
            for leaf, value in leaves.items()
        }
        for row, leaves in params.items()
    }


def styles_in(params: Params) -> int:
    """Returns how many styles parameters hold; 0 for those of one style.

    Args:
      params: of a style network.
    """
    scale = params["norm1"]["scale"]
    return scale.shape[0] if scale.ndim == 2 else 0
