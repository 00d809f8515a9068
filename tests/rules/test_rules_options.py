"""How many options a method has: what varies from call to call, and a recipe for the rest."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 8
RECIPE = {"recipe", "canvas", "view", "priors", "init"}
"""How a picture is made, and the parts of it that a user may have of his own: a recipe is
static, so the image to begin from cannot be a field of it."""
RUNNING = {"chunk", "progress"}
"""How a sweep is computed; every method has these."""


def test_methods_have_few_options():
    offenders = []
    for path in sorted((ROOT / "jaxvis" / "methods").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            options = {option.arg for option in node.args.kwonlyargs} - RECIPE - RUNNING
            if len(options) > MOST:
                offenders.append(f"{path.relative_to(ROOT)} {node.name}: {', '.join(options)}")
    assert not offenders, "more options than {}: what belongs together is a dataclass\n  {}".format(
        MOST, "\n  ".join(offenders)
    )
