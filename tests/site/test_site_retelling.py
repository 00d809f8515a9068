import shlex

from jaxvis.site.facts import PlanFacts
from jaxvis.site.fields import Fields
from jaxvis.site.retelling import write_command
from jaxvis.site.rows import read_row
from tests.site.fabricate import NAMES, describe_example

PLAN = PlanFacts("demo", "my file.pth", None, "maximize", 7, 1)


def write(plan=None, **changes):
    row = describe_example("maximize", "conv3_1", 12, "") | {"source": None} | changes
    return write_command(read_row(Fields(row, "row")), "demo", plan)


def test_commands_have_the_flags_of_their_methods():
    assert write(seed=1) == (
        "jaxvis maximize demo --tap conv3_1 --index 12 --steps 50 --size 48x48 --seeds 2"
    )
    assert write(PLAN).endswith("--size 48x48 --seed 7") and "--weights 'my file.pth'" in write(
        PLAN
    )
    explained = write(method="explain", source="cat.jpg", settings={"heat": "grad_cam"}, tap=None)
    assert explained == "jaxvis explain demo cat.jpg --index 12 --method grad-cam --size 48x48"
    placed = write(settings={"position": [1, 2], "leak": 0.0, "redirect": None, "recipe": "maco"})
    assert "--recipe maco --position 1,2 --leak 0" in placed


def test_what_has_no_command_has_none():
    assert write(method="ranvgg") is None
    assert write(method="invert", source=None) is None


def test_hostile_names_are_quoted():
    for name in NAMES:
        words = shlex.split(write(method="invert", tap=name, source=f"{name}.png", index=None))
        assert words[3] == f"{name}.png" and words[5] == name
