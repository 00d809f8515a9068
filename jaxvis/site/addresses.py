"""Addresses inside a site: they stay what they are when a sweep goes on.

They are made of ASCII letters, digits, "-", "_", "." and "/" alone, so that no name of a
layer or file can lead out of the site or needs an escape.
"""

import hashlib
import re
from collections.abc import Iterable

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""Paths that are addresses as they are."""
LONGEST = 40
"""Characters of the part of an address that a name gives."""


def slug_names(names: Iterable[str]) -> dict[str, str]:
    """Gives each name the part of an address that stands for it.

    A name whose words another one has already taken, or that has none, gets a part of its
    sha256 as well; so the parts depend on the names and their order alone.

    Args:
      names: of layers or folders; each once.

    >>> from jaxvis.site.addresses import slug_names
    >>> slug_names(["conv1_1", "Mixed 4a/1x1"])
    {'conv1_1': 'conv1_1', 'Mixed 4a/1x1': 'mixed_4a_1x1'}
    """
    found: dict[str, str] = {}
    taken = set()
    for name in names:
        words = re.findall(r"[a-z0-9]+", name.lower(), re.ASCII)
        slug = "_".join(words)[:LONGEST].strip("_")
        if not slug or slug in taken:
            slug = f"{slug or 'layer'}-{hash_text(name)[:6]}"
        taken.add(slug)
        found[name] = slug
    return found


def hash_text(text: str) -> str:
    """Computes the sha256 of a text, in hexadecimal.

    Args:
      text: any, also one that holds half of a surrogate pair.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def unit_address(slug: str, index: int) -> str:
    """Gives the address of a unit's page, without ".html".

    Args:
      slug: of its layer.
      index: of the unit.

    >>> from jaxvis.site.addresses import unit_address
    >>> unit_address("conv3_1", 12)
    'units/conv3_1/0012'
    """
    return f"units/{slug}/{index:04d}"


def picture_address(file: str) -> str:
    """Gives the address of a picture below the site's folder of pictures.

    Args:
      file: its path inside the folder of the sweep.
    """
    if SAFE.fullmatch(file):
        return file
    return f"_/{hash_text(file)[:16]}.{file.rpartition('.')[2].lower()}"
