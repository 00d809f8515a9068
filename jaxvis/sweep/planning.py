"""A sweep in two calls: plan it, make it."""

import os
from collections.abc import Sequence
from dataclasses import replace

from jaxvis.nets.network_file import hash_network_file, is_network_file
from jaxvis.sweep.build import Wish, make_plan
from jaxvis.sweep.engines import find_engine
from jaxvis.sweep.kinds.base import Subject
from jaxvis.sweep.plan import Plan, Source
from jaxvis.sweep.run import Tell
from jaxvis.sweep.store import Store, open_store
from jaxvis.sweep.subject import describe_photos, load_source, open_photos
from jaxvis.weights.labels import IMAGENET
from jaxvis.weights.load import LoadedNetwork
from jaxvis.weights.tensor_file import hash_file


def plan_sweep(
    network: str | Source,
    wish: Wish,
    *,
    photos: str | os.PathLike | None = None,
    judges: Sequence[str | Source] = (),
) -> Plan:
    """Plans a sweep; nothing is made yet.

    Args:
      network: its name, the file that describes it, or a `Source` that says which weights.
      wish: what is made of it.
      photos: a folder of photographs, for methods that begin from them.
      judges: networks that say what they see in every picture.

    Raises:
      OSError: if weights or photographs cannot be opened.
      ValueError: for what the method or the network cannot do; names the fix.

    >>> from jaxvis.sweep import Wish, plan_sweep
    >>> wish = Wish(units=[("conv2_1", range(8))], settings={"steps": [64]}, seeds=2)
    >>> plan_sweep("demo", wish).count
    16
    """
    source, opened = identify(_as_source(network))
    found = describe_photos(os.fspath(photos)) if photos is not None else None
    subject = Subject(opened, open_photos(found))
    named = [identify(_as_source(one))[0] for one in judges]
    units = [(tap, tuple(indices)) for tap, indices in wish.units]
    return make_plan(source, subject, replace(wish, units=units), photos=found, judges=named)


def make_sweep(
    plan: Plan,
    url: str | os.PathLike,
    *,
    engine: str = "local",
    workers: int | None = None,
    part: tuple[int, int] = (1, 1),
    tell: Tell | None = None,
) -> Store:
    """Makes what is missing of a plan, and gives the store.

    Args:
      plan: what is made.
      url: a folder, or what fsspec reaches, such as s3://bucket/path.
      engine: "local", "ray" or "slurm".
      workers: of Ray and SLURM, how many.
      part: (i, n) makes every n-th shard, from the i-th.
      tell: called with each shard that is written, and its rows.

    Raises:
      KeyboardInterrupt: on Ctrl-C; shards that were finished are written.
      OSError: if a file cannot be opened or written.
      ValueError: for another plan, another writer, or weights that have changed.

    >>> import tempfile
    >>> from jaxvis.sweep import Wish, make_sweep, plan_sweep
    >>> wish = Wish(units=[("conv2_1", [3])], settings={"steps": [2]}, size=(32, 32))
    >>> store = make_sweep(plan_sweep("demo", wish), tempfile.mkdtemp())
    >>> [row["status"] for row in store.read_rows()]
    ['done']
    """
    store = open_store(url)
    find_engine(engine)(plan, store, workers=workers, part=part, tell=tell, options={})
    return store


def identify(source: Source) -> tuple[Source, LoadedNetwork]:
    """Opens a network, and gives it as a plan names it: with the sha256 of its files.

    Args:
      source: the network; sums that it has are replaced.

    Raises:
      OSError, ValueError: as `jaxvis.load`.
    """
    opened = load_source(source)
    own = source.labels if source.labels != IMAGENET else None
    described = is_network_file(source.name)
    whole = replace(
        source,
        sha256=opened.sha256,
        net_sha256=hash_network_file(source.name) if described else None,
        labels_sha256=hash_file(own) if own else None,
    )
    return whole, opened


def _as_source(network: str | Source) -> Source:
    return network if isinstance(network, Source) else Source(network)
