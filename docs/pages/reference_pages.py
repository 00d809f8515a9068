"""The reference: every public name on the page of its family, described by its docstring."""

import importlib
import inspect
from types import ModuleType
from typing import NamedTuple

import jaxvis
from jaxvis.exports import MODULES, PLACES


class Family(NamedTuple):
    """A page: its name, title, first sentence, and the parts of jaxvis that it describes.

    Public names that are defined in these parts stand on the page, one by one; public
    modules are described whole, after them.
    """

    page: str
    title: str
    words: str
    packages: tuple[str, ...]


FAMILIES = (
    Family(
        "networks",
        "Networks and weights",
        "Where networks come from: by name with their weights, from other frameworks, from a list "
        "of layers.",
        ("nets", "weights", "network"),
    ),
    Family("methods", "Methods", "What makes pictures.", ("methods",)),
    Family(
        "heatmaps",
        "Heatmaps",
        "Which pixels of a photograph speak for a class, a channel, a neuron or a direction.",
        ("attribution",),
    ),
    Family(
        "analysis",
        "Analysis",
        "Weights, activations, patches, neighbours, embeddings and concepts.",
        ("analysis",),
    ),
    Family("attacks", "Attacks", "All are called as `jaxvis.attacks.NAME`.", ("attacks",)),
    Family("defences", "Defences", "Filters, robust training and certificates.", ("defences",)),
    Family(
        "evaluate",
        "Evaluation",
        "Judges of heatmaps, and of how robust a network is.",
        ("evaluate",),
    ),
    Family("sweeps", "Sweeps and sites", "Many items, every result saved.", ("sweep", "site")),
    Family(
        "building_blocks",
        "Building blocks",
        "What methods are made of: words, objectives, canvases, views, priors, optimizers and "
        "recipes.",
        ("types", "loss", "optimize", "recipes"),
    ),
    Family(
        "output",
        "Pictures, figures and devices",
        "Image files, figures, and how programs are compiled and spread over devices.",
        ("output", "compiler", "devices"),
    ),
)
EXTRA = {"building_blocks": ("jaxvis.loss.compose.compose", "jaxvis.optimize.Problem",
                             "jaxvis.optimize.solve")}  # fmt: skip
"""Page -> what else it describes: the words of the worked example in docs/concepts.md."""


def find_family(name: str) -> Family:
    """Finds the page of a public name.

    Args:
      name: one of `jaxvis.__all__`.

    Raises:
      LookupError: for a name of a part that has no page yet.
    """
    place = PLACES.get(name) or MODULES.get(name, "")
    for family in FAMILIES:
        if place.partition(".")[2].partition(".")[0] in family.packages:
            return family
    raise LookupError(f"jaxvis.{name} ({place}) has no page: add its part to FAMILIES")


def list_members(module: ModuleType) -> list[str]:
    """Lists the public functions and classes of a module, in the order of its `__all__`."""
    named = getattr(module, "__all__", None)
    if named is None:
        named = [name for name, value in vars(module).items() if _is_own(module, name, value)]
    return [name for name in named if inspect.getdoc(getattr(module, name))]


def _is_own(module: ModuleType, name: str, value: object) -> bool:
    return (
        not name.startswith("_")
        and (inspect.isclass(value) or inspect.isroutine(value))
        and getattr(value, "__module__", None) == module.__name__
    )


def make_pages() -> dict[str, str]:
    """Makes the pages: path in the site -> Markdown; the list of families is the first."""
    names = {family: list[str]() for family in FAMILIES}
    for name in jaxvis.__all__:
        names[find_family(name)].append(name)
    families = [family for family in FAMILIES if names[family]]
    lines = ["# Reference", "", "Everything that a user needs is one dot away.", ""]
    lines += [f"- [{family.title}]({family.page}.md): {family.words}" for family in families]
    pages = {"reference/index.md": "\n".join(lines) + "\n"}
    for family in families:
        pages[f"reference/{family.page}.md"] = _make_page(family, names[family])
    return pages


def _make_page(family: Family, names: list[str]) -> str:
    lines = [f"# {family.title}", "", family.words]
    own = [f"jaxvis.{name}" for name in names if name not in MODULES]
    for place in [*own, *EXTRA.get(family.page, ())]:
        lines += ["", f"::: {place}"]
    for public in names:
        if public in MODULES:
            lines += _describe_module(public)
    return "\n".join(lines) + "\n"


def _describe_module(public: str) -> list[str]:
    """Describes a public module: its first line, and all that it offers."""
    module = importlib.import_module(MODULES[public])
    about = (module.__doc__ or "").strip().partition("\n")[0]
    lines = ["", f"## jaxvis.{public} {{ #jaxvis-{public} }}", "", about]
    for name in list_members(module):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            place = f"{value.__module__}.{value.__qualname__}"
            lines += ["", f"::: {place}", "    options:", "      heading_level: 3"]
            lines.append(f"      heading: {public}.{name}")
    return lines
