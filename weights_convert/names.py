"""From the names in a file to rows of a network's table: the one naming inside."""

import re
from collections.abc import Callable, Iterable

from jaxvis.escape import escape
from jaxvis.network import Network
from weights_convert.checkpoint import CheckpointError

LEAVES = {
    "weight": "kernel",
    "kernel": "kernel",
    "filters": "kernel",
    "bias": "bias",
    "biases": "bias",
    "running_mean": "mean",
    "running_var": "var",
}
"""Last part of a file's name -> our parameter; a norm's weight is its scale."""
HARMLESS = re.compile(
    r"(^|[./])(num_batches_tracked$|aux\d?\.|AuxLogits|loss[12]/|kernel_scale_min$)"
)
"""Names that a file may have beyond the network: counters and auxiliary classifiers."""
KERAS = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
FIRES = {
    "squeezenet1_0": (3, 4, 5, 7, 8, 9, 10, 12),
    "squeezenet1_1": (3, 4, 6, 7, 9, 10, 11, 12),
}
"""Version -> torchvision's indices of fire2 to fire9 in `features`."""
CLASSIFIERS = {
    "vgg": ("classifier.0", "classifier.3", "classifier.6"),
    "alexnet": ("classifier.1", "classifier.4", "classifier.6"),
}
TIMM = {"pre_logits.fc1": "fc6", "pre_logits.fc2": "fc7", "head.fc": "fc8"}
OLD_DENSE = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])$")
"""torchvision's first DenseNets wrote norm.1 for norm1."""


def naming_of(names: Iterable[str]) -> str:
    """Returns who names tensors like this: "torch", "caffe", "keras" or "variables".

    "variables" is TensorFlow's Variable_0, Variable_1... in the order of their making.

    Args:
      names: the names of the tensors in a file.

    Raises:
      CheckpointError: if the names are none of theirs; quotes the first of them.
    """
    names = list(names)
    leaves = {re.split(r"[./]", name)[-1].split(":")[0] for name in names}
    if names and all(re.fullmatch(r"Variable_\d+", name) for name in names):
        return "variables"
    if leaves & {"kernel", "kernel_q"}:
        return "keras"
    if "weight" in leaves:
        return "caffe" if any("/" in name for name in names) else "torch"
    first = ", ".join(map(escape, names[:5]))
    raise CheckpointError(
        f"holds no weights that are recognised among its {len(names)} names ({first}): they "
        "end in weight (torch, Caffe) or kernel (Keras)"
    )


def make_renamer(naming: str, net: Network) -> Callable[[str], str | None]:
    """Returns the function from a tensor's name in a file to ours, `row/leaf`, or None.

    Args:
      naming: "torch", "caffe", "keras", "matconvnet" or "variables".
      net: the network whose rows are looked for.

    Raises:
      ValueError: if files of this naming hold another network of the same name.
    """
    ops = {row.name: row.op for row in net.rows}
    if naming == "variables":
        return _number_variables(net).get
    find_row = _make_row_finder(naming, net)

    def rename(name: str) -> str | None:
        layer, _, leaf = re.sub(r":\d+$", "", name).replace(".", "/").rpartition("/")
        layer = name[: len(layer)]
        row = find_row(layer)
        if row not in ops or leaf not in LEAVES:
            return None
        leaf = LEAVES[leaf]
        is_norm = ops[row] == "bn" and leaf == "kernel"
        return f"{row}/{'scale' if is_norm else leaf}"

    return rename


def _number_variables(net: Network) -> dict[str, str]:
    """Returns TensorFlow's numbered names -> ours, for style networks.

    They are numbered in the order of the layers: kernel, shift and scale of each.

    Raises:
      ValueError: for another network: the numbers do not say which layers it has.
    """
    if net.name != "transform_same":
        raise ValueError(f"numbered variables are read as those of transform_same, not {net.name}")
    kernels = [row.name for row in net.rows if row.op in ("conv", "up")]
    norms = [row.name for row in net.rows if row.op == "inorm"]
    ours = [
        name
        for kernel, norm in zip(kernels, norms)
        for name in (f"{kernel}/kernel", f"{norm}/bias", f"{norm}/scale")
    ]
    return {f"Variable_{i}": name for i, name in enumerate(ours)}


def strip_prefix(names: Iterable[str]) -> dict[str, str]:
    """Returns each name -> the name without the "module." that torch's wrappers add.

    Args:
      names: all names of a file; the prefix is removed only if every one has it.
    """
    names = list(names)
    prefix = "module."
    shared = all(name.startswith(prefix) for name in names)
    return {name: name.removeprefix(prefix) if shared else name for name in names}


def _make_row_finder(naming: str, net: Network) -> Callable[[str], str | None]:
    """Returns the function from the name of a layer in a file to that of a row."""
    if naming == "keras":
        return lambda layer: KERAS.get(layer, re.sub(r"^block(\d)_conv(\d)$", r"conv\1_\2", layer))
    if naming != "torch":
        return lambda layer: layer
    if net.name == "googlenet":
        raise ValueError(
            "torchvision's GoogLeNet has batch norm and no LRN: it is not Caffe's, which this "
            "network is; convert Caffe's own file: "
            "jaxvis convert bvlc_googlenet.caffemodel --net googlenet"
        )
    if net.name.startswith("caffe"):
        raise ValueError(f"no torch file holds {net.name}: convert its .caffemodel")
    table = _list_torch_layers(net)
    return lambda layer: table.get(layer, OLD_DENSE.sub(r"\1\2", layer))


def _list_torch_layers(net: Network) -> dict[str, str]:
    """Returns torchvision's and timm's names of layers -> rows, where they differ."""
    table = {}
    if net.name in FIRES:
        table = {"features.0": "conv1", "classifier.1": "conv10"}
        for number, index in enumerate(FIRES[net.name], 2):
            for part in ("squeeze", "expand1x1", "expand3x3"):
                row = part + "1x1" * (part == "squeeze")
                table[f"features.{index}.{part}"] = f"fire{number}/{row}"
    kind = next((kind for kind in CLASSIFIERS if net.name.startswith(kind)), None)
    if kind is not None:
        # Behind the input row, the rows are those of torch's Sequential, one to one.
        rows = enumerate(net.rows[1:])
        table = {f"features.{i}": row.name for i, row in rows if row.op != "fc"}
        table |= dict(zip(CLASSIFIERS[kind], ("fc6", "fc7", "fc8"))) | TIMM
    return table
