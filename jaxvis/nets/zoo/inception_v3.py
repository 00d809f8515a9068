"""Inception-v3, exactly as torchvision has it, without the auxiliary classifier.

Taps and parameters have torchvision's module names: Conv2d_1a_3x3.conv, Conv2d_1a_3x3.bn,
maxpool1, Mixed_5b.branch1x1.conv, ..., avgpool, fc. Calls that have no module there are
named as torchvision's feature extraction names them: Conv2d_1a_3x3.relu,
Mixed_5b.avg_pool2d, Mixed_6a.max_pool2d, Mixed_5b.cat. Where a block joins some of its
branches before the end, those are Mixed_7b.cat and Mixed_7b.cat_1, and the end is
Mixed_7b.cat_2.

The published weights take RGB in [-1, 1] (`preprocess="symmetric"` at a conversion). In
torchvision they are used with `transform_input=True`, which makes that of an image whose
ImageNet mean and standard deviation were taken out before.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

Size = int | tuple[int, int]
Plan = tuple[tuple[int, tuple[int, int]], ...]
"""Channels and kernel of convolutions that follow each other."""

EPSILON = 1e-3
"""What its batch norms add to the variance."""
LOW, HIGH = (1, 7), (7, 1)


def inception_v3(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (299, 299),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns Inception-v3, which ends with a global mean and a fully connected layer.

    Args:
      head: "softmax", "linear" or "relu": what follows fc.
      input_size: (H, W) in pixels of the native image; any size from 75 passes.
      classes: the number of classes, which is the width of fc.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: Szegedy et al., Rethinking the Inception architecture for computer vision,
      2016, as torchvision.models.inception_v3.
    """
    rows = [
        *_conv("Conv2d_1a_3x3", 32, 3, stride=2),
        *_conv("Conv2d_2a_3x3", 32, 3),
        *_conv("Conv2d_2b_3x3", 64, 3, pad=1),
        Layer("maxpool1", "max", size=3, stride=2),
        *_conv("Conv2d_3b_1x1", 80),
        *_conv("Conv2d_4a_3x3", 192, 3),
        Layer("maxpool2", "max", size=3, stride=2),
    ]
    for letter, width in zip("bcd", (32, 64, 64)):
        rows += _list_even_rows(f"Mixed_5{letter}.", rows[-1].name, width)
    rows += _list_halving_rows("Mixed_6a.", rows[-1].name)
    for letter, width in zip("bcde", (128, 160, 160, 192)):
        rows += _list_split_rows(f"Mixed_6{letter}.", rows[-1].name, width)
    rows += _list_last_halving_rows("Mixed_7a.", rows[-1].name)
    for letter in "bc":
        rows += _list_wide_rows(f"Mixed_7{letter}.", rows[-1].name)
    rows += [
        Layer("avgpool", "gap"),
        Layer("fc", "fc", classes),
        *head_rows(head, relu_name="relu_fc"),
    ]
    return build_network(
        "inception_v3", tuple(rows), input_size=input_size, scores="fc", channels=channels
    )


def _conv(
    name: str, width: int, size: Size = 1, *, stride: int = 1, pad: Size = 0, above: str = ""
) -> list[Layer]:
    inputs = (above,) if above else ()
    return [
        Layer(f"{name}.conv", "conv", width, size, stride, pad, bias=False, inputs=inputs),
        Layer(f"{name}.bn", "bn", epsilon=EPSILON),
        Layer(f"{name}.relu", "relu"),
    ]


