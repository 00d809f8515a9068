"""jaxvis sweep status: how far a sweep is, how fast, and what went wrong."""

import time
from json import dumps

from jaxvis.escape import escape, escape_path
from jaxvis.sweep.estimate import say_time
from jaxvis.sweep.status import Status, Watch
from jaxvis.sweep.store import open_store

PAUSE = 2.0
"""Seconds between two looks at a sweep that is followed."""
SHOWN = 5
"""Reasons that are listed."""


def status(dir: str, /, *, json: bool = False, follow: bool = False) -> int:
    """Says how far a sweep is, how fast, who is at it, and which pictures failed and why.

    The exit code is 0 if every shard is there, and 1 if some are missing or their record is
    damaged; pictures that failed or are dead are listed, but do not count, since to make
    them again would not help. For example: jaxvis sweep status pictures --follow

    Args:
      dir: the folder of the sweep, or s3://bucket/path, gs://...
      json: print it as JSON, in one line.
      follow: look again and again, and print what has changed, until every shard is there.

    Raises:
      OSError: if the folder cannot be read.
      ValueError: if it holds no sweep.
    """
    store = open_store(dir)
    watch = Watch(store)
    found = watch.look()
    while follow and not found.complete:
        print(dumps(found.to_json()) if json else describe_progress(found), flush=True)
        before = found
        while not found.complete and found.shards_done == before.shards_done:
            time.sleep(PAUSE)
            found = watch.look()
    print(dumps(found.to_json()) if json else describe_status(store.url, found))
    return 0 if found.complete else 1


def describe_progress(found: Status) -> str:
    """Describes how far a sweep is in one line.

    Args:
      found: what a look at it has shown.
    """
    words = [
        time.strftime("%H:%M:%S"),
        f"{found.pictures_done} of {found.pictures} pictures",
        f"{found.shards_done} of {found.shards} shards",
    ]
    if found.speed is not None:
        words.append(say_speed(found.speed))
    if found.seconds_left is not None:
        words.append(f"{say_time(found.seconds_left)} left")
    return ", ".join(words)


def describe_status(url: str, found: Status) -> str:
    """Describes how far a sweep is in a few lines.

    Args:
      url: of the sweep.
      found: what a look at it has shown.
    """
    share = 100 * found.pictures_done // found.pictures
    lines = [
        f"{escape_path(url)}: {escape(found.method)} of {escape(found.network)}, "
        f"{found.shards_done} of {found.shards} shards, {found.pictures_done} of "
        f"{found.pictures} pictures ({share}%)"
    ]
    if found.ends:
        lines.append(", ".join(f"{count} {escape(end)}" for end, count in found.ends.items()))
    for reason in found.reasons[:SHOWN]:
        what = f"{escape(reason.why)}, such as {escape(reason.example)}"
        lines.append(f"  failed {reason.count} times: {what}")
    if len(found.reasons) > SHOWN:
        lines.append(f"  and for {len(found.reasons) - SHOWN} other reasons: see --json")
    for name in found.damaged[:SHOWN]:
        lines.append(f"  the record of {escape(name)} is damaged: jaxvis sweep verify --mend")
    if found.speed is not None:
        left = "" if found.complete else f", {say_time(found.seconds_left or 0)} left at that"
        lines.append(f"{say_speed(found.speed)}{left}")
    if found.last is not None:
        ago = say_time(max(0.0, time.time() - found.last.ended))
        where = f"{escape(found.last.host)} by {escape(found.last.engine)}"
        lines.append(f"{escape(found.last.shard)} came last, {ago} ago, on {where}")
    if found.holder:
        lines.append(f"{found.holder} is writing")
    elif not found.complete:
        lines.append(f"nobody is known to write: jaxvis sweep resume {escape_path(url)} goes on")
    return "\n".join(lines)


def say_speed(speed: float) -> str:
    """Says a speed: "2.5 pictures a second", "14 pictures a minute".

    Args:
      speed: pictures a second.
    """
    if speed >= 1:
        return f"{speed:.3g} pictures a second"
    return f"{60 * speed:.3g} pictures a minute"
