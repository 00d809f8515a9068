"""The recipes that have a name, for activation maximisation."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from jaxvis.loss import views
from jaxvis.loss.alpha import Alpha
from jaxvis.loss.canvas import Fourier, Phase, Pixels
from jaxvis.loss.compose import Weighted
from jaxvis.loss.cppn import Cppn
from jaxvis.loss.priors import L2
from jaxvis.network import Network
from jaxvis.optimize.problem import Tidy
from jaxvis.optimize.rules import adam, lecture_sgd, nadam
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.types import Params


def robust(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives the default: Fourier canvas; random windows, scales, light and colour.

    A pattern that only one exact position, size or tint excites does not survive the
    views, so what is left convinces other networks too.

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown; None is the picture's.
      channels: of the picture, the network's.

    >>> import jaxvis
    >>> recipe = jaxvis.recipes.robust((64, 64))
    >>> recipe.size, recipe.steps
    ((64, 64), 256)
    """
    seen = seen or size
    zoom = seen[0] / size[0]
    view = views.in_order(
        views.Scale(0.82 * zoom, 1.28 * zoom, size=seen, shift=0.1 * seen[0]),
        views.ColourShift(shift=0.1, gain=0.2, fade=1.0),
    )
    return Recipe(Fourier(size, channels=channels), view, adam(0.05), 256)


def lucid(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives Lucid's recipe: pad, roll, scale, rotate, roll on a Fourier canvas.

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown; None is the picture's.
      channels: of the picture, the network's.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017).

    >>> import jaxvis
    >>> type(jaxvis.recipes.lucid((64, 64)).canvas).__name__
    'Fourier'
    """
    view = views.in_order(
        views.Pad(12),
        views.Roll(8),
        views.Scale(0.9, 1.1),
        views.Rotate(10),
        views.Roll(4),
        views.Centre(seen or size),
    )
    return Recipe(Fourier(size, channels=channels), view, adam(0.05), 256)


def plain(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives the lecture's recipe: zero image, L2, blur, small values set to zero.

    Args:
      size: (H, W) of the picture in pixels.
      seen: unused; the network sees the picture.
      channels: of the picture, the network's.

    Source: Simonyan et al. (2014); Yosinski et al. (2015); Lecture 21, 21.7.

    >>> import jaxvis
    >>> [prior.name for prior in jaxvis.recipes.plain((64, 64)).priors]
    ['l2']
    """
    del seen
    return Recipe(
        canvas=Pixels(size, scale=255.0, channels=channels),
        view=None,
        optimizer=lecture_sgd(300.0, momentum=0.9, small=0.1),
        steps=256,
        priors=(Weighted("l2", 1e-5, L2(scale=255.0)),),
        projection=Tidy(blur=views.Blur(0.5), small=0.1),
    )


def maco(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives the MACO recipe: phases alone, random windows around the middle, noise.

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown; None is the picture's.
      channels: of the picture, the network's.

    Source: Fel et al., MACO (2023), section 3.

    >>> import jaxvis
    >>> type(jaxvis.recipes.maco((64, 64)).canvas).__name__
    'Phase'
    """
    seen = seen or size
    zoom = seen[0] / size[0]
    crop = views.Scale(0.82 * zoom, 1.28 * zoom, size=seen, shift=0.1 * seen[0])
    view = views.in_order(crop, views.Noise(0.08))
    return Recipe(Phase(size, channels=channels), view, nadam(1.0), 256)


def cppn(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives the recipe of pictures without pixels: a network of coordinates, views of "lucid".

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown; None is the picture's.
      channels: of the picture, the network's.

    Source: Mordvintsev, Pezzotti, Schubert & Olah, Differentiable image parameterizations
      (2018).

    >>> import jaxvis
    >>> type(jaxvis.recipes.cppn((64, 64)).canvas).__name__
    'Cppn'
    """
    return replace(
        lucid(size, seen=seen, channels=channels),
        canvas=Cppn(size, channels=channels),
        optimizer=adam(0.005),
        redirect=16,  # a flat grey start excites few units
    )


def alpha(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives the recipe of transparent pictures, which have an opacity as their last channel.

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown; None is the picture's.
      channels: of what the network is shown.

    Source: Mordvintsev, Pezzotti, Schubert & Olah, Differentiable image parameterizations
      (2018).

    >>> import jaxvis
    >>> type(jaxvis.recipes.alpha((64, 64)).canvas).__name__
    'Alpha'
    """
    colour, opacity = Fourier(size, channels=channels), Fourier(size, channels=1)
    return replace(robust(size, seen=seen, channels=channels), canvas=Alpha(colour, opacity))


def vital(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives the recipe for statistics of whole images: a Fourier canvas, and shifts alone.

    Views that change size, light or colour would change what is matched.

    Args:
      size: (H, W) of the picture in pixels.
      seen: unused; the network sees the picture.
      channels: of the picture, the network's.

    Source: Görgün, Schiele & Fischer, VITAL (2025), whose jitter is a circular shift.

    >>> import jaxvis
    >>> jaxvis.recipes.vital((64, 64)).view
    Roll(pixels=8)
    """
    del seen
    return Recipe(Fourier(size, channels=channels), views.Roll(max(size) // 8), adam(0.05), 256)


def accent(size: Size, *, seen: Size | None = None, channels: int = 3) -> Recipe:
    """Gives the recipe of photographs that are changed: a Fourier canvas, and mild views.

    Args:
      size: (H, W) of the picture in pixels.
      seen: unused; the network sees nearly all of the picture.
      channels: of the picture, the network's.

    Source: Hamblin et al., Feature accentuation (2024).

    >>> import jaxvis
    >>> type(jaxvis.recipes.accent((64, 64)).canvas).__name__
    'Fourier'
    """
    del seen
    view = views.in_order(views.Scale(0.95, 1.1, shift=0.04 * max(size)), views.Noise(0.02))
    return Recipe(Fourier(size, channels=channels), view, adam(0.02), 256)


RECIPES: dict[str, Callable[..., Recipe]] = {
    "robust": robust,
    "lucid": lucid,
    "plain": plain,
    "maco": maco,
    "cppn": cppn,
    "alpha": alpha,
    "vital": vital,
    "accent": accent,
}
"""Name -> the function that gives the recipe, of a picture's size, `seen=` and `channels=`."""
NATURAL = "mahendran"
"""The name of natural pre-images (`jaxvis.recipes.natural.Natural`). It is not among
`RECIPES`, because it depends on the layer too."""


def choose_seen(net: Network, params: Params, taps: Sequence[str] | None, size: Size) -> Size:
    """Chooses what the network is shown: 6/7 of the picture where any size goes.

    Smaller views are cheaper and no worse; a fully connected layer demands its own
    size.

    Args:
      net, params: the network.
      taps: the layers that count; None is the last one.
      size: (H, W) of the picture in pixels.
    """
    height, width = (max(side * 6 // 7 // 8 * 8, 8) for side in size)
    for shown in ((height, width), net.input_size):
        if all(_takes(net, params, tap, shown) for tap in taps or net.taps[-1:]):
            return shown
    return size


def _takes(net: Network, params: Params, tap: str, size: Size) -> bool:
    """Says whether the network can compute a tap of an image of a size."""
    try:
        net.shape(params, tap, size=size)
    except ValueError:
        return False
    return True
