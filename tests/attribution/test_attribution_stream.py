"""Explanations in chunks: the same whatever the chunk, the images and the samples."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import choose_subject, read_score
from tests.tiny_nets import conv_net


class Weighted(Explanation):
    """The score times a weight, and the weight alone."""

    def __call__(self, params: Any, image: Any, item: Any, sample: Any) -> Any:
        weight = 1.0 if sample is None else sample["weight"]
        score = read_score(item, self.net.apply(params, image, stop=item.taps))
        return {"product": score * weight, "weight": jnp.asarray(weight)}


def images(count):
    return np.random.default_rng(0).random((count, 16, 16, 3)).astype(np.float32)


@pytest.mark.parametrize("chunk", [None, 1, 2, 3])
def test_samples_are_added_up_or_kept(chunk):
    net, params = conv_net()
    photos, weights = images(2), np.arange(1.0, 6.0, dtype=np.float32)
    subject = choose_subject(net, params, photos, index=[0, 3, 4])
    scores = np.stack([net.apply(params, one)["fc"] for one in photos])[:, [0, 3, 4]]
    samples = {"weight": weights}
    added = explain(Weighted(net), params, subject, samples=samples, chunk=chunk)
    np.testing.assert_allclose(added["product"], 15 * scores, rtol=1e-5)
    np.testing.assert_allclose(added["weight"], np.full((2, 3), 15.0))
    kept = explain(Weighted(net), params, subject, samples=samples, keep=True, chunk=chunk)
    np.testing.assert_allclose(kept["product"], scores[..., None] * weights, rtol=1e-5)


def test_what_fills_up_a_chunk_leaves_no_trace():
    net, params = conv_net()
    subject = choose_subject(net, params, images(1), index=0)
    infinite = {"weight": np.array([np.inf, 1, 2], np.float32)}
    kept = explain(Weighted(net), params, subject, samples=infinite, keep=True, chunk=2)
    assert kept["weight"].tolist() == [[[np.inf, 1.0, 2.0]]]
    total = explain(Weighted(net), params, subject, samples={"weight": np.arange(3.0)}, chunk=2)
    assert total["weight"].tolist() == [[3.0]]


def test_each_image_has_its_own_best_class_and_an_axis_only_where_several_are_given():
    net, params = conv_net()
    photos = images(4)
    best = [int(jnp.argmax(net.apply(params, one)["fc"])) for one in photos]
    subject = choose_subject(net, params, photos)
    assert subject.indices[:, 0].tolist() == best and subject.lead == (4,)
    found = explain(Weighted(net), params, subject)["product"]
    wanted = [float(jnp.max(net.apply(params, one)["fc"])) for one in photos]
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-5)
    assert choose_subject(net, params, photos[0]).lead == ()
    assert choose_subject(net, params, photos[0], index=[1]).lead == (1,)
    assert choose_subject(net, params, photos[:1], index=1).lead == (1,)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"index": 5}, "has 5 channels"),
        ({"index": "b"}, "5 classes whose names are not known"),
        ({"index": "cap", "labels": ("cat", "dog", "cup", "car", "cow")}, "did you mean"),
        ({"tap": "relu1", "index": "cat"}, "names classes"),
        ({"tap": "nowhere"}, "no tap 'nowhere'"),
        ({"position": (0, 0)}, "pass tap= too"),
    ],
)
def test_what_cannot_be_explained_is_told(options, words):
    net, params = conv_net()
    with pytest.raises(ValueError, match=words):
        choose_subject(net, params, images(1)[0], **options)


def test_a_class_has_a_name():
    net, params = conv_net()
    labels = ("cat", "dog", "cup", "car, auto", "cow")
    subject = choose_subject(net, params, images(1)[0], index=["auto", 0], labels=labels)
    assert subject.indices.tolist() == [3, 0] and subject.lead == (2,)


def test_a_chunk_has_at_least_one():
    net, params = conv_net()
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        explain(Weighted(net), params, choose_subject(net, params, images(1)), chunk=0)
