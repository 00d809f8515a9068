"""A program that attacks the same images on as many CPU devices as its argument says.

`python attack_on_devices.py 8 results.npz` writes what came out of each case.
"""

import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
from tiny_nets import conv_net

import jaxvis
from jaxvis import attacks
from jaxvis.attacks import programs

COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective", "send", "recv")
"""What the operations are called by which devices wait for each other."""
EPSILONS = [0.02, 0.1]


def list_cases():
    """Returns name of the case -> a call without arguments that gives its Run."""
    net, params = conv_net(16)
    images = np.random.default_rng(0).uniform(0.2, 0.8, (9, 16, 16, 3)).astype(np.float32)
    call = {"net": net, "params": params, "images": images, "epsilon": EPSILONS}
    return {
        "pgd": partial(attacks.pgd, **call, steps=6, restarts=2),
        "chunk": partial(attacks.pgd, **call, steps=6, chunk=2, keep="best"),
        "square": partial(attacks.square, **call, steps=10),
        "fab": partial(attacks.fab, **call, steps=3),
        "one": partial(attacks.pgd, **{**call, "images": images[0], "epsilon": 0.05}, steps=3),
    }


def attack_all(path):
    """Runs all cases; writes the arrays of their runs, and the collectives of their programs."""
    seen, advance = [], programs.advance

    def watch(*arguments):
        if not seen:
            text = advance.lower(*arguments).compile().as_text()
            seen.append([name for name in COLLECTIVES if f" {name}" in text])
        return advance(*arguments)

    programs.advance = watch
    arrays = {}
    for name, call in list_cases().items():
        seen.clear()
        run = call()
        arrays[f"{name}/image"], arrays[f"{name}/status"] = run.image, run.status
        arrays[f"{name}/loss"] = run.trace["loss"]
        arrays |= {f"{name}/{fact}": value for fact, value in run.facts.items()}
        arrays[f"{name}/collectives"] = np.array(seen[0], str)
    np.savez(path, **arrays)


if __name__ == "__main__":
    jaxvis.use_cores(count=int(sys.argv[1]))
    jax.config.update("jax_disable_most_optimizations", True)
    attack_all(Path(sys.argv[2]))
