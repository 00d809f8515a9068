"""The feed-forward style network of Johnson, Alahi & Fei-Fei: image -> styled image.

In the paper's notation it is c9s1-32, d64, d128, five residual blocks of 128, u64, u32,
c9s1-3, with an instance norm after every convolution and tanh at the end. Four variants are
in use:

- transform_same pads with zeros as TensorFlow's "SAME" does, and doubles the map with
  transposed convolutions.
- transform_start reflects 40 pixels around the image. Its residual blocks are not padded,
  and their skips are cropped. It doubles the map with transposed convolutions too
  (Johnson et al.).
- transform_reflect reflects the border of what every convolution reads. It doubles the map
  by repeating rows and columns before a convolution, which leaves no checkerboard.
- transform_plain is transform_reflect without the last norm and tanh: the last convolution,
  which has a bias, gives the picture. PyTorch's collection of examples has it like this.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network
from jaxvis.types import Array, Params

EPSILON = {
    "transform_same": 1e-3,
    "transform_start": 1e-5,
    "transform_reflect": 1e-5,
    "transform_plain": 1e-5,
}
"""Name -> the number that its norms add to the variance."""
NAMES = tuple(EPSILON)
REFLECTING = ("transform_reflect", "transform_plain")
"""Those whose convolutions reflect the border of what they read."""
SWING = 150 / 255
"""Half the range of the output around mid grey: it is 150 tanh + 127.5 in 0..255."""


def build_style_net(
    name: str,
    *,
    width: int = 32,
    blocks: int = 5,
    styles: int = 0,
    input_size: tuple[int, int] = (256, 256),
) -> Network:
    """Returns a style network; its tap `image` is the picture, not clipped to [0, 1].

    The sides of the picture are those of the image, rounded up to multiples of 4.

    Args:
      name: one of `NAMES`.
      width: channels of the first convolution; the trunk has 4 times as many.
      blocks: how many residual blocks there are.
      styles: how many styles the norms are conditioned on; 0 for a network of one style.
      input_size: (H, W) in pixels of the native image; any size from 16 pixels works.

    Raises:
      ValueError: for another name, or numbers below 1 (styles: below 0).

    Source: Johnson, Alahi & Fei-Fei, Perceptual losses for real-time style transfer and
      super-resolution, 2016, supplementary table 1; Dumoulin et al., 2017.
    Departures: convolutions before a norm have no bias, as the norm would take it out again.
      A norm sees one image, not the batch.
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
    table.add_conv("conv1", width, size=9, norm="norm1", relu="relu1")
    table.add_conv("conv2", 2 * width, stride=2, norm="norm2", relu="relu2")
    table.add_conv("conv3", 4 * width, stride=2, norm="norm3", relu="relu3")
    for i in range(1, blocks + 1):
        table.add_block(f"res{i}", 4 * width)
    table.add_doubling("up1", 2 * width)
    table.add_doubling("up2", width)
    if name == "transform_plain":
        table.rows += [Layer("image_pad", "reflect", pad=4), Layer("image", "conv", 3, 9)]
    else:
        table.add_conv("conv4", 3, size=9, norm="norm4")
        table.rows.append(Layer("image", "tanh", alpha=SWING, kappa=0.5))
    return build_network(name, tuple(table.rows), input_size=input_size)


class _Rows:
    """The rows of a style network while they are being added, in one way of padding."""

    def __init__(self, name: str, styles: int) -> None:
        self.name, self.styles = name, styles
        self.rows: list[Layer] = []

    def add_conv(
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
        if pad and self.name in REFLECTING:
            self.rows.append(Layer(f"{row}_pad", "reflect", pad=around))
            around = 0
        elif stride > 1 and self.name == "transform_same":
            self.rows.append(Layer(f"{row}_pad", "same", size=size, stride=stride))
            around = 0
        self.rows.append(Layer(row, "conv", width, size, stride, around, bias=False))
        self.add_norm(norm, relu)

    def add_norm(self, norm: str, relu: str | None) -> None:
        epsilon = EPSILON[self.name]
        self.rows.append(Layer(norm, "inorm", epsilon=epsilon, styles=self.styles))
        if relu:
            self.rows.append(Layer(relu, "relu"))

    def add_block(self, name: str, width: int) -> None:
        skip, pad = self.rows[-1].name, self.name != "transform_start"
        self.add_conv(f"{name}_conv1", width, pad=pad, norm=f"{name}_norm1", relu=f"{name}_relu")
        self.add_conv(f"{name}_conv2", width, pad=pad, norm=f"{name}_norm2")
        last = self.rows[-1].name
        if not pad:
            self.rows.append(Layer(f"{name}_skip", "crop", pad=2, inputs=(skip,)))
            skip = f"{name}_skip"
        self.rows.append(Layer(name, "add", inputs=(last, skip)))

    def add_doubling(self, name: str, width: int) -> None:
        if self.name in REFLECTING:
            self.rows.append(Layer(f"{name}_repeat", "repeat"))
            self.add_conv(name, width, norm=f"{name}_norm", relu=f"{name}_relu")
            return
        front = 2 if self.name == "transform_same" else 1
        self.rows.append(Layer(name, "up", width, 3, 2, front, bias=False))
        self.add_norm(f"{name}_norm", f"{name}_relu")


def mix_styles(params: Params, weights: Array) -> Params:
    """Returns the parameters of one style, mixed from those of several.

    The scale and bias of every norm are sum_s w_s scale_s and sum_s w_s bias_s. One-hot
    weights choose a style; weights that sum to 1 interpolate; others extrapolate.

    Args:
      params: the parameters of a network with several styles.
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
    """Returns how many styles the norms of some parameters hold; 0 for those of one style.

    Args:
      params: the parameters of a style network.
    """
    scale = params["norm1"]["scale"]
    return scale.shape[0] if scale.ndim == 2 else 0
