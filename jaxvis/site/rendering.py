"""Templates become pages here, with every name and label escaped."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from jaxvis.escape import escape_characters
from jaxvis.site.addresses import hash_text
from jaxvis.site.charts import HEIGHT, WIDTH, format_number
from jaxvis.site.diagram import describe_shape

FOLDER = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of every page: the site's own files, and nothing else."""
TITLES = {
    "maximize": "Feature visualization",
    "generate": "Drawn by a generator",
    "invert": "Inversions",
    "caricature": "Caricatures",
    "explain": "What speaks for it in photographs",
    "attack": "Adversarial images",
    "ranvgg": "Random networks",
}
"""Method -> heading of its pictures."""


@lru_cache(maxsize=1)
def _open_templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_show,
    )
    found.filters |= {"number": format_number, "shape": describe_shape}
    found.globals |= {"POLICY": POLICY, "TITLES": TITLES, "CHART": (WIDTH, HEIGHT)}
    return found


def _show(value: Any) -> Any:
    """Writes control characters, and what turns the direction of text, as letters."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return escape_characters(value)
    return value


def render_page(template: str, context: Mapping[str, Any]) -> bytes:
    """Makes a page of a template.

    Args:
      template: its name, such as "unit.html".
      context: name -> value; texts are escaped.
    """
    return _open_templates().get_template(template).render(context).encode()


def encode_data(name: str, value: Any) -> bytes:
    """Encodes data as a script that hands it to the pages.

    Pages that are opened from a disk may load scripts, and may not read other files. The
    data is JSON inside of a text, so that no name in it can be taken for code.

    Args:
      name: by which pages ask for the data.
      value: of JSON.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return f"jaxvis.take({json.dumps(name)},{json.dumps(text)});\n".encode()


def list_static() -> dict[str, bytes]:
    """Lists the files that all sites have: address -> its bytes."""
    return {f"static/{one.name}": one.read_bytes() for one in sorted((FOLDER / "static").iterdir())}


@lru_cache(maxsize=1)
def hash_templates() -> str:
    """Computes a text that changes whenever a template or the code beside it does."""
    files = sorted([*(FOLDER / "templates").iterdir(), *FOLDER.glob("*.py")])
    return hash_text("".join(one.read_text(encoding="utf-8") for one in files))[:16]
