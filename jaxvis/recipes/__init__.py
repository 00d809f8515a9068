"""Recipes: ways to make a picture, which have names, can be printed and can be changed.

Every method takes `recipe=`: a name, or a recipe that `dataclasses.replace` has changed.
"""

from jaxvis.loss.matching.transfer import StyleRecipe
from jaxvis.recipes.dreams import DREAMS, DreamRecipe
from jaxvis.recipes.generators import GENERATORS, LATENTS, GeneratorRecipe, LatentRecipe
from jaxvis.recipes.natural import NATURALS, Natural
from jaxvis.recipes.presets import RECIPES, accent, alpha, cppn, lucid, maco, plain, robust, vital
from jaxvis.recipes.recipe import Recipe
from jaxvis.recipes.styles import (
    FAST_STYLES,
    MAPS,
    STYLES,
    TEXTURES,
    MapRecipe,
    TextureRecipe,
)
from jaxvis.recipes.together import Aligned, Diverse

__all__ = [
    "DREAMS",
    "FAST_STYLES",
    "GENERATORS",
    "LATENTS",
    "MAPS",
    "NATURALS",
    "RECIPES",
    "STYLES",
    "TEXTURES",
    "Aligned",
    "Diverse",
    "DreamRecipe",
    "GeneratorRecipe",
    "LatentRecipe",
    "MapRecipe",
    "Natural",
    "Recipe",
    "StyleRecipe",
    "TextureRecipe",
    "accent",
    "alpha",
    "cppn",
    "lucid",
    "maco",
    "plain",
    "robust",
    "vital",
]
