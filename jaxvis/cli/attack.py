"""jaxvis attack: the smallest change of a photograph that makes a network say something else."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxvis.attacks.choice import choose_norm, choose_radius, find_attack
from jaxvis.attacks.rounding import round_to_levels
from jaxvis.cli.adversarial import Pictures, draw_page, judge_saved
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import AttackName, NormName
from jaxvis.cli.flags import (
    NETWORK,
    RESUMABLE,
    Count,
    NetworkFlags,
    ResumeFlags,
    Text,
    flatten_flags,
)
from jaxvis.cli.labelled import find_class, find_labels, open_photographs
from jaxvis.cli.ledger import Ledger, open_ledger
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_fractions
from jaxvis.cli.parts import Part, Saving, make_parts
from jaxvis.cli.saving import save_run
from jaxvis.output.io import write_image
from jaxvis.types import Run

TOGETHER = 16
"""Photographs of a folder that are attacked, written and noted together."""
PAGE = "attack.png"
"""The page of originals, adversarial pictures and perturbations."""


def attack(
    net: str,
    photo: str,
    /,
    *,
    attack: AttackName = "pgd",
    norm: NormName | None = None,
    epsilon: Text = None,
    target: Text = None,
    label: Text = None,
    steps: Count = None,
    restarts: Count = None,
    size: Text = None,
    seed: int = 0,
    chunk: Count = None,
    network: NetworkFlags = NETWORK,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Changes a photograph, or those of a folder, so little that a network is just fooled.

    For measuring and hardening networks of your own. The page shows every photograph, what
    became of it, and the perturbation magnified; all figures are those of the files, read
    again. For example: jaxvis attack googlenet photo.jpg --epsilon 2/255,8/255

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      photo: a file, a folder, or astronaut, chelsea, coffee or rocket.
      attack: how; see docs/adversarial.md.
      norm: what measures the perturbation: its largest value, its length, the sum of its
        values, or the number of its pixels; the attack's own if left out.
      epsilon: its largest norm, such as 8/255, or several, such as 1/255,4/255. If left out
        8/255 in linf, and no limit for attacks that look for the smallest one.
      target: the class that the network shall see, by number or name; any other than the
        true one if left out.
      label: the true class, by number or name; what the network says if left out.
      steps: of the attack; its own number if left out.
      restarts: how often it begins; the best is kept.
      size: the image is cropped to it, 224 or 224x320 (H x W), or own for the whole image;
        the network's own if left out.
      seed: of all randomness, from 0 to 4294967295.
      chunk: images that a device attacks together; fitted to the machine if left out.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network or the attack.
    """
    arguments = flatten_flags(locals())
    method = find_attack(attack)
    norm = choose_norm(attack, norm)
    radii = choose_epsilons(attack, norm, epsilon, bits=output.bits)
    opened = open_net(net, network)
    photos = open_photographs(opened, photo, size, levels=2**output.bits - 1)
    options = {"steps": steps, "restarts": restarts, "chunk": chunk}
    given = pick_options(method, attack, {"target": target, **options})
    given |= {"norm": norm, "key": jax.random.key(seed)}
    true = find_labels(opened, photos, label)
    wanted = None if target is None else find_class(opened, target, "--target")
    if wanted is not None and np.any(true == wanted):
        raise ValueError(f"--target {target} is the true class of a photograph: name another one")
    if given.pop("target", None) is not None:
        given["targets"] = wanted
    plan = Pictures(opened, photos, true, wanted, radii, norm)
    facts = {"weights": opened.sha256, "inputs": hash_inputs(photo)}
    ledger = open_ledger(output, "attack", arguments, count=len(plan.names), **facts)
    parts = [
        Part(plan.names_of(places), partial(_attack, plan, method, given, places, output.bits))
        for places in _cut(len(photos))
    ]

    record = {
        "command": "attack",
        "arguments": arguments,
        **describe_network(opened),
        "inputs": facts["inputs"],
        "key": given["key"],
    }
    return make_parts(ledger, parts, Saving(partial(_save, ledger, plan, record)))


