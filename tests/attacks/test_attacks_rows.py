"""What is attacked: images, classes and epsilons, refused before any work."""

import jax.numpy as jnp
import numpy as np
import pytest
from linear_nets import CLASSES, draw_images, find_scores, linear

from jaxvis import attacks, from_function
from jaxvis.attacks.rows import choose_victims

NAMES = ("cat", "dog", "fox", "owl")


def choose(images=None, labels=None, *, epsilon=0.1, norm="linf", targets=None, names=None):
    images = draw_images() if images is None else images
    return choose_victims(
        *linear(), images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )


def test_labels_are_what_the_network_says_where_none_are_given():
    victims = choose()
    np.testing.assert_array_equal(victims.labels, find_scores(draw_images()).argmax(-1))
    np.testing.assert_allclose(victims.clean, find_scores(draw_images()), rtol=1e-4)
    assert victims.targets.tolist() == [-1] * 3


@pytest.mark.parametrize(
    ("images", "epsilon", "lead"),
    [
        (draw_images()[0], 0.1, ()),
        (draw_images(), 0.1, (3,)),
        (list(draw_images()), [0.1], (3, 1)),
        (draw_images()[0], [0.1, 0.2], (2,)),
        (draw_images(), np.array([0.1, 0.2]), (3, 2)),
        (draw_images(), None, (3,)),
        (draw_images()[:1], 0.1, (1,)),
    ],
)
def test_a_result_has_the_axes_that_were_given(images, epsilon, lead):
    assert choose(images, epsilon=epsilon).lead == lead


def test_whole_numbers_are_grey_levels():
    images = np.rint(255 * draw_images()).astype(np.uint8)
    np.testing.assert_allclose(choose(images).images, images / 255, atol=1e-6)


def test_rounding_is_never_refused():
    images = draw_images()
    images[0, 0, 0, 0], images[1, 0, 0, 0] = -3e-8, 1 + 1e-7
    chosen = choose(images).images
    assert chosen.min() >= 0 and chosen.max() <= 1


def test_classes_by_name_and_one_for_all():
    victims = choose(labels=["owl", "cat", "dog"], targets="fox", names=NAMES)
    assert victims.labels.tolist() == [3, 0, 1] and victims.targets.tolist() == [2] * 3


BAD = {
    "outside the range": ({"images": 2 * draw_images()}, r"0.*1|range"),
    "not finite": ({"images": draw_images() * np.nan}, "finite|nan|NaN|numbers"),
    "an unknown norm": ({"norm": "l3"}, "norm='l3' is not known here: choose one of linf"),
    "grey levels": ({"epsilon": 8}, r"epsilon=8 is more than .* write 8/255 if it is meant"),
    "one of several in grey levels": ({"epsilon": [0.1, 4]}, "write 4/255"),
    "a negative epsilon": ({"epsilon": -0.1}, "epsilon must be 0 or more, got -0.1"),
    "no number": ({"epsilon": np.nan}, "epsilon must be 0 or more, got nan"),
    "no epsilons": ({"epsilon": []}, "epsilon is one number, or several in one list"),
    "a table of epsilons": ({"epsilon": [[0.1]]}, "epsilon is one number, or several"),
    "a class too many": ({"labels": CLASSES}, "class 4 is not one of linear's 0 to 3"),
    "a class below 0": ({"labels": -1}, "class -1 is not one of linear's 0 to 3"),
    "two labels": ({"labels": [0, 1]}, "labels has 2 classes for 3 images: give one each"),
    "half a class": ({"labels": 0.5}, "labels must be whole numbers or names of classes"),
    "the true class": (
        {"labels": [0, 1, 2], "targets": [1, 1, 1]},
        "the target of image 1 is its true class 1: choose another one",
    ),
    "an unknown name": ({"labels": "cow", "names": NAMES}, "cow"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        choose(**options)


def test_epsilons_of_other_norms_may_be_large():
    assert choose(epsilon=[8, 300], norm="l2").epsilons.tolist() == [8, 300]


def test_a_network_without_scores_cannot_be_attacked():
    net, params = from_function(
        lambda params, image: {"map": image * params["scale"]},
        {"scale": jnp.ones(3)},
        input_size=(4, 4),
        name="plain",
    )
    with pytest.raises(ValueError, match="plain names no class scores, which an attack needs"):
        attacks.pgd(net, params, draw_images(), epsilon=0.1)


@pytest.mark.parametrize("steps", (0, -3))
def test_a_budget_of_nothing_is_refused(steps):
    with pytest.raises(ValueError, match=f"steps must be at least 1, a whole number, got {steps}"):
        attacks.pgd(*linear(), draw_images(), epsilon=0.1, steps=steps)


def test_the_same_image_may_come_twice():
    images = draw_images()[[0, 0]]
    assert choose(images).labels.tolist() == [int(find_scores(images[0]).argmax())] * 2
