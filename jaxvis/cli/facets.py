"""jaxvis facets, jaxvis bias: which images of a folder excite a neuron, and how."""

import time
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import Opened, new_folder, open_net, save_run, summary
from jaxvis.methods.facets import find_facets, visualize_facets
from jaxvis.output.io import read_image, write_image
from jaxvis.output.record import record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.images import Images, open_folder


def facets(
    net: str,
    folder: Path,
    /,
    *,
    index: int = 0,
    tap: str | None = None,
    features: str | None = None,
    most: int = 40,
    count: int = 4,
    steps: int = 200,
    seed: int = 0,
    weights: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Makes one picture for each kind of image in a folder that excites a neuron.

    Args:
      net: the network's name, such as googlenet.
      folder: images; what cannot be read is skipped.
      index: the class or channel.
      tap: its layer (see jaxvis layers NET); the class scores if left out.
      features: the layer whose codes are clustered; the one before the scores if left
        out.
      most: images that are clustered: those that excite it most.
      count: kinds.
      steps: updates of each picture.
      seed: of all randomness.
      weights: a converted file, or random:SEED; the cached file if left out.
      out: a new or empty folder; jaxvis-facets if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = dict(locals())
    opened, images = _opened(net, folder, weights)
    model, params = opened.net, opened.params
    pixels = np.stack([images[i] for i in range(len(images))]).astype(np.float32) / 255
    key, begin = jax.random.key(seed), time.perf_counter()
    found = find_facets(
        model,
        params,
        pixels,
        index=index,
        tap=tap,
        features=features,
        most=most,
        facets=count,
        key=key,
    )
    to = new_folder(out, "facets", overwrite=overwrite)
    run = visualize_facets(
        model, params, found, index=index, tap=tap, steps=steps, key=key, progress=True
    )
    members = [[images.names[i] for i in found.top[found.cluster == k]] for k in range(count)]
    pictures = save_run(
        to,
        run,
        [f"facet_{k}" for k in range(count)],
        captions=[f"{len(names)} images" for names in members],
        items=[{"images": names} for names in members],
        first=[(f"mean of facet {k}", mean) for k, mean in enumerate(found.mean)],
        command="facets",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=steps,
        seconds=time.perf_counter() - begin,
        skipped=dict(images.skipped),
    )
    print(summary(to, pictures))


def bias(
    net: str,
    folder: Path,
    /,
    *,
    index: int = 0,
    pictures: str = "",
    most: int = 12,
    weights: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Shows what a class has learned beside the real images that excite it most.

    What the pictures have in common with images of another class, or with their
    backgrounds, is what the class is biased to.

    Args:
      net: the network's name, such as googlenet.
      folder: images; what cannot be read is skipped.
      index: the class.
      pictures: made pictures of it (of jaxvis generate, with and without --decoder, or
        maximize), separated by commas; they stand first.
      most: real images.
      weights: a converted file, or random:SEED; the cached file if left out.
      out: a new or empty folder; jaxvis-bias if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if weights, a picture or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = dict(locals())
    opened, images = _opened(net, folder, weights)
    model = opened.net
    made = [Path(name) for name in filter(None, pictures.split(","))]
    shown = [read_image(path, size=model.input_size) for path in made]
    pixels = np.stack([images[i] for i in range(len(images))]).astype(np.float32) / 255
    found = find_facets(
        model, opened.params, pixels, index=index, most=most, facets=1, components=1
    )
    to = new_folder(out, "bias", overwrite=overwrite)
    notes = [path.stem for path in made]
    notes += [
        f"{Path(images.names[i]).stem} {score:.3g}" for i, score in zip(found.top, found.scores)
    ]
    page = contact_sheet([*shown, *(pixels[i] for i in found.top)], captions=notes)
    write_image(to / "contact.png", page)
    real = [
        {"image": images.names[i], "score": float(score)}
        for i, score in zip(found.top, found.scores)
    ]
    write_record(
        to / "record.json",
        record(
            "bias",
            arguments,
            net=net,
            weights=opened.weights,
            sha256=opened.sha256,
            images=real,
            skipped=dict(images.skipped),
        ),
    )
    print(f"{to}: contact sheet, record")


def _opened(net: str, folder: Path, weights: str | None) -> tuple[Opened, Images]:
    opened = open_net(net, weights=weights)
    return opened, open_folder(folder, size=opened.net.input_size, progress=True)
