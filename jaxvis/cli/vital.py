"""jaxvis vital: pictures with the features of real images that excite a unit."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.facets import parse_unit, read_images
from jaxvis.cli.flags import (
    NETWORK,
    SEEDS,
    WATCHED,
    NetworkFlags,
    SeedFlags,
    WatchFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_words
from jaxvis.cli.parts import Part, Saving, make_parts, save_pictures
from jaxvis.methods.vital import RealFeatures, find_exciting
from jaxvis.methods.vital import vital as match_real
from jaxvis.output.folder import list_images


def vital(
    net: str,
    folder: Path,
    /,
    *,
    index: str = "0",
    tap: str | None = None,
    layers: str | None = None,
    most: int = default_of(RealFeatures, "most"),
    relevance: bool = False,
    steps: int = 256,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Makes pictures whose layers hold what they hold of real images that excite a unit.

    For example: jaxvis vital googlenet PHOTOS --index goldfish --most 5

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images, or patches that jaxvis patches found; what cannot be read is skipped.
      index: the class or channel, such as 130 or goldfish.
      tap: its layer (see jaxvis layers NET); the class scores if left out.
      layers: those whose activations are matched, separated by commas; the last map of every
        size if left out.
      most: images whose activations count: those that excite it most.
      relevance: channels count by what they add to the unit.
      steps: updates.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    unit, place = parse_unit(opened, tap, index), tap or opened.net.classes or ""
    features = RealFeatures(most, parse_words(layers), relevance)
    opened.net.check_taps(features.taps or ())
    list_images(folder)
    if run.seeds < 1:
        raise ValueError("--seeds is at least 1")
    key, same = jax.random.key(run.seed), {"weights": opened.sha256, "inputs": hash_inputs(folder)}
    ledger = open_ledger(output, "vital", arguments, count=run.seeds, **same)
    images, levels = read_images(opened, folder)
    photos = jnp.asarray(levels, jnp.float32) / 255
    best = find_exciting(opened.net, opened.params, photos, place, unit, most=most)
    what: dict[str, Any] = {"tap": tap, "index": unit, "features": features, "steps": steps}
    how: dict[str, Any] = {"seeds": run.seeds, "key": key, "chunk": run.chunk}
    make = partial(match_real, opened.net, opened.params, photos, **what, **how)
    save = partial(
        save_pictures,
        ledger,
        names=["vital"],
        seeds=run.seeds,
        captions=[f"{len(best)} images' features"],
        items=[{"index": unit, "tap": place}],
        first=[(Path(images.names[i]).stem, photos[i]) for i in best],
        command="vital",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        steps=steps,
        inputs=same["inputs"],
        images=[images.names[i] for i in best],
        skipped=dict(images.skipped),
    )
    part = Part([f"vital_{seed}" for seed in range(run.seeds)], make)
    return make_parts(ledger, [part], Saving(save, output.save_every))
