"""How a loss is minimised: problems, optimizers, the one solver, and sweeps of items."""

from jaxvis.optimize.job import Job
from jaxvis.optimize.problem import Ball, Box, Problem, Tidy
from jaxvis.optimize.quasi_newton.lbfgs import lbfgs
from jaxvis.optimize.solve import solve, solve_chunks

__all__ = ["Ball", "Box", "Job", "Problem", "Tidy", "lbfgs", "solve", "solve_chunks"]
