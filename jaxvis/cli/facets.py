"""jaxvis facets, jaxvis bias: which images of a folder excite a neuron, and how."""

from functools import partial
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs, hash_outputs
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    WATCHED,
    NetworkFlags,
    OutputFlags,
    WatchFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_indices, parse_words
from jaxvis.cli.parts import Part, Saving, make_parts, save_pictures
from jaxvis.cli.saving import open_output
from jaxvis.cli.skipping import describe_images
from jaxvis.methods.facets.find import Facets, find_facets
from jaxvis.methods.facets.visualize import visualize_facets
from jaxvis.output.folder import list_images
from jaxvis.output.io import read_image, write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.images import Images, open_folder
from jaxvis.weights.load import LoadedNetwork


def facets(
    net: str,
    folder: Path,
    /,
    *,
    index: str = "0",
    tap: str | None = None,
    features: str | None = None,
    most: int = default_of(find_facets, "most"),
    count: int = default_of(find_facets, "facets"),
    steps: int = default_of(visualize_facets, "steps"),
    seed: int = 0,
    chunk: int | None = None,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Makes one picture for each kind of image in a folder that excites a neuron.

    For example: jaxvis facets googlenet PHOTOS --index flamingo --count 3

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images; what is none, or cannot be read, is skipped and listed.
      index: the class or channel, such as 130 or goldfish.
      tap: its layer (see jaxvis layers NET); the class scores if left out.
      features: the layer whose codes are clustered; the one before the scores if left
        out.
      most: images that are clustered: those that excite it most.
      count: kinds.
      steps: updates of each picture.
      seed: of all randomness, from 0 to 4294967295.
      chunk: pictures made together; fitted to the memory if left out.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    model, unit = opened.net, parse_unit(opened, tap, index)
    if features is not None:
        model.check_taps(features)
    list_images(folder)
    key, same = jax.random.key(seed), {"weights": opened.sha256, "inputs": hash_inputs(folder)}
    ledger = open_ledger(output, "facets", arguments, count=count, **same)
    images, pixels = read_images(opened, folder)
    found = find_facets(
        model,
        opened.params,
        pixels,
        index=unit,
        tap=tap,
        features=features,
        most=most,
        facets=count,
        key=key,
    )
    names, members = [f"facet_{k}" for k in range(count)], _list_members(images, found, count)
    save = partial(
        save_pictures,
        ledger,
        names=names,
        captions=[f"{len(of_one)} images" for of_one in members],
        items=[{"images": of_one} for of_one in members],
        first=[(f"mean of facet {k}", mean) for k, mean in enumerate(found.mean)],
        command="facets",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        steps=steps,
        inputs=same["inputs"],
        index=unit,
        skipped=dict(images.skipped),
    )
    draw = partial(visualize_facets, model, opened.params, found, index=unit, tap=tap, key=key)
    part = Part(names, partial(draw, steps=steps, chunk=chunk))
    return make_parts(ledger, [part], Saving(save, output.save_every))


def _list_members(images: Images, found: Facets, count: int) -> list[list[str]]:
    """Lists the images of every facet, by their names."""
    return [[images.names[i] for i in found.top[found.cluster == k]] for k in range(count)]


def bias(
    net: str,
    folder: Path,
    /,
    *,
    index: str = "0",
    pictures: str = "",
    most: int = 12,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows what a class has learned beside the real images that excite it most.

    What the pictures have in common with images of another class, or with their
    backgrounds, is what the class is biased to. For example:
    jaxvis bias googlenet PHOTOS --index flamingo --pictures made.png --out sheet.png

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images; what is none, or cannot be read, is skipped and listed.
      index: the class, such as 130 or goldfish.
      pictures: made pictures of it (of jaxvis generate, with and without --decoder, or
        maximize), separated by commas; they stand first.
      most: real images.

    Raises:
      OSError: if weights, a picture or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    unit = parse_unit(opened, None, index)
    made = [Path(name) for name in parse_words(pictures) or ()]
    shown = [read_image(path, size=opened.net.input_size) for path in made]
    list_images(folder)
    to, inputs = open_output(output, "bias", count=1), hash_inputs(*made, folder)
    images, pixels = read_images(opened, folder)
    found = find_facets(
        opened.net, opened.params, pixels, index=unit, most=most, facets=1, components=1
    )
    real = [
        {"image": images.names[i], "score": float(score)}
        for i, score in zip(found.top, found.scores)
    ]
    notes = [path.stem for path in made]
    notes += [f"{Path(one['image']).stem} {one['score']:.3g}" for one in real]
    page = contact_sheet([*shown, *(pixels[i] for i in found.top)], captions=notes)
    path = to.path_of("contact")
    write_image(path, page, bits=to.bits)
    record = make_record(
        "bias",
        arguments,
        **describe_network(opened),
        inputs=inputs,
        files=hash_outputs(to.folder, [path.name]),
        index=unit,
        images=real,
        skipped=dict(images.skipped),
    )
    write_record(path.with_suffix(".json") if to.file else to.folder / "record.json", record)
    print(f"{to}: contact sheet, record")
    return 0


def parse_unit(opened: LoadedNetwork, tap: str | None, index: str) -> int:
    """Reads the one class or channel that a flag names.

    Args:
      opened: the network.
      tap: its layer; None for classes.
      index: its number or name.

    Raises:
      ValueError: for another number of them than one, or one that there is not.
    """
    net, place = opened.net, tap or opened.net.scores
    if place is None:
        raise ValueError(f"{net.name} names no class scores: pass --tap")
    net.check_taps(place)
    count = net.shape(opened.params, place)[-1]
    labels = opened.labels if place in (net.scores, net.classes) else ()
    what = "class" if tap is None else "channel"
    found = parse_indices(index, count=count, what=what, labels=labels)
    if len(found) > 1:
        raise ValueError(f"--index {index} names {len(found)} of them: name one {what}")
    return found[0]


def read_images(opened: LoadedNetwork, folder: Path) -> tuple[Images, np.ndarray]:
    """Reads the images of a folder, `[M, H, W, 3]` uint8, in the network's size; says how many.

    Args:
      opened: the network.
      folder: what cannot be read is skipped.

    Raises:
      OSError, ValueError: as `jaxvis.train.images.open_folder`.
    """
    images = open_folder(folder, size=opened.net.input_size, progress=True)
    print(describe_images(len(images), images.skipped))
    return images, np.stack([images[i] for i in range(len(images))])
