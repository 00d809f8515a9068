"""What a network would like to see of directions of a layer, as commands draw it."""

import sys

from jaxvis.analysis.concepts import Concepts
from jaxvis.cli.drawing_flags import DrawingFlags
from jaxvis.cli.saving import BAD
from jaxvis.methods.maximize import maximize
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork

POWER = 1
"""Power of the cosine by which activations along a direction are multiplied: what lies in
other directions too counts less."""


def draw_directions(opened: LoadedNetwork, concepts: Concepts, drawing: DrawingFlags) -> Run:
    """Draws a picture for each direction, and says which ended badly; `[n, 1, H, W, C]`.

    Args:
      opened: the network.
      concepts: the directions.
      drawing: how.

    Raises:
      ValueError: for a side that the network does not take.
    """
    run = maximize(
        opened.net,
        opened.params,
        objective=concepts.objectives(cosine_power=POWER),
        steps=drawing.steps,
        size=None if drawing.side is None else (drawing.side, drawing.side),
        key=drawing.seed,
        chunk=drawing.chunk,
        progress=True,
    )
    for status, words in BAD.items():
        times = int((run.status == status).sum())
        if times:
            print(f"{times} of {len(concepts)} pictures {words}", file=sys.stderr)
    return run
