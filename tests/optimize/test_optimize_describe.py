"""What a record says of recipes: numbers, not names."""

import json

import optax
import pytest

import jaxvis
from jaxvis.methods.maximize import plan_maximize
from jaxvis.optimize.describe import describe_optimizer, describe_problem
from jaxvis.optimize.rules import adam, nadam
from jaxvis.output.record import to_json
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.targets import choose_target


@pytest.mark.parametrize("recipe", ["robust", "lucid", "plain", "maco", "mahendran"])
def test_every_recipe_is_numbers(recipe):
    net, params = jaxvis.load("demo")
    units, options = choose_target(net, params), {"steps": 7, "size": (48, 40)}
    target, chosen = choose_recipe(net, params, units, recipe, **options)
    job = plan_maximize(net, params, target, chosen)
    found = to_json(describe_problem(job.problem), "recipe")
    json.dumps(found, allow_nan=False)
    assert found["steps"] == 7 and found["optimizer"]["learning_rate"] > 0
    if recipe == "plain":
        assert found["optimizer"]["options"] == {"momentum": 0.9, "small": 0.1}
        (prior,) = found["priors"]
        assert prior["name"] == "l2" and prior["weight"] == 1e-5
        assert found["projection"]["blur"] == {"type": "Blur", "sigma": 0.5}
    if recipe != "mahendran":
        assert found["canvas"]["size"] == [48, 40]


def test_an_optimizer_is_what_builds_it_and_its_numbers():
    found = describe_optimizer(adam(0.5, b1=0.25))
    assert found["build"].endswith("adam") and found["learning_rate"] == 0.5
    assert found["options"]["b1"] == 0.25
    assert describe_optimizer(nadam(0.5))["build"]["nesterov"] is True
    assert describe_optimizer(optax.sgd(0.1)) == {"type": "GradientTransformationExtraArgs"}
