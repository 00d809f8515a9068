"""Plans and stores that several tests begin from."""

from functools import cache
from pathlib import Path

import jaxvis
from jaxvis.sweep.build import Wish, make_plan
from jaxvis.sweep.kinds.base import Subject
from jaxvis.sweep.plan import Source
from jaxvis.sweep.subject import describe_photos, open_photos
from jaxvis.weights.load import load_network

PHOTOS = Path(jaxvis.__file__).parent / "output" / "photographs"


@cache
def open_demo():
    """Opens the demo network."""
    return load_network("demo")


def describe_demo():
    """Describes the demo network as a plan names it."""
    return Source("demo", sha256=open_demo().sha256)


def plan_demo(method="maximize", units=((None, (0, 1)),), *, photos=None, judges=(), **wish):
    """Plans a sweep of the demo network; steps are few where the method has them."""
    found = describe_photos(str(photos)) if photos else None
    subject = Subject(open_demo(), open_photos(found))
    given = {"settings": {"steps": [2]}, "size": (32, 32) if method == "maximize" else None}
    given |= wish
    return make_plan(
        describe_demo(), subject, Wish(method, units, **given), photos=found, judges=judges
    )


def read_files(folder):
    """Reads a store's files but those that say when."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if not name.startswith("times/")}
