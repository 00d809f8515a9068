"""Facts of a network and of a plan, read from a sweep's folder."""

from dataclasses import dataclass
from pathlib import Path

from jaxvis.site.fields import Fields, read_fields
from jaxvis.sweep.plan_file import read_plan
from jaxvis.sweep.store import PLAN


@dataclass(frozen=True)
class LayerFacts:
    """What a layer is.

    Attributes:
      tap: its name.
      op: what it computes, such as "conv".
      shape: of its activations, [h, w, c] or [d].
      field: (height, width) of its receptive field in pixels, or None.
      stride: (down, right) in pixels from one position to the next, or None.
      parameters: how many it has, or None.
      reads: the layers that feed it, and "input".
    """

    tap: str
    op: str
    shape: tuple[int, ...]
    field: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    parameters: int | None
    reads: tuple[str, ...]


@dataclass(frozen=True)
class NetworkFacts:
    """What a network is.

    Attributes:
      name: of the network.
      weights: what they are called, or None.
      input: (H, W, C) that it is made for, or ().
      classes: the layer of class scores, or None.
      labels: of the classes, by index.
      layers: in the order in which they are computed.
    """

    name: str
    weights: str | None
    input: tuple[int, ...]
    classes: str | None
    labels: tuple[str, ...]
    layers: tuple[LayerFacts, ...]


@dataclass(frozen=True)
class PlanFacts:
    """What a plan says that pages show.

    Attributes:
      network: its name.
      weights: as the user named them, or None.
      sha256: of the file of weights, or None.
      method: of the sweep.
      seed: of all randomness.
      total: how many pictures there will be.
    """

    network: str
    weights: str | None
    sha256: str | None
    method: str
    seed: int
    total: int


def read_network(folder: Path) -> NetworkFacts | None:
    """Reads network.json of a folder; None where there is none.

    Args:
      folder: of the sweep.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it does not describe a network.
    """
    path = folder / "network.json"
    if not path.exists():
        return None
    fields = read_fields(path, str(path))
    labels = fields.sequence("labels")
    if not all(isinstance(one, str) for one in labels):
        raise ValueError(f"{fields.where}: labels are texts")
    return NetworkFacts(
        name=fields.text("name"),
        weights=fields.optional_text("weights"),
        input=_read_sizes(fields, "input") or (),
        classes=fields.optional_text("classes"),
        labels=tuple(labels),
        layers=tuple(_read_layer(one) for one in fields.objects("layers")),
    )


def _read_layer(fields: Fields) -> LayerFacts:
    reads = fields.sequence("reads")
    if not all(isinstance(one, str) for one in reads):
        raise ValueError(f"{fields.where}: reads are names of layers")
    return LayerFacts(
        tap=fields.text("tap"),
        op=fields.optional_text("op") or "",
        shape=_read_sizes(fields, "shape") or (),
        field=_read_sizes(fields, "receptive_field"),
        stride=_read_sizes(fields, "stride"),
        parameters=fields.optional_whole("parameters"),
        reads=tuple(reads),
    )


def _read_sizes(fields: Fields, name: str) -> tuple[int, ...] | None:
    if fields.value.get(name) is None:
        return None
    found = fields.sequence(name)
    if not all(isinstance(one, int | float) and 0 <= one < 2**40 for one in found):
        raise ValueError(f"{fields.where}: {name} is no list of sizes")
    return tuple(round(one) for one in found)


def read_plan_facts(folder: Path) -> PlanFacts | None:
    """Reads what pages show of plan.json of a folder; None where there is none.

    Args:
      folder: of the sweep.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no plan.
    """
    path = folder / PLAN
    if not path.exists():
        return None
    plan = read_plan(path)
    network = plan.network
    return PlanFacts(
        network=network.name,
        weights=network.weights,
        sha256=network.sha256,
        method=plan.method,
        seed=plan.seed,
        total=plan.count,
    )
