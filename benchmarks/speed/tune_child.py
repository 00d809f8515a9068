"""A process that takes whole steps with the numbers of one file, as a sweep takes them.

The numbers are read once, so there is a process for each file: see `jaxvis.tuning`.
"""

from pathlib import Path
from typing import Any

from benchmarks.harness.child import run_task
from benchmarks.harness.server import Server, answer_lines
from jaxvis.tuning import VARIABLE, Tuning, write_tuning


class Stepper(Server):
    """A process that takes steps of networks when asked.

    Args:
      tuning: its numbers.
      items: pictures that every core has in all.
      folder: of its own; it is made here.
    """

    def __init__(self, tuning: Tuning, items: int, folder: Path) -> None:
        file = folder.with_suffix(".json")
        write_tuning(file, tuning, None)
        spec = {"items": items, "numbers": tuning.changes()}
        super().__init__(__name__, spec, folder, **{VARIABLE: str(file)})

    def step(self, net: str, side: int) -> list[float]:
        """Takes a step of all pictures, and waits for their scores.

        Args:
          net: the network.
          side: pixels.
        """
        return self.ask([net, side])


def serve(spec: dict) -> str:
    """Answers every line of the input, [net, side], with scores.

    Args:
      spec: "items", pictures of every core, and "numbers", which the file must have given.

    Raises:
      ValueError: if the file has not been used.
    """
    import jax
    import numpy as np

    import jaxvis
    from benchmarks.harness import subjects
    from jaxvis.tuning import find_tuning

    cores = max(jaxvis.use_cores(), 1)
    if find_tuning().changes() != spec["numbers"]:
        raise ValueError(f"the file's numbers are not used: {find_tuning().changes()}")
    made: dict[tuple[str, int], Any] = {}

    def answer(asked: list) -> list[float]:
        name, side = asked
        if (name, side) not in made:
            net, params = subjects.make_network(name, side)
            count = cores * spec["items"]
            images, index = subjects.draw_images(count, side), subjects.number_classes(count)
            made[name, side] = subjects.SharedStep(net, params, net.classes, images, index)
        found = made[name, side].take()
        scores = np.concatenate([np.asarray(part) for part, _ in jax.device_get(found)])
        return scores.tolist()

    return answer_lines(answer)


if __name__ == "__main__":
    run_task({"serve": serve})
