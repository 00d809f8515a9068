"""Stores that look as if a sweep had made them, without a picture being computed."""

import hashlib
from dataclasses import replace

from jaxvis.sweep.plan import Plan, Shard, Source
from jaxvis.sweep.plan_file import hash_plan
from jaxvis.sweep.seals import seal_record
from jaxvis.sweep.store import encode_json, open_store

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def plan_shards(count=3, *, units=2, seeds=2, taps=("conv1_1",), settings=({"steps": 4},)):
    """Plans `count` shards a layer and settings, each of `units` channels."""
    kinds = [(tap, one) for one in settings for tap in taps]
    shards = [
        Shard(
            f"{number * count + k:05d}_{tap.replace('/', '_')}",
            tap,
            tuple(range(k * units, (k + 1) * units)),
            (),
            (8, 9),
            one,
        )
        for number, (tap, one) in enumerate(kinds)
        for k in range(count)
    ]
    return Plan("maximize", Source("demo", sha256="a" * 64), tuple(shards), seeds=seeds)


def make_rows(plan, shard, **changes):
    """Makes rows as a sweep does; `changes` are values of all rows."""
    rows = []
    for _, index in shard.items:
        for seed in range(plan.seeds):
            name = f"{shard.tap.replace('/', '_')}_{index:04d}_{seed}"
            row = {"name": name, "method": plan.method, "settings": dict(shard.settings)}
            row |= {"tap": shard.tap, "index": index, "label": f'"={index}", ü\n', "seed": seed}
            row |= {"source": None, "file": f"shards/{shard.name}/{name}.png", "status": "done"}
            row |= {"why": "", "finite": True, "size": [8, 9]}
            row |= {"metrics": {"loss": 0.5 + index, "rank": 0}, "judges": [], "curve": [2.0, 1.5]}
            rows.append(row | changes)
    return rows


def commit(store, plan, shard, rows=None, *, ended=1000.0, seconds=2.0, note=""):
    """Writes a shard with a picture for every row that names one."""
    rows = make_rows(plan, shard) if rows is None else rows
    files = [row["file"].rpartition("/")[2] for row in rows if row["file"]]
    pictures = {file: PICTURE + f"{file}{note}".encode() for file in files}
    sums = {
        f"shards/{shard.name}/{file}": hashlib.sha256(data).hexdigest()
        for file, data in pictures.items()
    }
    record = {"schema": 1, "shard": shard.name, "plan": hash_plan(plan), "chunk": 2}
    times = {"seconds": seconds, "ended": ended, "host": "here", "engine": "local"}
    store.files.write_folder(f"shards/{shard.name}", pictures)
    store.files.write(f"times/{shard.name}.json", encode_json(times))
    whole = seal_record({**record, "rows": rows, "files": sums})
    store.files.write(f"records/{shard.name}.json", whole)


def make_store(url, plan=None, *, which=None, **facts):
    """Makes a store with all shards of a plan, or those whose numbers are in `which`."""
    store, plan = open_store(url), plan or plan_shards()
    store.begin(plan)
    for number, shard in enumerate(plan.shards):
        if which is None or number in which:
            commit(store, plan, shard, **facts)
    return store, plan


def change_seeds(plan):
    """Gives another plan."""
    return replace(plan, seeds=plan.seeds + 1)
