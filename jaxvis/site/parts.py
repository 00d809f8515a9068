"""Parts of a site: what folders of sweeps hold, ordered by layers and units."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxvis.site.addresses import slug_names, unit_address
from jaxvis.site.facts import LayerFacts, NetworkFacts
from jaxvis.site.labels import Label
from jaxvis.site.measured import Measures, UnitMeasures
from jaxvis.site.pictures import Pictures
from jaxvis.site.reading import Sweep
from jaxvis.site.retelling import write_command
from jaxvis.site.rows import Row

CLASSES = "class scores"
"""What the layer of classes is called where nothing names it."""
METHODS = ("maximize", "generate", "invert", "caricature", "explain")
"""The order in which methods are shown; others follow."""
OF_PHOTOGRAPHS = ("attack", "ranvgg")
"""Methods whose index is no unit of a layer."""


@dataclass(frozen=True)
class Picture:
    """A picture of a sweep in the site.

    Attributes:
      row: what the record says.
      address: in the site, or None where there is no file.
      command: that makes it again, or None.
    """

    row: Row
    address: str | None
    command: str | None


@dataclass(frozen=True)
class Unit:
    """A unit of a layer, or a class.

    Attributes:
      index: its number.
      address: of its page in the site, without ".html".
      label: what it is called, or None.
      score: how well the label fits, or None.
      pictures: of it, in the order of methods and seeds.
      measures: what was measured of it, or None.
    """

    index: int
    address: str
    label: str | None
    score: float | None
    pictures: tuple[Picture, ...]
    measures: UnitMeasures | None

    @property
    def drawn(self) -> tuple[Picture, ...]:
        """The pictures that show what it sees, without heatmaps of photographs."""
        return tuple(one for one in self.pictures if one.row.method != "explain")

    @property
    def cover(self) -> Picture | None:
        """The picture that stands for it: the first that is well."""
        there = [one for one in self.drawn or self.pictures if one.address is not None]
        well = [one for one in there if one.row.status == "done"]
        return next(iter(well or there), None)

    @property
    def metrics(self) -> Mapping[str, float]:
        """Its numbers: those that were measured, and those of its cover."""
        found = dict(self.measures.metrics) if self.measures is not None else {}
        cover = self.cover or next(iter(self.pictures), None)
        if cover is None:
            return found
        found |= cover.row.metrics
        for judge in cover.row.judges:
            numbers = {"probability": judge.probability, "rank": judge.rank}
            known = {name: value for name, value in numbers.items() if value is not None}
            found |= {f"{judge.network}: {name}": value for name, value in known.items()}
        return found


@dataclass(frozen=True)
class Layer:
    """A layer whose units have pages.

    Attributes:
      tap: its name, as it is shown.
      slug: the part of addresses that stands for it.
      facts: of the network's table, or None.
      units: by their numbers.
      examples: pictures made from photographs, which belong to the whole layer.
      measures: of the layer, or None.
      of_classes: whether its units are classes.
    """

    tap: str
    slug: str
    facts: LayerFacts | None
    units: Mapping[int, Unit]
    examples: tuple[Picture, ...]
    measures: Measures | None
    of_classes: bool

    @property
    def channels(self) -> int:
        """How many units it has, as far as is known."""
        known = self.measures.channels if self.measures is not None else 0
        if self.facts is not None and self.facts.shape:
            known = max(known, self.facts.shape[-1])
        return max(known, len(self.units))


@dataclass(frozen=True)
class Part:
    """A part of a site: one network, or one of several runs of it.

    Attributes:
      name: what it is called.
      prefix: of its addresses, "" or such as "runs/a/".
      network: facts, or None.
      layers: name -> layer, in the network's order.
      others: pictures that belong to no layer.
      files: its picture files.
      done, total: how many pictures there are, and will be.
    """

    name: str
    prefix: str
    network: NetworkFacts | None
    layers: Mapping[str, Layer]
    others: tuple[Picture, ...]
    files: tuple[Pictures, ...]
    done: int
    total: int

    def place(self, file: str) -> str | None:
        """Gives the address of a picture of any of its folders; None where it is not there.

        Args:
          file: its path inside the folder.
        """
        placed = (files.place(file) for files in self.files)
        return next((one for one in placed if one is not None), None)


def gather_part(
    sweeps: Sequence[Sweep], *, name: str, prefix: str, labels: Mapping[tuple[str, int], Label]
) -> Part:
    """Orders what folders of one network hold by layers and units.

    Args:
      sweeps: at least one; their pictures are shown together.
      name: of the part.
      prefix: of its addresses.
      labels: (tap, index) -> label, which counts before those of records.
    """
    network = next((one.network for one in sweeps if one.network is not None), None)
    measures: dict[str, Measures] = {}
    for sweep in sweeps:
        measures = {**sweep.measures, **measures}
    classes = network.classes if network is not None and network.classes else CLASSES
    files = tuple(
        Pictures(sweep.folder, f"{prefix}pictures{f'-{number}' if number > 1 else ''}/")
        for number, sweep in enumerate(sweeps, 1)
    )
    by_tap, others = _place_pictures(sweeps, files, classes)
    known = [one.tap for one in network.layers] if network is not None else []
    order = list(dict.fromkeys([*known, *sorted({*by_tap, *measures})]))
    slugs = slug_names(order)
    facts = {one.tap: one for one in network.layers} if network is not None else {}
    layers = {}
    for tap in order:
        if tap in by_tap or tap in measures:
            own = by_tap.get(tap, [])
            names = _Names(tap, prefix, slugs[tap], labels, network, tap == classes)
            layers[tap] = Layer(
                tap=tap,
                slug=slugs[tap],
                facts=facts.get(tap),
                units=_gather_units(own, measures.get(tap), names=names),
                examples=_sort([one for one in own if one.row.index is None]),
                measures=measures.get(tap),
                of_classes=tap == classes,
            )
    total = sum(one.total for one in sweeps)
    done = sum(len(one.rows) for one in sweeps)
    return Part(name, prefix, network, layers, _sort(others), files, done, total)


def _place_pictures(
    sweeps: Sequence[Sweep], files: Sequence[Pictures], classes: str
) -> tuple[dict[str, list[Picture]], list[Picture]]:
    """Places the pictures of sweeps in their layers; gives those of no layer, too."""
    by_tap: dict[str, list[Picture]] = defaultdict(list)
    others = []
    for sweep, own in zip(sweeps, files):
        for row in sweep.rows:
            command = write_command(row, sweep.name, sweep.plan, classes=classes)
            picture = Picture(row, own.place(row.file), command)
            if row.method in OF_PHOTOGRAPHS or (row.tap is None and row.index is None):
                others.append(picture)
            else:
                by_tap[row.tap if row.tap is not None else classes].append(picture)
    return dict(by_tap), others


@dataclass(frozen=True)
class _Names:
    """What names the units of a layer."""

    tap: str
    prefix: str
    slug: str
    labels: Mapping[tuple[str, int], Label]
    network: NetworkFacts | None
    of_classes: bool

    def find(self, index: int, pictures: Sequence[Picture]) -> Label | None:
        """Finds the label of a unit: the user's, the record's, or the network's."""
        given = self.labels.get((self.tap, index))
        if given is not None:
            return given
        for one in pictures:
            if one.row.label is not None:
                return Label(one.row.label, None)
        known = self.network.labels if self.network is not None and self.of_classes else ()
        return Label(known[index], None) if index < len(known) else None


def _gather_units(
    pictures: Sequence[Picture], measures: Measures | None, *, names: _Names
) -> dict[int, Unit]:
    by_index: dict[int, list[Picture]] = defaultdict(list)
    for one in pictures:
        if one.row.index is not None:
            by_index[one.row.index].append(one)
    measured = measures.units if measures is not None else {}
    units = {}
    for index in sorted({*by_index, *measured}):
        own = _sort(by_index.get(index, []))
        label = names.find(index, own)
        units[index] = Unit(
            index=index,
            address=names.prefix + unit_address(names.slug, index),
            label=label.text if label else None,
            score=label.score if label else None,
            pictures=own,
            measures=measured.get(index),
        )
    return units


def _sort(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    def rank(one: Picture) -> tuple[int, str, str, int, str]:
        method = one.row.method
        place = METHODS.index(method) if method in METHODS else len(METHODS)
        return place, method, one.row.source or "", one.row.seed, one.row.name

    return tuple(sorted(pictures, key=rank))
