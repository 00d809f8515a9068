"""The words that flags choose from are those of the methods' tables."""

import typing

import pytest

from jaxvis.analysis import concepts, embed, neighbours
from jaxvis.attacks.norms import Norm
from jaxvis.attribution.masks.baselines import Word
from jaxvis.cli import choices
from jaxvis.cli.classical import ALGORITHMS
from jaxvis.defences.training import hardening
from jaxvis.evaluate.robustness import curves
from jaxvis.loss.matching.terms import STATISTIC_WEIGHTS
from jaxvis.methods.ranvgg.candidates import SCHEMES
from jaxvis.methods.style.codes import RATES
from jaxvis.methods.style.pictures import COLOURS
from jaxvis.methods.style.pixel_optimizers import OPTIMIZERS
from jaxvis.recipes.natural import NATURALS, WHOSE
from jaxvis.recipes.styles import BOUNDS, STYLES, TEXTURES
from jaxvis.train.images import FITS

TABLES = {
    "Algorithm": ALGORITHMS,
    "BallName": curves.RADII,
    "BaselineName": typing.get_args(Word),
    "Bounds": BOUNDS,
    "Colour": COLOURS,
    "ConceptWay": typing.get_args(concepts.Way),
    "Fit": FITS,
    "InversePreset": NATURALS,
    "LayerWeights": STATISTIC_WEIGHTS,
    "Metric": typing.get_args(neighbours.Metric),
    "NormName": typing.get_args(Norm),
    "PixelOptimizer": OPTIMIZERS,
    "Plane": typing.get_args(embed.Plane),
    "Rates": RATES,
    "Scheme": SCHEMES,
    "StylePreset": STYLES,
    "TexturePreset": TEXTURES,
    "TrainingName": typing.get_args(hardening.Method),
    "Whose": WHOSE,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_flag_knows_the_words_of_its_table(name):
    assert typing.get_args(getattr(choices, name)) == tuple(TABLES[name])


def test_every_set_of_words_has_a_table():
    sets = {name for name in vars(choices) if name[0].isupper() and name != "Literal"}
    # The names of heatmaps and attacks are names of functions, as tests/cli/test_cli_explain.py
    # and tests/cli/test_cli_attack.py say.
    assert sets == {*TABLES, "AttackName", "CamMethod", "ExplainMethod", "GradientMethod"}
