"""A sweep's folder that no sweep has made: as many layers and units as a test wants."""

import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from jaxvis.sweep.plan import Plan, Shard, Source
from jaxvis.sweep.plan_file import plan_to_json

HOSTILE = "<script>alert(1)</script>"
QUOTES = "a\"b'&<img src=x onerror=alert(1)>"
CLIMBS = "../../x"
TURNED = "\u202eabc\u2028\ud800\x1b[31m</title>"
NAMES = (HOSTILE, QUOTES, CLIMBS, TURNED)


@dataclass(frozen=True)
class Fabric:
    """What a fabricated folder holds."""

    taps: tuple[str, ...] = ("conv1_1", "conv2_1", "fc8")
    units: int = 6
    seeds: int = 2
    side: int = 48
    measured: bool = True
    labels: tuple[str, ...] = ("disc", "square", "ring", "cross", "star", "stripes")
    method: str = "maximize"
    network: str = "demo"
    total: int | None = None
    extra: tuple = field(default=())


def draw_tile(number: int, side: int) -> bytes:
    """Draws a small picture in a colour of its own."""
    y, x = np.mgrid[:side, :side] / side * 2 - 1
    angle = number * 2.399963
    waves = np.sin((x * math.cos(angle) + y * math.sin(angle)) * (5 + number % 7) + number)
    rings = np.cos(np.hypot(x, y) * (4 + number % 5) * 2 - number)
    channels = [
        0.5 + 0.25 * waves + 0.25 * rings * math.cos(angle + turn) for turn in (0, 2.1, 4.2)
    ]
    pixels = (255 * np.clip(np.stack(channels, axis=-1), 0, 1)).astype(np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png")
    return file.getvalue()


def draw_strip(number: int, side: int, count: int) -> bytes:
    """Draws pictures side by side."""
    tiles = [Pillow.open(io.BytesIO(draw_tile(number * 31 + i, side))) for i in range(count)]
    page = Pillow.new("RGB", (side * count, side))
    for i, tile in enumerate(tiles):
        page.paste(tile, (i * side, 0))
    file = io.BytesIO()
    page.save(file, "png")
    return file.getvalue()


def fabricate(folder: Path, fabric: Fabric = Fabric()) -> Path:
    """Writes the folder of a sweep."""
    tiles = [draw_tile(number, fabric.side) for number in range(24)]
    strip = draw_strip(5, 32, 5)
    for number in range(len(fabric.taps)):
        shard = f"shard_{number:03d}"
        rows = list_rows(fabric, number, shard)
        (folder / "shards" / shard).mkdir(parents=True)
        for place, row in enumerate(rows):
            if row["file"]:
                (folder / row["file"]).write_bytes(tiles[(place + 5 * number) % len(tiles)])
        write_json(
            folder / "records" / f"{shard}.json", {"shard": shard, "rows": rows, "files": {}}
        )
        if fabric.measured:
            write_measures(folder, fabric, number, strip)
    if fabric.extra:
        write_json(folder / "records" / "zz.json", {"shard": "zz", "rows": list(fabric.extra)})
    if fabric.measured:
        write_json(folder / "network.json", describe_network(fabric))
    write_json(folder / "plan.json", describe_plan(fabric))
    return folder


def write_json(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schema": 1, **value}))


def list_rows(fabric: Fabric, number: int, shard: str) -> list[dict]:
    """Lists the rows of a layer; the last unit is dead, the last but one failed."""
    tap = fabric.taps[number]
    classes = number == len(fabric.taps) - 1
    rows = []
    for index in range(fabric.units):
        for seed in range(fabric.seeds):
            value = math.sin(index * 1.7 + seed + number) * 5 + 6
            status = "dead" if index == fabric.units - 1 else "done"
            failed = index == fabric.units - 2 and seed == 1
            name = f"l{number}_{index:04d}_{seed}"
            rows.append(
                {
                    "name": name,
                    "method": fabric.method,
                    "settings": {"recipe": "robust", "steps": 64},
                    "tap": tap,
                    "index": index,
                    "label": fabric.labels[index % len(fabric.labels)] if classes else None,
                    "seed": seed,
                    "source": None,
                    "file": None if failed else f"shards/{shard}/{name}.png",
                    "status": "failed" if failed else status,
                    "size": [fabric.side, fabric.side],
                    "metrics": {"loss": -value, "activation": value, "bad": "nan"},
                    "judges": describe_judges(index) if classes else [],
                    "curve": [value * (1 - math.exp(-step / 9)) * -1 for step in range(64)],
                }
            )
    return rows


def describe_judges(index: int) -> list[dict]:
    facts = {"class": index, "label": "tench", "probability": 0.25, "rank": 3}
    return [{"network": "vgg19", **facts}, {"network": NAMES[0], **facts, "rank": None}]


def write_measures(folder: Path, fabric: Fabric, number: int, strip: bytes) -> None:
    tap, own = fabric.taps[number], f"measures/layer{number}"
    (folder / own).mkdir(parents=True)
    units = []
    for index in range(fabric.units):
        file = f"{own}/{index:04d}_top.png"
        (folder / file).write_bytes(strip)
        patches = [
            {"image": f"cat_{i}.jpg", "value": 9.5 - i, "box": [0, 0, 9, 9], "share": i / 4}
            for i in range(5)
        ]
        patches[0]["image"] = NAMES[index % len(NAMES)]
        picture = {"file": file, "side": 32, "patches": patches}
        near = [[(index + i) % fabric.units, 0.9 - i / 10] for i in (1, 2, 3)]
        links = [
            [one, (index + i) % fabric.units, 0.5 - i / 3]
            for i in (0, 1, 2, 3)
            for one in fabric.taps
        ]
        degrees = list(range(0, 180, 15))
        tuning = {
            "angle": {"x": degrees, "y": [math.cos(math.radians(2 * d + index)) for d in degrees]},
            "hue": {
                "x": [2 * d for d in degrees],
                "y": [math.sin(math.radians(d)) for d in degrees],
            },
        }
        units.append(
            {
                "index": index,
                "top": picture,
                "relevant": picture,
                "quantiles": picture,
                "histogram": {
                    "edges": [2.0**i for i in range(-4, 13)],
                    "counts": [round(40 * math.exp(-((i - 8) ** 2) / 12)) for i in range(16)],
                },
                "tuning": tuning,
                "near_by_weight": near,
                "near_by_activation": near,
                "fed_by": links[:4],
                "feeds": links[4:8],
                "metrics": {"mean": index / 7, "largest": 9.5, "share_active": 0.3},
            }
        )
    about = {"tap": tap, "channels": fabric.units + 2, "images": {"count": 60, "skipped": []}}
    write_json(folder / "measures" / f"layer{number}.json", {**about, "units": units})


def describe_network(fabric: Fabric) -> dict:
    layers = [
        {
            "tap": tap,
            "op": "conv",
            "shape": [32 >> i, 32 >> i, fabric.units],
            "receptive_field": [3 + 8 * i, 3 + 8 * i],
            "stride": [1, 1],
            "parameters": 448 * (i + 1),
            "reads": [fabric.taps[i - 1] if i else "input"],
        }
        for i, tap in enumerate(fabric.taps)
    ]
    return {
        "name": fabric.network,
        "weights": "embedded",
        "input": [64, 64, 3],
        "classes": fabric.taps[-1],
        "labels": list(fabric.labels),
        "layers": layers,
    }


def describe_plan(fabric: Fabric) -> dict:
    counts = dict.fromkeys(fabric.taps, fabric.units)
    if fabric.total is not None:
        counts = {None: fabric.total}
    shards = tuple(
        Shard(f"s{i}", tap, tuple(range(count)), (), (48, 48), {})
        for i, (tap, count) in enumerate(counts.items())
    )
    seeds = fabric.seeds if fabric.total is None else 1
    return plan_to_json(Plan(fabric.method, Source(fabric.network), shards, seeds=seeds))


def describe_example(method: str, tap: str | None, index: int | None, source: str) -> dict:
    """Describes a row of a picture that was made from a photograph, without its file."""
    return {
        "name": f"{method}_{tap}_{index}_{len(source)}",
        "method": method,
        "settings": {"heat": "grad_cam"} if method == "explain" else {"steps": 50},
        "tap": tap,
        "index": index,
        "label": None,
        "seed": 0,
        "source": source,
        "file": None,
        "status": "failed",
        "size": [48, 48],
        "metrics": {},
        "judges": [],
        "curve": [],
    }
