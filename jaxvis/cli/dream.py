"""jaxvis dream: what a layer of a network makes of a photograph."""

from functools import partial
from pathlib import Path

import jax

from jaxvis.cli.checksums import hash_inputs
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
from jaxvis.cli.parts import Saving, cut_seeds, make_parts, save_pictures
from jaxvis.cli.photographs import read_for
from jaxvis.escape import slug
from jaxvis.methods.dream import dream as amplify
from jaxvis.recipes.dreams import DreamRecipe


def dream(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    octaves: int = default_of(DreamRecipe, "octaves"),
    octave_scale: float = default_of(DreamRecipe, "octave_scale"),
    steps: int = default_of(DreamRecipe, "steps"),
    step_size: float = default_of(DreamRecipe, "step_size"),
    jitter: int = default_of(DreamRecipe, "jitter"),
    size: str = "own",
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Lets a photograph dream: amplifies whatever a layer sees in it.

    For example: jaxvis dream googlenet photo.jpg --tap inception_4c/output --out art.png

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      tap: the layer, such as inception_4c/output.
      octaves: sizes, from small to the image's own.
      octave_scale: ratio of neighbouring octaves.
      steps: updates per octave.
      step_size: mean change of a step, in grey levels of 255.
      jitter: largest circular shift, in pixels.
      size: the image is cropped to it, 224 or 224x320 (H x W), or own for the whole
        image.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    recipe = DreamRecipe(octaves, octave_scale, steps, step_size, jitter)
    opened = open_net(net, network)
    opened.net.check_taps(tap)
    photo = read_for(opened.net, image, size)
    inputs = hash_inputs(image)
    key, name = jax.random.key(run.seed), slug(tap)
    facts = {"weights": opened.sha256, "inputs": inputs}
    ledger = open_ledger(output, "dream", arguments, count=run.seeds, **facts)
    method = partial(
        amplify,
        opened.net,
        opened.params,
        photo,
        tap=tap,
        seeds=run.seeds,
        key=key,
        recipe=recipe,
        chunk=run.chunk,
    )
    parts = cut_seeds(method, name, run.seeds, chunk=run.chunk)

    save = partial(
        save_pictures,
        ledger,
        names=[name],
        seeds=run.seeds,
        captions=[tap],
        items=[{"tap": tap}],
        first=[(Path(image).stem, photo)],
        command="dream",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        inputs=inputs,
        steps=octaves * steps,
    )
    return make_parts(ledger, parts, Saving(save, output.save_every))
