"""How a loss is minimised: problems, optimizers and the one solver."""

from jaxvis.optimize.lbfgs.rule import lbfgs
from jaxvis.optimize.problem import Ball, Box, Problem, Tidy
from jaxvis.optimize.rules.preimage_sgd import learning_rate, preimage_sgd
from jaxvis.optimize.solve import solve

__all__ = [
    "Ball",
    "Box",
    "Problem",
    "Tidy",
    "lbfgs",
    "learning_rate",
    "preimage_sgd",
    "solve",
]
