"""Recipes by their name: the one way in which every method takes a name or a recipe."""

from collections.abc import Mapping
from typing import TypeVar

Kind = TypeVar("Kind")


def look_up(recipe: str | Kind, named: Mapping[str, Kind], kind: type[Kind]) -> Kind:
    """Gives the recipe of a name; a recipe is returned as it is.

    Args:
      recipe: a name, or a recipe.
      named: name -> recipe.
      kind: the class of such recipes.

    Raises:
      ValueError: for an unknown name, or what is neither.
    """
    if isinstance(recipe, kind):
        return recipe
    if not isinstance(recipe, str) or recipe not in named:
        raise ValueError(
            f"recipe must be one of {', '.join(named)}, or a {kind.__name__}; not {recipe!r}"
        )
    return named[recipe]
