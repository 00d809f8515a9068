"""Who names tensors in this way: torch, Caffe, Keras, or TensorFlow's numbers."""

import re
from collections.abc import Iterable, Mapping

from jaxvis.escape import escape
from weights_convert import quantised
from weights_convert.checkpoint import CheckpointError


def naming_of(names: Iterable[str], *, foreign: Mapping[str, str] | None = None) -> str:
    """Returns who names tensors like this: "torch", "caffe", "keras" or "variables".

    "variables" is TensorFlow's Variable_0, Variable_1... in the order of their making.

    Args:
      names: the names of the tensors in a file.
      foreign: name -> what another program would have made in the file.

    Raises:
      CheckpointError: if the names are none of theirs (quotes the first of them), or those of
        a quantised network.
    """
    names = list(names)
    leaves = {name: re.split(r"[./]", name)[-1].split(":")[0] for name in names}
    if names and all(re.fullmatch(r"Variable_\d+", name) for name in names):
        return "variables"
    if {"kernel", "kernel_q"}.intersection(leaves.values()):
        return "keras"
    for known in ({"weight"}, {"bias", "running_mean", "running_var"}):
        own = [name for name, leaf in leaves.items() if leaf in known]
        if own:  # a part of a network may have biases alone
            return "caffe" if any("/" in name for name in own) else "torch"
    sign = quantised.find_sign(names, foreign or {})
    if sign:
        raise CheckpointError(quantised.explain(sign))
    first = ", ".join(map(escape, names[:5]))
    raise CheckpointError(
        f"holds no weights that are recognised among its {len(names)} names ({first}): they "
        "end in weight (torch, Caffe) or kernel (Keras)"
    )
