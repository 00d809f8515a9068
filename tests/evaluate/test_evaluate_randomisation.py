"""Randomisation of networks and classes: likenesses by hand, and what has been forgotten."""

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.evaluate.heatmaps.forgetting import draw_params, mix_cascade, shuffle_params
from jaxvis.evaluate.heatmaps.likeness import MEASURES, correlate_ranks
from jaxvis.nets.adapters import from_function
from tests.tiny_nets import conv_net

IMAGE = np.random.default_rng(1).random((16, 16, 3)).astype(np.float32)


def test_rank_correlations_by_hand():
    first = np.arange(16.0).reshape(4, 4)
    maps = np.stack([first**3, -first, np.ones((4, 4))])
    found = correlate_ranks(np.stack([first] * 3), maps)
    np.testing.assert_allclose(found, [1, -1, 0], atol=1e-12)
    np.testing.assert_allclose(jaxvis.logit_randomisation(maps), [-0.5, -0.5, 0], atol=1e-12)


def test_similarities_are_known_and_defined():
    draw = np.random.default_rng(0)
    one, other, flat = draw.normal(size=(3, 32, 32))
    flat = np.zeros_like(flat)
    for measure in MEASURES.values():
        assert abs(measure(one, -one) - 1) < 1e-9
        assert abs(measure(one, other)) < 0.2
        assert measure(flat, flat) == 1
        assert abs(measure(flat, one)) < 0.3
    assert correlate_ranks(np.array([[1.0, 2, 3]]), np.array([[9.0, 5, 1]])) == -1


def test_layers_are_randomised_from_the_scores_down():
    net, params = conv_net()
    drawn = {name: {"new": name} for name in params}
    stages = mix_cascade(net, params, drawn)
    changed = [[name for name in stage if "new" in stage[name]] for stage in stages]
    assert [set(names) for names in changed] == [
        {"fc"},
        {"fc", "conv2"},
        {"fc", "conv2", "conv1"},
    ]
    assert len(mix_cascade(net, params, drawn, stages=1)) == 1


def test_a_map_of_the_image_alone_is_found_out():
    net, params = conv_net()

    def blind(net, params, image, *, tap, index, position):
        return np.asarray(image).sum(-1)

    score = jaxvis.model_randomisation(net, params, IMAGE, blind, index=0, stages=None)
    np.testing.assert_allclose(score, [1, 1, 1])
    scores = jaxvis.model_randomisation(
        net, params, IMAGE, jaxvis.gradient_times_input, index=[0, 1], stages=2, networks=2
    )
    assert scores.shape == (2, 2) and (scores < 0.9).all()


def adapt():
    """Returns (net, params) of a convolution that is no table."""
    net, params = conv_net()

    def run(params, image):
        return {"scores": net.apply(params, image)["fc"]}

    return from_function(run, params, input_size=(16, 16), scores="scores")


def test_a_network_of_ones_own_is_shuffled_but_for_the_input_row():
    net, params = adapt()
    other = draw_params(net, params, jax.random.key(0))
    np.testing.assert_array_equal(other["input"]["scale"], params["input"]["scale"])
    assert mix_cascade(net, params, other) == [other]
    score = jaxvis.model_randomisation(net, params, IMAGE, jaxvis.saliency, networks=1)
    assert score.shape == (1,) and score[0] < 0.9


def test_parameters_are_shuffled_but_for_the_input_row():
    _, params = conv_net()
    other = shuffle_params(params, jax.random.key(0), keep=("input",))
    np.testing.assert_array_equal(other["input"]["scale"], params["input"]["scale"])
    kernels = [np.asarray(one["conv1"]["kernel"]).ravel() for one in (params, other)]
    assert not np.array_equal(*kernels)
    np.testing.assert_array_equal(np.sort(kernels[0]), np.sort(kernels[1]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"measure": "size"}, "measure is rank or structure"),
        ({"networks": 0}, "at least one stage and network"),
        ({"index": 99}, "channels"),
        ({"index": [0, 1], "method": lambda *_, **__: IMAGE[..., 0]}, "the method gives maps"),
        ({"image": [IMAGE, IMAGE]}, "several best classes"),
    ],
)
def test_bad_input_is_told(options, words):
    given = {"image": IMAGE, "method": jaxvis.saliency, **options}
    image, method = given.pop("image"), given.pop("method")
    with pytest.raises(ValueError, match=words):
        jaxvis.model_randomisation(*conv_net(), image, method, **given)


def test_a_class_alone_is_like_no_other():
    with pytest.raises(ValueError, match="at least 2 classes"):
        jaxvis.logit_randomisation(IMAGE[..., 0])
