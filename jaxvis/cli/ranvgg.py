"""jaxvis ranvgg stack: random networks built layer by layer."""

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Scheme
from jaxvis.cli.flags import Precision, default_of, flatten_flags
from jaxvis.cli.locking import lock_folder
from jaxvis.cli.parsing import parse_size
from jaxvis.cli.photographs import read_photograph
from jaxvis.cli.ranvgg_folder import COMMAND, begin_stack, build_sized, resume_stack, write_stack
from jaxvis.cli.saving import new_folder
from jaxvis.cli.style_flags import POOL, PoolFlags
from jaxvis.methods.ranvgg.candidates import Distribution, list_inverted_layers
from jaxvis.methods.ranvgg.stack import Stack, StackRecipe, plan_stack
from jaxvis.network import Network

SCHEME = default_of(Distribution, "scheme")


def stack(
    image: str,
    /,
    *,
    net: str = "vgg19",
    networks: int = default_of(plan_stack, "networks"),
    candidates: int = default_of(StackRecipe, "candidates"),
    starts: int = default_of(StackRecipe, "starts"),
    steps: int = default_of(StackRecipe, "steps"),
    stop: str | None = None,
    scheme: Scheme = SCHEME,
    sigma: float = default_of(Distribution, "sigma"),
    size: str = "224",
    pool: PoolFlags = POOL,
    precision: Precision = "float32",
    seed: int = 0,
    chunk: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> int:
    """Builds random networks layer by layer, of each layer the best of several.

    The networks are written after every layer. Ctrl-C keeps them, and --resume goes on.
    For example: jaxvis ranvgg stack photo.jpg --networks 8 --out networks

    Args:
      image: the reference: a file, or astronaut, chelsea, coffee or rocket.
      net: the network's name.
      networks: how many are built, side by side, from different seeds.
      candidates: weights drawn for each layer, of which one is kept.
      starts: noise images that each candidate is tried from.
      steps: evaluations of each candidate's reconstruction.
      stop: the last layer that is kept, such as relu7; the last before the fully
        connected ones if left out.
      scheme: he, gaussian (with --sigma, as in the paper), or unit (mean activation 1
        on the image).
      sigma: standard deviation of gaussian.
      size: the image is cropped to it, 224 or 224x320 (H x W); 256 for the paper's
        fully connected layers, which are made for it.
      precision: of the network's products.
      seed: of all randomness, from 0 to 4294967295.
      chunk: candidates tried together; fitted to the memory if left out.
      out: a new or empty folder; jaxvis-ranvgg-stack if left out.
      overwrite: write into a folder that holds files.
      resume: go on in the folder --out, after the last layer that it holds.

    Raises:
      OSError: if image or folder cannot be opened.
      ValueError: for a flag that does not fit the network, or the folder's record.
    """
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    built = build_sized(net, size, pool.pool, precision)
    stop = stop or list_inverted_layers(built)[-1]
    photo = read_photograph(image, size=parse_size(size), channels=built.channels)
    recipe = StackRecipe(candidates, starts, steps, Distribution(scheme, sigma))
    job = plan_stack(built, photo, networks=networks, stop=stop, key=seed, recipe=recipe)
    facts = {
        "arguments": arguments,
        "net": net,
        "weights": f"random:{seed}",
        "image_sha256": hashlib.sha256(photo.tobytes()).hexdigest(),
        "inputs": hash_inputs(image),
        "interrupted": True,
    }
    to, before = _open_folder(out, built, facts, overwrite=overwrite, resume=resume)
    try:
        for found in job.layers(before=before, chunk=chunk, progress=True):
            tap = list(found.chosen)[-1]
            write_stack(to, built, found, tap, {**facts, "seconds": time.perf_counter() - begin})
            losses = found.losses[tap]
            print(f"{tap}: losses {np.nanmin(losses):.3g} to {np.nanmax(losses):.3g}", flush=True)
    except KeyboardInterrupt:
        print(f"interrupted: --resume --out {to} goes on", file=sys.stderr)
        return 130
    facts |= {"interrupted": False, "seconds": time.perf_counter() - begin}
    write_stack(to, built, found, stop, facts)
    print(f"{to}: {networks} networks up to {stop}, record")
    return 0


def _open_folder(
    out: Path | None, net: Network, facts: dict[str, Any], *, overwrite: bool, resume: bool
) -> tuple[Path, Stack | None]:
    """Opens the folder to write to; gives what it holds of the stack already."""
    if resume and out is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    if resume and out is not None and (out / "record.json").exists():
        lock_folder(out)
        return out, resume_stack(out, net, facts)
    folder = new_folder(out, COMMAND, overwrite=overwrite and not resume)
    begin_stack(folder, facts)
    return folder, None
