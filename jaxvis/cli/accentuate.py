"""jaxvis accentuate: what of a photograph excites units, exaggerated within it."""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.analysis.accentuate import Accentuated
from jaxvis.analysis.accentuate import accentuate as exaggerate
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.explaining import Case, open_case, widen
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    SEEDS,
    NetworkFlags,
    OutputFlags,
    SeedFlags,
    Text,
    default_of,
    flatten_flags,
)
from jaxvis.cli.opening import describe_network
from jaxvis.cli.saving import end_command, open_output, save_run
from jaxvis.cli.target_flags import TARGET, TargetFlags
from jaxvis.escape import slug
from jaxvis.output.heat import colour_heat, describe_colours
from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet


def accentuate(
    net: str,
    image: str,
    /,
    *,
    layer: Text = None,
    strength: float = default_of(exaggerate, "strength"),
    steps: int = 64,
    target: TargetFlags = TARGET,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Exaggerates in a photograph what excites classes or channels, and shows where.

    The pictures are written one by one; page.png shows the photograph, each picture, and
    which of its changes speak for the unit. For example:
    jaxvis accentuate googlenet photo.jpg --tap inception_4c/output --index 12,40

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      layer: where the distance from the photograph is taken; a middle one if left out.
      strength: of that distance: more keeps more of the photograph.
      steps: updates.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    case = open_case(net, image, network=network, **vars(target))
    opened, key, began = case.opened, jax.random.key(run.seed), time.perf_counter()
    if run.seeds < 1 or steps < 1:
        raise ValueError("--seeds and --steps are at least 1")
    names = [_name(case, place) for place in range(len(case.indices))]
    to = open_output(output, "accentuate")
    found = exaggerate(
        opened.net,
        opened.params,
        case.photo,
        **case.what,
        layer=layer,
        strength=strength,
        seeds=run.seeds,
        key=key,
        steps=steps,
        chunk=run.chunk,
        progress=True,
    )
    write_image(to.folder / "page.png", _draw_page(case, found), bits=to.bits)
    pictures = save_run(
        to,
        found.run._replace(z=()),
        names,
        captions=[case.name(place) for place in range(len(names))],
        items=_list_facts(case, found),
        first=[(Path(image).stem, case.photo)],
        others=["page.png"],
        command="accentuate",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        inputs=hash_inputs(image),
        steps=steps,
        seconds=time.perf_counter() - began,
    )
    return end_command(to, pictures)


def _name(case: Case, place: int) -> str:
    """Names the files of a unit."""
    index = case.indices[place]
    if case.tap is not None:
        return f"{slug(case.tap)}_{index:03d}"
    labels = case.opened.labels
    return f"{index:04d}_{slug(labels[index])}" if labels else f"{index:04d}"


def _list_facts(case: Case, found: Accentuated) -> list[dict[str, Any]]:
    """Lists the facts of every unit, one of each seed."""
    before, after = found.run.facts["before"], found.run.facts["after"]
    return [
        {
            "index": index,
            "before": [float(value) for value in before[place]],
            "after": [float(value) for value in after[place]],
        }
        for place, index in enumerate(case.indices)
    ]


def _draw_page(case: Case, found: Accentuated) -> np.ndarray:
    """Draws the photograph, every picture, and the heat of its change."""
    photo = np.broadcast_to(case.photo, (*case.photo.shape[:2], 3))
    pictures, captions = [], []
    for place in range(len(case.indices)):
        before = found.run.facts["before"][place, 0]
        for seed, image in enumerate(found.run.image[place]):
            heat, after = found.heat[place, seed], found.run.facts["after"][place, seed]
            shown = np.broadcast_to(image, photo.shape)
            pictures += [photo, shown, colour_heat(heat)]
            captions += [Path(case.image).stem, f"{case.name(place)}: {before:.3g} to {after:.3g}"]
            captions += [f"what the changes add; {describe_colours(heat)}"]
    return contact_sheet(widen(pictures), captions=captions, columns=3)
