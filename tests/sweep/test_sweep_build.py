"""From a wish to a plan: what is cut together, and what is refused before any work."""

import pytest

from tests.sweep.sweeps import PHOTOS, plan_demo


def test_channels_get_pictures_as_large_as_their_receptive_field():
    plan = plan_demo(units=[("relu1_1", (0, 1)), ("relu4_2", (0,)), (None, (5,))], size=None)
    sizes = {shard.tap: shard.size for shard in plan.shards}
    assert sizes == {"relu1_1": (48, 48), "relu4_2": (64, 64), None: (64, 64)}


def test_items_are_cut_into_shards_of_one_shape():
    plan = plan_demo(units=[("conv2_1", tuple(range(10))), (None, (1, 2))], shard=8, seeds=2)
    found = [(shard.name, shard.tap, shard.indices) for shard in plan.shards]
    assert found == [
        ("00000_conv2_1", "conv2_1", (0, 1, 2, 3)),
        ("00001_conv2_1", "conv2_1", (4, 5, 6, 7)),
        ("00002_conv2_1", "conv2_1", (8, 9)),
        ("00003_maximize", None, (1, 2)),
    ]
    assert plan.count == 24


def test_settings_make_all_their_combinations():
    plan = plan_demo(settings={"steps": [2, 3], "recipe": ["robust", "plain"]})
    found = [(one.settings["steps"], one.settings["recipe"]) for one in plan.shards]
    assert found == [(2, "robust"), (2, "plain"), (3, "robust"), (3, "plain")]
    assert [one["how"]["steps"] for one in plan.recipes] == [2, 2, 3, 3]


def test_photographs_are_cut_with_all_their_classes():
    plan = plan_demo("explain", [(None, (0, 1, 2))], photos=PHOTOS, settings={}, shard=6)
    assert [len(shard.sources) for shard in plan.shards] == [2, 2]
    assert all(shard.indices == (0, 1, 2) for shard in plan.shards)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("paint", {}, "'paint' cannot be swept: choose one of maximize, invert"),
        ("maximize", {"units": [("conv9", (0,))]}, "has no tap 'conv9'"),
        ("maximize", {"units": [("conv2_1", (99,))]}, "there is no 99 in conv2_1: they go from 0"),
        ("maximize", {"units": [(None, ())]}, "name them with --index"),
        ("maximize", {"settings": {"stepz": [1]}}, "has no setting 'stepz': it has recipe, steps"),
        ("maximize", {"settings": {"steps": [0]}}, "steps is a whole number from 1 up, not '0'"),
        ("maximize", {"settings": {"recipe": [3]}}, "recipe is a word such as 'robust'"),
        ("maximize", {"settings": {"recipe": ["baroque"]}}, "baroque"),
        ("maximize", {"seeds": 0}, "seeds must be at least 1"),
        ("maximize", {"photos": PHOTOS}, "leave --photos out"),
        ("invert", {"units": [("relu2_1", ())]}, "name their folder with --photos"),
        ("invert", {"units": [(None, ())], "photos": PHOTOS}, "invert needs layers"),
        (
            "explain",
            {"settings": {"heat": ["warmth"]}, "photos": PHOTOS},
            "heat='warmth' cannot be swept",
        ),
        ("explain", {"settings": {}, "photos": PHOTOS, "seeds": 2}, "leave --seeds out"),
        *(
            ("attack", {"units": [(None, ())], "settings": given, "photos": PHOTOS}, message)
            for given, message in (
                ({"attack": ["siege"]}, "attack='siege' cannot be swept"),
                ({"attack": ["ddn"], "norm": ["linf"]}, "ddn knows no --norm linf: choose l2"),
                ({"attack": ["pgd"], "norm": ["l2"]}, "pass --epsilon, its radius in l2"),
                ({"attack": ["fgsm"], "steps": [3]}, "fgsm has no steps"),
            )
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(method, options, message):
    with pytest.raises(ValueError, match=message):
        plan_demo(method, **options)
