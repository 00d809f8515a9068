"""jaxvis ranvgg invert: reconstructions by random, stacked and trained networks."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.cli.common import new_folder, open_net, parse_size, save_run, slug, summary
from jaxvis.cli.image import photograph
from jaxvis.cli.ranvgg import built_for, stacked_in
from jaxvis.methods.ranvgg.candidates import inverted_layers, random_networks
from jaxvis.methods.ranvgg.stack import reconstruct
from jaxvis.network import Network
from jaxvis.output.io import write_image
from jaxvis.output.plot import convergence, grid, layer_means, spreads
from jaxvis.types import Params, Run

KINDS = ("random", "stacked", "trained")


def invert(
    image: str,
    /,
    *,
    net: str = "vgg19",
    kinds: str = "random,trained",
    stacked: Path | None = None,
    weights: str | None = None,
    tap: str | None = None,
    seeds: int = 1,
    seed: int = 0,
    scheme: str = "he",
    steps: int = 300,
    total_variation: float = 0.0,
    boxed: bool = False,
    size: str = "224",
    pool: str | None = "avg",
    precision: str = "float32",
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Reconstructs a photograph from layers of random, stacked and trained networks.

    Args:
      image: a file, or astronaut, chelsea, coffee or rocket.
      net: the network's name.
      kinds: which networks, of random, stacked and trained.
      stacked: the folder that `jaxvis ranvgg stack` made.
      weights: a converted file of trained weights; the cached file if left out.
      tap: the layers, such as relu5_1,pool5; "all" for every rectified and pooled map;
        the pooled maps if left out.
      seeds: random and stacked networks; of the trained one, different noise.
      seed: of all randomness; the one of the stack draws its pure counterparts.
      scheme: of the random networks: he, gaussian or unit.
      steps: evaluations of the loss and its gradient.
      total_variation: weight of a total variation prior; the paper has none.
      boxed: keep the image in [0, 1] throughout.
      size: the image is cropped to it, 224 or 224x320 (H x W).
      pool: max or avg, for the VGG networks; avg as in the paper.
      precision: of the network's products: float32, tf32 or bfloat16.
      out: a new or empty folder; jaxvis-ranvgg-invert if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    built = built_for(net, size, pool, precision)
    photo, taps = photograph(image, size=parse_size(size)), _taps(built, tap)
    sets, trained = _networks(built, photo, taps[-1], arguments)
    folder = new_folder(out, "ranvgg invert", overwrite=overwrite)
    runs: dict[str, list[Run]] = {kind: [] for kind in sets}
    saved: set[str] = set()
    for name in taps:
        for kind, (params, axis) in sets.items():
            run = reconstruct(
                built,
                params,
                photo,
                tap=name,
                params_axis=axis,
                key=seed,
                seeds=1 if axis == 0 else seeds,
                steps=steps,
                boxed=boxed,
                total_variation=total_variation,
                progress=True,
            )
            runs[kind].append(run._replace(z=None))
            saved |= _saved(folder, f"{kind}_{slug(name)}", run, bits)
            print(f"{name} {kind}: {_said(run)}", flush=True)
    _write_figures(folder, runs, taps, photo)
    pictures = save_run(
        folder,
        _together(runs),
        [f"{kind}_{slug(t)}" for kind in runs for t in taps],
        items=[{"kind": kind, "tap": name} for kind in runs for name in taps],
        first=[(Path(image).stem, photo)],
        bits=bits,
        saved=saved,
        command="ranvgg invert",
        arguments=arguments,
        net=net,
        key=jax.random.key(seed),
        steps=steps,
        seconds=time.perf_counter() - begin,
        **trained,
    )
    print(f"{summary(folder, pictures)}, figures")


def _saved(folder: Path, name: str, run: Run, bits: int) -> set[str]:
    """Returns the files written of a run: who stops at the next layer keeps them."""
    found = set()
    for seed, picture in enumerate(run.image):
        if np.isfinite(picture).all():
            found.add(f"{name}_{seed}.png")
            write_image(folder / f"{name}_{seed}.png", picture, bits=bits)
    return found


def _said(run: Run) -> str:
    distance, error = run.trace["distance"].mean(), run.trace["image_error"].mean()
    return f"distance {100 * distance:.1f} %, image error {255 * error:.1f} of 255"


def _taps(net: Network, text: str | None) -> tuple[str, ...]:
    """Returns the taps asked for, in forward order."""
    if text is None:
        pools = {row.name for row in net.rows if row.op in ("max", "avg")}
        return tuple(tap for tap in inverted_layers(net) if tap in pools)
    if text.strip() == "all":
        return inverted_layers(net)
    found = net.named(tuple(word.strip() for word in text.split(",")))
    return tuple(sorted(set(found), key=net.taps.index))


def _networks(
    net: Network, photo: np.ndarray, stop: str, flags: Mapping[str, Any]
) -> tuple[dict[str, tuple[Params, int | None]], dict[str, Any]]:
    """Returns kind -> parameters up to `stop` and their axis of networks; and what the
    record says of the trained ones.
    """
    kinds = list(dict.fromkeys(word.strip() for word in flags["kinds"].split(",")))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"kinds are of {', '.join(KINDS)}, not {unknown[0]!r}")
    found: dict[str, tuple[Params, int | None]] = {}
    trained: dict[str, Any] = {}
    for kind in kinds:
        if kind == "trained":
            opened = open_net(
                flags["net"],
                weights=flags["weights"],
                input_size=net.input_size,
                pool=flags["pool"] if flags["net"].startswith("vgg") else None,
                stop=stop,
            )
            found[kind] = opened.params, None
            trained = {"weights": opened.weights, "sha256": opened.sha256}
        elif kind == "stacked" and flags["stacked"] is None:
            raise ValueError("--kinds stacked needs --stacked, a folder of networks")
        elif kind == "stacked":
            found[kind] = stacked_in(flags["stacked"], net, flags["seeds"], stop), 0
        else:
            drawn = random_networks(
                net,
                photo,
                networks=flags["seeds"],
                key=flags["seed"],
                scheme=flags["scheme"],
                stop=stop,
            )
            found[kind] = drawn, 0
    return found, trained


def _together(runs: Mapping[str, list[Run]]) -> Run:
    """Returns the runs as one, with the axes `[kinds * taps, seeds, ...]`."""
    flat = [run for each in runs.values() for run in each]
    trace = {name: np.stack([run.trace[name] for run in flat]) for name in flat[0].trace}
    return Run(None, np.stack([run.image for run in flat]), trace)


def _write_figures(
    folder: Path, runs: Mapping[str, list[Run]], taps: tuple[str, ...], photo: Any
) -> None:
    def of(name: str) -> dict[str, np.ndarray]:
        return {kind: np.stack([run.trace[name] for run in each]) for kind, each in runs.items()}

    rows = [
        [(photo, "original")] + [(run.image[0], f"{kind} {tap}") for run, tap in zip(each, taps)]
        for kind, each in runs.items()
    ]
    shown = [pair for row in rows for pair in row]
    page = grid(
        [picture for picture, _ in shown],
        captions=[name for _, name in shown],
        columns=len(taps) + 1,
    )
    page.savefig(folder / "layers.png", dpi=150)
    errors = {"distance": of("distance"), "image error": of("image_error")}
    convergence(of("loss"), panels=taps).savefig(folder / "losses.png", dpi=120)
    layer_means(errors, taps=taps).savefig(folder / "means.png", dpi=120)
    for name, values in errors.items():
        file = folder / f"spread_{slug(name)}.png"
        spreads(values, panels=taps, ylabel=name).savefig(file, dpi=120)
