"""jaxvis maximize and jaxvis sweep: pictures of what neurons or classes like best."""

from typing import Any, Literal

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.flags import (
    NETWORK,
    RESUMABLE,
    SEEDS,
    NetworkFlags,
    ResumeFlags,
    SeedFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.maximize_flags import TOGETHER, TogetherFlags
from jaxvis.cli.opening import open_net
from jaxvis.cli.parsing import parse_position, parse_size
from jaxvis.cli.peaks import find_peaks
from jaxvis.cli.sweep_flags import UNPLANNED, PlanFlags, refuse_unplanned
from jaxvis.cli.unit_sweep import UnitSweep
from jaxvis.methods.maximize import maximize as maximize_units
from jaxvis.output.io import SAMPLES
from jaxvis.recipes.natural import Natural
from jaxvis.recipes.presets import NATURAL

Recipe = Literal["robust", "lucid", "plain", "maco", "mahendran", "cppn", "alpha"]
DEFAULT = default_of(maximize_units, "recipe")


def maximize(
    net: str,
    /,
    *,
    tap: str | None = None,
    index: str = "0",
    position: str | None = None,
    recipe: Recipe = DEFAULT,
    peaks: str | None = None,
    leak: float = 0.0,
    steps: int | None = None,
    size: str | None = None,
    together: TogetherFlags = TOGETHER,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Makes pictures that neurons, channels or classes of a network like best.

    Each picture is written when its chunk is done; contact sheet and record come last.
    --resume goes on after Ctrl-C or a kill. For example:
    jaxvis maximize googlenet --index flamingo,mosque --seeds 2
    jaxvis maximize googlenet --tap inception_4a/output --index 12 --diverse 4

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      tap: the layer (see jaxvis layers NET); the class scores if left out.
      index: which channels or classes, such as 130 or 0:16 or 1,5,9:12 or goldfish.
      position: the neuron of a channel: centre, or ROW,COLUMN in cells of the layer;
        the channel's mean if left out (with mahendran the centre).
      recipe: how the pictures are made; cppn has no pixels, alpha is transparent where
        nothing is needed.
      peaks: of mahendran, a folder of images on which the channels' largest activations
        are measured, or a record.json that keeps them; photographs that come with
        jaxvis if left out.
      leak: slope of leaky ReLUs in place of the network's, for units that are dead.
      steps: updates; 256, or 300 of mahendran, if left out.
      size: of the pictures in pixels, 224 or 224x320 (H x W); the network's own if
        left out.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    if peaks is not None and recipe != NATURAL:
        raise ValueError(f"--peaks goes with --recipe {NATURAL}, not {recipe!r}")
    opened = open_net(net, network)
    if tap is not None:
        opened.net.check_taps(tap)
    sweep = UnitSweep("maximize", opened, arguments, tap, index, "index", run, output)
    how: str | Natural = recipe
    facts: dict[str, Any] = {"inputs": {}}
    if recipe == NATURAL and sweep.shown is not None:
        facts["peaks"] = find_peaks(opened, sweep.shown, peaks)
        facts["inputs"] = hash_inputs(*([peaks] if peaks else SAMPLES))
        how = Natural(peaks=tuple(facts["peaks"]["values"]))
    return sweep.run(
        how,
        steps=steps,
        size=parse_size(size) if size else None,
        position=parse_position(position),
        leak=leak,
        together=together,
        facts=facts,
    )


def sweep(
    net: str,
    /,
    *,
    classes: str = ":",
    recipe: Recipe = DEFAULT,
    steps: int | None = None,
    size: str | None = None,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    planned: PlanFlags = UNPLANNED,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Makes a picture of every class of a network, or plans a sweep of any size.

    Each picture is written when its chunk is done; contact sheet and record come last.
    Ctrl-C keeps what is finished, and --resume goes on. For example:
    jaxvis sweep squeezenet1_1 --classes 0:100 --out classes
    jaxvis sweep vgg19 --taps all --seeds 4 --plan plan.json

    Args:
      net: the network's name, such as squeezenet1_1, or a file that describes one (.toml, .py).
      classes: which, such as 0:1000 or 1,5,9:12 or goldfish; all if left out.
      recipe: how the pictures are made.
      steps: updates; 256, or 300 of mahendran, if left out.
      size: of the pictures in pixels, 224 or 224x320 (H x W); the network's own if
        left out.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    pixels = parse_size(size) if size else None
    if planned.plan is not None:
        from jaxvis.cli.sweep_plan import plan_sweep  # everything that can be swept

        return plan_sweep(
            net,
            classes=classes,
            recipe=recipe,
            steps=steps,
            size=pixels,
            run=run,
            network=network,
            flags=planned,
        )
    refuse_unplanned(planned)
    arguments = {k: v for k, v in arguments.items() if not hasattr(UNPLANNED, k)}
    opened = open_net(net, network)
    if opened.net.classes is None:
        raise ValueError(f"{net} names no class scores: use jaxvis maximize --tap")
    sweep = UnitSweep("sweep", opened, arguments, None, classes, "class", run, output)
    return sweep.run(recipe, steps=steps, size=pixels, facts={"inputs": {}})
