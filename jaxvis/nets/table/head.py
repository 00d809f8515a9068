"""The last rows of networks: fully connected classifiers, and what follows the scores."""

from jaxvis.nets.table.layers import Layer

HEADS = {"softmax": "prob", "linear": None, "relu": "relu8"}
"""Head -> the name of the tap that follows the class scores. Despraz et al. use "relu"."""


def head_rows(head: str, *, relu_name: str = "relu8") -> list[Layer]:
    """Returns the rows after the class scores: one or none.

    Args:
      head: "softmax" (tap `prob`), "linear" (no row) or "relu" (tap `relu_name`).
      relu_name: the name of the tap of "relu".

    Raises:
      ValueError: for any other head.
    """
    if head not in HEADS:
        raise ValueError(f"head is one of {', '.join(HEADS)}, not {head!r}")
    if head == "linear":
        return []
    return [Layer("prob", "softmax") if head == "softmax" else Layer(relu_name, "relu")]


def classifier_rows(head: str, *, width: int = 4096, classes: int = 1000) -> list[Layer]:
    """Returns the rows that end AlexNet and VGG: fc6, relu6, fc7, relu7, fc8 and the head.

    Args:
      head: see `head_rows`.
      width: units of fc6 and fc7.
      classes: units of fc8.
    """
    return [
        Layer("fc6", "fc", width),
        Layer("relu6", "relu"),
        Layer("fc7", "fc", width),
        Layer("relu7", "relu"),
        Layer("fc8", "fc", classes),
        *head_rows(head),
    ]
