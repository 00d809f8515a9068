"""The methods that can be swept, a file each."""

from jaxvis.sweep.kinds.attack import Attack
from jaxvis.sweep.kinds.base import Kind
from jaxvis.sweep.kinds.explain import Explain
from jaxvis.sweep.kinds.generate import Generate
from jaxvis.sweep.kinds.maximize import Maximize
from jaxvis.sweep.kinds.preimage import Caricature, Invert
from jaxvis.sweep.kinds.ranvgg import Ranvgg

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Maximize(),
        Invert(),
        Caricature(),
        Explain(),
        Attack(),
        Generate(),
        Ranvgg(),
    )
}
"""Name of a method -> how it makes a shard."""


def find_kind(name: str) -> Kind:
    """Finds a method that can be swept.

    Args:
      name: such as "maximize".

    Raises:
      ValueError: for another one.
    """
    if name not in KINDS:
        raise ValueError(f"{name!r} cannot be swept: choose one of {', '.join(KINDS)}")
    return KINDS[name]
