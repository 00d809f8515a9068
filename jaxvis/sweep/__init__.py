"""A sweep: a plan of every picture, and a store in which each is wholly there or not at all."""

from jaxvis.sweep.build import Wish
from jaxvis.sweep.plan import Photos, Plan, Shard, Source
from jaxvis.sweep.plan_file import read_plan, write_plan
from jaxvis.sweep.planning import make_sweep, plan_sweep
from jaxvis.sweep.store import Store, open_store

__all__ = [
    "Photos",
    "Plan",
    "Shard",
    "Source",
    "Store",
    "Wish",
    "make_sweep",
    "open_store",
    "plan_sweep",
    "read_plan",
    "write_plan",
]
