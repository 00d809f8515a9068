"""Checkpoints of quantised networks, whose numbers are no weights of the network itself."""

import re
from collections.abc import Iterable, Mapping

from jaxvis.escape import escape

NAMES = re.compile(
    r"(\.SCB|\.weight_format|\.quant_state\b.*|\.absmax|\.quant_map|\.qweight|\.qzeros|\.zero_point"
    r"|_packed_params|\.weight_scale(_inv)?)$"
)
"""Names beside the weights of bitsandbytes, GPTQ, AWQ, torch's own and 8-bit formats."""
MAKERS = re.compile(r"quant|qtensor|QInt|QUInt|_packed_params", re.IGNORECASE)
"""What makes the weights of torch's quantised networks."""


def find_sign(names: Iterable[str], foreign: Mapping[str, str]) -> str:
    """Returns the name in a file that only a quantised network has; "" if there is none.

    Args:
      names: the names of the tensors.
      foreign: name -> what would have made the object there.
    """
    made = [name for name, maker in foreign.items() if MAKERS.search(f"{name} {maker}")]
    return next((name for name in [*made, *names] if name in made or NAMES.search(name)), "")


def explain(sign: str) -> str:
    """Returns what is said of such a file.

    Args:
      sign: the name that shows it, or another sign.
    """
    return (
        f"holds a quantised network ({escape(sign)}), whose numbers are codes and not weights: "
        "save the network as it was before it was quantised, or dequantised"
    )
