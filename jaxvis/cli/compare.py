"""jaxvis compare: every kind of heatmap of one photograph on one page, with scores."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
from tqdm import tqdm

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import ExplainMethod
from jaxvis.cli.explaining import Case, draw_maps, make_maps, open_case, widen
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    NetworkFlags,
    OutputFlags,
    Text,
    flatten_flags,
)
from jaxvis.cli.pages import write_pages
from jaxvis.cli.parsing import parse_words
from jaxvis.cli.saving import open_output
from jaxvis.cli.target_flags import TARGET, TargetFlags
from jaxvis.evaluate.heatmaps.curves import deletion, insertion
from jaxvis.evaluate.heatmaps.sparseness import sparseness
from jaxvis.output.sheet import contact_sheet

SLOW = ("score-cam", "ablation-cam", "hsic", "sobol", "lime")
"""Methods that need thousands of masked images; they run when they are named."""
SCORES = ("deletion", "insertion", "sparseness")
"""The scores of a heatmap; the page shows the first two."""


def compare(
    net: str,
    image: str,
    /,
    *,
    methods: Text = None,
    target: TargetFlags = TARGET,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Compares all kinds of heatmaps of one photograph: a page of pictures, scores and times.

    Deletion is the mean probability of the class while the hottest pixels are greyed out
    one after another (low is good); insertion is that while they are put into a blurred
    picture (high is good). For example: jaxvis compare googlenet photo.jpg

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      methods: such as saliency,lrp,grad-cam; all that take seconds if left out, "all" for
        all of them.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for an unknown method, or a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    known: tuple[str, ...] = get_args(ExplainMethod)
    chosen = known if methods == "all" else parse_words(methods)
    for name in chosen or ():
        if name not in known:
            raise ValueError(f"there is no method {name!r}; there are {', '.join(known)}")
    case = open_case(net, image, network=network, **vars(target))
    if len(case.indices) > 1:
        raise ValueError("compare explains one class: pass one --index, and leave --top out")
    to = open_output(output, "compare", count=1)
    rows, refused = [], {}
    wanted = chosen or [one for one in known if one not in SLOW]
    for name in tqdm(wanted, unit="method", delay=1):
        try:
            rows.append(_measure(case, name))
        except (ValueError, ImportError) as error:
            if chosen and methods != "all":
                raise
            refused[name] = str(error)  # it does not fit this network
    page = _draw(case, rows)
    for row in rows:  # not on the page, which is the same whenever it is made
        print(_format_row(row))
    for name, why in refused.items():
        print(f"{name} is left out: {why}")
    facts = [{key: value for key, value in row.items() if key != "picture"} for row in rows]
    return write_pages(
        to,
        case.opened,
        {"compare": page},
        about={"compare": {"indices": case.indices, "methods": facts, "refused": refused}},
        command="compare",
        arguments=arguments,
        inputs=hash_inputs(case.image),
    )


def _measure(case: Case, method: str) -> dict[str, Any]:
    """Makes the map of one method; returns its picture, scores and seconds."""
    maps, seconds = make_maps(case, method, {})
    caption, picture = draw_maps(case, method, maps[:1])[0]
    row: dict[str, Any] = {"method": method, "picture": picture, "seconds": round(seconds, 2)}
    row |= {"sparseness": float(np.mean(sparseness(maps[0]))), "caption": caption}
    if case.tap is None:
        given = (case.opened.net, case.opened.params, case.photo, maps[0])
        for name, curve in (("deletion", deletion), ("insertion", insertion)):
            row[name] = float(curve(*given, index=case.indices[0]).area)
    return row


def _format_row(row: dict[str, Any]) -> str:
    """Formats the scores and the time of a method as a line of a table."""
    scores = [f"{name} {row[name]:.3f}" for name in SCORES if name in row]
    return "  ".join([f"{row['method']:22}", *scores, f"{row['seconds']:.1f} s"])


def _draw(case: Case, rows: list[dict[str, Any]]) -> np.ndarray:
    """Draws the page: the photograph, then a picture a method with its scores below."""
    photo = np.broadcast_to(case.photo, (*case.photo.shape[:2], 3))
    pictures, captions = [photo], [f"{Path(case.image).stem}: {case.name(0)}"]
    for row in rows:
        words = [row["method"]]
        words += [f"{name} {row[name]:.2f}" for name in SCORES[:2] if name in row]
        pictures.append(row["picture"])
        captions.append(", ".join(words))
    return contact_sheet(widen(pictures), captions=captions, columns=5)
