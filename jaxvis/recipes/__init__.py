"""Recipes: named ways to make a picture, and how stages of them follow each other."""

from jaxvis.recipes.natural import Natural
from jaxvis.recipes.presets import RECIPES, lucid, maco, plain, robust
from jaxvis.recipes.recipe import Recipe

__all__ = ["RECIPES", "Natural", "Recipe", "lucid", "maco", "plain", "robust"]
