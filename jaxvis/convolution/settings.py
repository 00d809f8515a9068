"""What is fixed about a convolution before it is computed."""

from dataclasses import dataclass
from typing import Any

from jaxvis.convolution.winograd import Pads


@dataclass(frozen=True)
class Settings:
    """The static settings of a convolution, named as in lax."""

    strides: tuple[int, int]
    pads: Pads
    lhs_dilation: tuple[int, int] = (1, 1)
    rhs_dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    precision: Any = None
    preferred: Any = None

    def plain(self) -> bool:
        """Returns whether nothing is strided, dilated or grouped."""
        ones = self.strides == self.lhs_dilation == self.rhs_dilation == (1, 1)
        return ones and self.groups == 1

    def depthwise(self, kernel: tuple[int, ...]) -> bool:
        """Returns whether every channel has a kernel of its own, and nothing is dilated.

        Args:
          kernel: the kernel's shape.
        """
        whole = self.lhs_dilation == self.rhs_dilation == (1, 1)
        return whole and self.groups > 1 and kernel[2:] == (1, self.groups)

    def backward_pads(self, kernel: tuple[int, ...]) -> Pads:
        """Returns the padding with which the gradient of a plain convolution is computed.

        Args:
          kernel: the kernel's shape; its first two entries are its height and width.
        """
        down, across = kernel[0] - 1, kernel[1] - 1
        (top, bottom), (left, right) = self.pads
        return (down - top, down - bottom), (across - left, across - right)