def _save(
    ledger: Ledger,
    plan: Pictures,
    record: dict[str, Any],
    run: Run,
    *,
    saved: Any,
    sheet: bool,
    interrupted: bool,
) -> list[dict[str, Any]]:
    """Writes the page and the record of what the files say; gives the facts of each picture."""
    items: list[dict[str, Any]] = [{} for _ in plan.names]
    others = []
    if sheet:
        items = judge_saved(plan, run)
        print("\n".join([*plan.describe(items), *_count_lost(run, items, ledger.output.bits)]))
        if ledger.output.file is None:
            write_image(ledger.output.folder / PAGE, draw_page(plan, run, items))
            others = [PAGE]
    return save_run(
        ledger.output,
        run,
        plan.names,
        items=items,
        saved=saved,
        others=others,
        sheet=False,
        interrupted=interrupted,
        seconds=ledger.seconds,
        **record,
    )


def _count_lost(run: Run, items: list[dict[str, Any]], bits: int) -> list[str]:
    """Says how many pictures fool the network no longer, now that they are files."""
    before = np.ravel(run.facts.get("success", np.zeros(len(items), bool)))
    lost = sum(bool(was) and not one["success"] for was, one in zip(before, items) if one)
    if not lost:
        return []
    more = ": --bits 16 keeps more of them" if bits < 16 else ""
    return [f"{lost} more did until the pictures were rounded to {bits} bits{more}"]


def choose_epsilons(
    name: str, norm: NormName, text: str | None, *, bits: int
) -> list[float] | None:
    """Reads the radii of the balls; None for an attack without a limit.

    Args:
      name: of the attack.
      norm: what measures the perturbation.
      text: the flag.
      bits: of the files, a channel.

    Raises:
      ValueError: where one is needed, or for something else than numbers from 0 up, or
        for one in linf that no file of so few bits can hold.
    """
    radii = parse_fractions(text, "--epsilon")
    if radii is not None:
        least = 1 / (2**bits - 1)
        if norm == "linf" and any(0 < radius < least - 1e-9 for radius in radii):
            more = ": pass --bits 16" if bits < 16 else ""
            raise ValueError(
                f"--epsilon {text} has a radius below 1/{2**bits - 1}, the least change that a "
                f"file of {bits} bits can hold{more}"
            )
        return radii
    radius = choose_radius(name, norm)
    return None if radius is None else [radius]


def pick_options(method: Callable[..., Run], name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Picks the options that were given.

    Args:
      method: the attack's function.
      name: of the attack.
      options: values by name; None where a flag was left out.

    Raises:
      ValueError: for one that the attack does not have.
    """
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        parameter = "targets" if option == "target" else option
        if parameter not in inspect.signature(method).parameters:
            raise ValueError(f"{name} has no --{option}: leave it out")
    return given


def _cut(count: int) -> list[range]:
    return [range(at, min(at + TOGETHER, count)) for at in range(0, count, TOGETHER)]


def _attack(
    plan: Pictures,
    method: Callable[..., Run],
    given: dict[str, Any],
    places: range,
    bits: int,
    progress: Any = False,
) -> Run:
    """Attacks some photographs; their pictures have whole levels, as their files will."""
    opened, norm = plan.opened, plan.norm
    images = plan.photos.images[places.start : places.stop]
    options = dict(given)
    if plan.epsilons is not None:
        options["epsilon"] = plan.epsilons
    # A folder that is begun in the middle draws what the whole would have drawn.
    options["key"] = jax.random.fold_in(given["key"], places.start)
    run = method(
        opened.net,
        opened.params,
        images,
        plan.labels[places.start : places.stop],
        progress=bool(progress),
        **options,
    )
    lead = run.image.shape[:-3]
    radius = np.inf if plan.epsilons is None else np.asarray(plan.epsilons)
    rounded = round_to_levels(
        run.image.reshape(-1, *images.shape[1:]),
        images.repeat(max(1, len(plan.epsilons or ())), axis=0),
        epsilon=np.broadcast_to(radius, lead).ravel(),
        norm=norm,
        levels=2**bits - 1,
    )
    return run._replace(image=rounded.reshape(run.image.shape))