def _same(name: str, width: int, size: tuple[int, int], *, above: str = "") -> list[Layer]:
    """Returns a convolution that keeps the size of the map."""
    return _conv(name, width, size, pad=(size[0] // 2, size[1] // 2), above=above)


def _chain(name: str, plan: Plan, above: str) -> list[Layer]:
    """Returns convolutions name_1, name_2, ... of some (width, size), one after another."""
    rows = []
    for i, (width, size) in enumerate(plan, 1):
        rows += _same(f"{name}_{i}", width, size, above="" if i > 1 else above)
    return rows


def _pool_and_project(name: str, above: str, width: int) -> list[Layer]:
    pool = Layer(f"{name}avg_pool2d", "avg", size=3, pad=1, count_pad=True, inputs=(above,))
    return [pool, *_conv(f"{name}branch_pool", width)]


def _join(name: str, *branches: str, call: int = 0) -> Layer:
    """Returns the concatenation of a block's branches, or its `call`-th one."""
    parts = (f"{part}.relu" if part.startswith("branch") else part for part in branches)
    return Layer(
        f"{name}cat" + (f"_{call}" if call else ""),
        "concat",
        inputs=tuple(f"{name}{part}" for part in parts),
    )


def _list_branches(
    name: str, above: str, widths: tuple[int, int], plans: dict[str, Plan]
) -> list[Layer]:
    """Returns a block that keeps the size of the map: a branch of 1x1, chains, a pooled one.

    Args:
      name: of the block, with its dot.
      above: name of the row that all branches read.
      widths: channels of the first branch and of the last.
      plans: branch -> its chain.
    """
    rows = _conv(f"{name}branch1x1", widths[0], above=above)
    for branch, plan in plans.items():
        rows += _chain(f"{name}{branch}", plan, above)
    ends = (f"{branch}_{len(plan)}" for branch, plan in plans.items())
    rows += _pool_and_project(name, above, widths[1])
    return [*rows, _join(name, "branch1x1", *ends, "branch_pool")]


def _list_even_rows(name: str, above: str, width: int) -> list[Layer]:
    """Returns a block of 35x35 pixels; its pooled branch has `width` channels."""
    plans = {
        "branch5x5": ((48, (1, 1)), (64, (5, 5))),
        "branch3x3dbl": ((64, (1, 1)), (96, (3, 3)), (96, (3, 3))),
    }
    return _list_branches(name, above, (64, width), plans)


def _list_halving_rows(name: str, above: str) -> list[Layer]:
    return [
        *_conv(f"{name}branch3x3", 384, 3, stride=2, above=above),
        *_chain(f"{name}branch3x3dbl", ((64, (1, 1)), (96, (3, 3))), above),
        *_conv(f"{name}branch3x3dbl_3", 96, 3, stride=2),
        Layer(f"{name}max_pool2d", "max", size=3, stride=2, inputs=(above,)),
        _join(name, "branch3x3", "branch3x3dbl_3", "max_pool2d"),
    ]


def _list_split_rows(name: str, above: str, width: int) -> list[Layer]:
    """Returns a block of 17x17 pixels, whose kernels are split into rows and columns."""
    plans = {
        "branch7x7": ((width, (1, 1)), (width, LOW), (192, HIGH)),
        "branch7x7dbl": ((width, (1, 1)), (width, HIGH), (width, LOW), (width, HIGH), (192, LOW)),
    }
    return _list_branches(name, above, (192, 192), plans)


def _list_last_halving_rows(name: str, above: str) -> list[Layer]:
    return [
        *_conv(f"{name}branch3x3_1", 192, above=above),
        *_conv(f"{name}branch3x3_2", 320, 3, stride=2),
        *_chain(f"{name}branch7x7x3", ((192, (1, 1)), (192, LOW), (192, HIGH)), above),
        *_conv(f"{name}branch7x7x3_4", 192, 3, stride=2),
        Layer(f"{name}max_pool2d", "max", size=3, stride=2, inputs=(above,)),
        _join(name, "branch3x3_2", "branch7x7x3_4", "max_pool2d"),
    ]


def _list_wide_rows(name: str, above: str) -> list[Layer]:
    """Returns a block of 8x8 pixels, whose branches fan out into rows and columns."""

    def fan(branch: str, last: str) -> list[Layer]:
        read = f"{name}{branch}.relu"
        return [
            *_same(f"{name}{last}a", 384, (1, 3), above=read),
            *_same(f"{name}{last}b", 384, (3, 1), above=read),
        ]

    return [
        *_conv(f"{name}branch1x1", 320, above=above),
        *_conv(f"{name}branch3x3_1", 384, above=above),
        *fan("branch3x3_1", "branch3x3_2"),
        _join(name, "branch3x3_2a", "branch3x3_2b"),
        *_chain(f"{name}branch3x3dbl", ((448, (1, 1)), (384, (3, 3))), above),
        *fan("branch3x3dbl_2", "branch3x3dbl_3"),
        _join(name, "branch3x3dbl_3a", "branch3x3dbl_3b", call=1),
        *_pool_and_project(name, above, 192),
        _join(name, "branch1x1", "cat", "cat_1", "branch_pool", call=2),
    ]
