"""What tests of style share: a network, a painting, a recipe of a few steps."""

from dataclasses import replace

from jaxvis.loss.matching.transfer import StyleRecipe
from jaxvis.methods.style.style import style

TAPS = ("relu1", "relu2")
RECIPE = StyleRecipe(("relu2",), TAPS, beta=1e3, optimizer="adam", steps=20)


def paint(net, content, styles, changes=(), **options):
    """Paints with `RECIPE`, changed."""
    return style(*net, content, styles, recipe=replace(RECIPE, **dict(changes)), **options)
