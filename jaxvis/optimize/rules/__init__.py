"""Optimizers: optax transformations whose learning rate is not compiled in."""

from jaxvis.optimize.rules.first_order import (
    adam,
    adamax,
    lecture_sgd,
    nadam,
    nesterov,
    normalized_sgd,
    sgd,
)
from jaxvis.optimize.rules.preimage_sgd import learning_rate, preimage_sgd
from jaxvis.optimize.rules.rule import Optimizer, Rule, transformation_of

__all__ = [
    "Optimizer",
    "Rule",
    "adam",
    "adamax",
    "learning_rate",
    "lecture_sgd",
    "nadam",
    "nesterov",
    "normalized_sgd",
    "preimage_sgd",
    "sgd",
    "transformation_of",
]
