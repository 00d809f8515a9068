"""What a record says of how pictures are made: recipes with all their numbers."""

from dataclasses import is_dataclass
from functools import partial
from typing import Any

from jaxvis.loss.compose import Composed
from jaxvis.loss.group import Coupled
from jaxvis.optimize.problem import Problem
from jaxvis.optimize.rules import Optimizer, Rule


def describe_problem(problem: Problem) -> dict[str, Any]:
    """Gives what a record says of a problem, whatever the recipe's name meant.

    Args:
      problem: what every picture is a solution of.

    Returns:
      dict: "canvas", "view", "optimizer", "steps", "priors", "projection", "finish",
      "draws" and "dropout", as the loss and the solver have them; of a group "couplings";
      "redirect", the first steps whose gradients are redirected, where there are some.
    """
    loss = problem.loss
    parts: dict[str, Any] = {}
    if isinstance(loss, Coupled):
        parts["couplings"], loss = loss.couplings, loss.single
    if problem.opening is not None:
        parts["redirect"] = problem.opening.steps
    if isinstance(loss, Composed):
        parts |= {"view": _describe(loss.view), "priors": loss.priors}
        parts |= {"draws": loss.draws, "dropout": loss.dropout}
    return {
        "canvas": problem.canvas,
        "optimizer": describe_optimizer(problem.optimizer),
        "steps": problem.steps,
        "projection": _describe(problem.projection),
        "finish": _describe(problem.finish),
        **parts,
    }


def describe_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    """Gives what a record says of an optimizer: what builds it, and its numbers.

    Args:
      optimizer: a rule, or an optax transformation, of which only the kind is known.
    """
    if not isinstance(optimizer, Rule):
        return {"type": type(optimizer).__name__}
    return {
        "type": "Rule",
        "build": _describe(optimizer.build),
        "learning_rate": optimizer.learning_rate,
        "options": dict(optimizer.options),
    }


def _describe(part: Any) -> Any:
    """Gives a part of a recipe as a record takes it; of a function its name."""
    if isinstance(part, partial):
        return {"function": _describe(part.func), **part.keywords}
    if not callable(part) or is_dataclass(part):
        return part
    return f"{part.__module__}.{part.__qualname__}"
