"""jaxvis dream: what a layer of a network makes of a photograph."""

import time
from functools import partial
from pathlib import Path

import jax

from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    SEEDS,
    NetworkFlags,
    OutputFlags,
    SeedFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import slug
from jaxvis.cli.photographs import choose_size, read_photograph
from jaxvis.cli.saving import end_command, open_output, run_or_interrupt, save_run
from jaxvis.methods.dream import dream as amplify


def dream(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    octaves: int = default_of(amplify, "octaves"),
    octave_scale: float = default_of(amplify, "octave_scale"),
    steps: int = default_of(amplify, "steps"),
    step_size: float = default_of(amplify, "step_size"),
    jitter: int = default_of(amplify, "jitter"),
    size: str = "own",
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Lets a photograph dream: amplifies whatever a layer sees in it.

    For example: jaxvis dream googlenet photo.jpg --tap inception_4c/output --out art.png

    Args:
      net: the network's name, such as googlenet.
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
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    opened = open_net(net, network)
    opened.net.check_taps(tap)
    photo = read_photograph(image, size=choose_size(opened.net, size))
    to, key = open_output(output, "dream", count=run.seeds), jax.random.key(run.seed)
    found, interrupted = run_or_interrupt(
        partial(
            amplify,
            opened.net,
            opened.params,
            photo,
            tap=tap,
            seeds=run.seeds,
            key=key,
            octaves=octaves,
            octave_scale=octave_scale,
            steps=steps,
            step_size=step_size,
            jitter=jitter,
            chunk=run.chunk,
            progress=True,
        )
    )
    pictures = save_run(
        to,
        found._replace(z=(), image=found.image[None]),
        [slug(tap)],
        captions=[tap],
        items=[{"tap": tap}],
        first=[(Path(image).stem, photo)],
        command="dream",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        steps=octaves * steps,
        seconds=time.perf_counter() - begin,
    )
    return end_command(to, pictures, interrupted=interrupted)
