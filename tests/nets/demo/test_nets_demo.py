import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets.demo.images import COARSE, FINE, MEDIUM, draw
from jaxvis.nets.demo.net import CLASSES, WEIGHTS, demo
from jaxvis.weights import file as weights_file
from tests.demo_answers import ANSWERS, matches, peak

PER_CLASS = 6
ALL = np.arange(len(CLASSES))
STRIPES = {
    "vertical stripes, fine": (0, FINE),
    "vertical stripes, coarse": (0, COARSE),
    "horizontal stripes, fine": (90, FINE),
    "horizontal stripes, coarse": (90, COARSE),
    "rising diagonal stripes": (45, MEDIUM),
    "falling diagonal stripes": (135, MEDIUM),
}


@pytest.fixture(scope="module")
def clean():
    """Returns images without clutter, [classes, PER_CLASS, 64, 64, 3]."""
    keys = jax.random.split(jax.random.key(11), (len(CLASSES), PER_CLASS))
    one = jax.vmap(lambda k, label: draw(k, label, clean=True), (0, None))
    return np.asarray(jax.jit(jax.vmap(one))(keys, ALL))


@pytest.fixture(scope="module")
def drawn():
    """Returns a function from a seed to 20 images a class, [classes, 20, 64, 64, 3]."""
    one = jax.jit(jax.vmap(jax.vmap(draw, (0, None))))

    def images(seed):
        keys = jax.random.split(jax.random.key(seed), (len(CLASSES), 20))
        return np.asarray(one(keys, ALL))

    return images


@pytest.fixture(scope="module")
def verdicts(clean):
    """Returns whether each answer holds, [answers, classes, PER_CLASS]."""
    found = [jax.jit(jax.vmap(jax.vmap(a)))(clean) for a in ANSWERS.values()]
    return np.stack([np.asarray(f) for f in found])


@pytest.fixture(scope="module")
def trained():
    net = demo()
    return net, weights_file.read(WEIGHTS, net)


@pytest.mark.slow
def test_a_drawing_depends_on_its_key_and_label_alone(drawn):
    images = drawn(0)
    assert images.shape == (20, 20, 64, 64, 3) and images.dtype == np.float32
    np.testing.assert_array_equal(drawn(0), images)
    # By name, alone and in another program: the same image.
    label = CLASSES.index("rings")
    key = jax.random.split(jax.random.key(0), (len(CLASSES), 20))[label, 3]
    alone = jax.jit(draw, static_argnums=1)(key, "rings")
    np.testing.assert_allclose(alone, images[label, 3], atol=1e-4)


@pytest.mark.slow
def test_drawings_are_in_range_and_vary(drawn):
    images = drawn(0)
    assert images.min() >= 0.0 and images.max() <= 1.0
    apart = np.abs(images[:, 1:] - images[:, :-1]).mean(axis=(2, 3, 4))
    assert apart.min() > 0.01


def test_drawing_refuses_an_unknown_label(key):
    with pytest.raises(ValueError, match="vertical stripes, fine"):
        draw(key, "tartan")


def test_there_are_twenty_classes_and_an_answer_for_each():
    assert tuple(ANSWERS) == CLASSES and len(set(CLASSES)) == 20


@pytest.mark.slow
def test_clean_drawings_show_their_own_class(verdicts):
    own = verdicts[ALL, ALL].mean(axis=1)
    assert own.mean() >= 0.97 and own.min() >= 0.8, dict(zip(CLASSES, own))


@pytest.mark.slow
def test_clean_drawings_rarely_show_another_class(verdicts):
    others = verdicts.mean(axis=2)[~np.eye(len(CLASSES), dtype=bool)]
    assert others.mean() < 0.05


@pytest.mark.parametrize("label", STRIPES)
def test_stripes_have_their_spectral_peak_at_their_period(clean, label):
    degrees, (low, high) = STRIPES[label]
    for image in clean[CLASSES.index(label)]:
        fy, fx = peak(image)
        # One step of the spectrum of 64 pixels either way.
        assert 1 / high - 1 / 64 <= np.hypot(fy, fx) <= 1 / low + 1 / 64
        off = (np.degrees(np.arctan2(fy, fx)) - degrees + 90) % 180 - 90
        assert abs(off) < 15


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("vertical stripes, fine", "vertical stripes, coarse"),
        ("rising diagonal stripes", "falling diagonal stripes"),
        ("dots", "checkers"),
        ("horizontal gradient", "vertical gradient"),
        ("disc", "square"),
        ("red", "yellow"),
    ],
)
def test_matching_tells_neighbours_apart(clean, label, other):
    image = clean[CLASSES.index(label), 0]
    assert matches(label, image)
    assert not matches(other, image)


def test_matching_follows_the_zoom(clean):
    image = clean[CLASSES.index("vertical stripes, fine"), 0]
    doubled = np.kron(image, np.ones((2, 2, 1)))
    assert matches("vertical stripes, fine", doubled, zoom=2.0)
    assert not matches("vertical stripes, fine", doubled)


@pytest.mark.parametrize("label", ["dots", "vertical gradient", "disc", "red"])
def test_flat_grey_shows_no_class(label):
    assert not matches(label, np.full((64, 64, 3), 0.5))


def test_matching_refuses_what_it_cannot_judge():
    with pytest.raises(ValueError, match="tartan"):
        matches("tartan", np.zeros((64, 64, 3)))
    with pytest.raises(ValueError, match="48 pixels"):
        matches("red", np.zeros((32, 64, 3)))


def test_the_embedded_file_is_small_and_says_where_it_comes_from():
    assert WEIGHTS.stat().st_size <= 1_000_000
    assert weights_file.read_labels(WEIGHTS) == CLASSES
    facts = weights_file.read_metadata(WEIGHTS)
    assert facts["net"] == "demo" and float(facts["accuracy"]) >= 0.97
    assert "benchmarks.quality.train_demo" in json.loads(facts["source"])[0]


@pytest.mark.slow
def test_the_trained_network_recognises_fresh_drawings(trained, drawn):
    net, params = trained
    score = jax.vmap(lambda image: net.apply(params, image, stop="fc8")["fc8"])
    found = jnp.argmax(jax.lax.map(score, drawn(123)), axis=-1)
    shares = np.asarray((found == ALL[:, None]).mean(axis=1))
    assert shares.mean() >= 0.97
    assert shares.min() >= 0.85, dict(zip(CLASSES, shares))


@pytest.mark.slow
@pytest.mark.parametrize(("head", "last"), [("softmax", "prob"), ("linear", "fc8")])
def test_any_size_passes_and_scores_are_fc8(trained, key, head, last):
    _, params = trained
    net = demo(head=head)
    taps = net.apply(params, jax.random.uniform(key, (40, 90, 3)))
    assert net.taps[-1] == last and net.scores == net.classes == "fc8"
    assert taps["fc8"].shape == taps[last].shape == (len(CLASSES),)
    assert taps["relu4_2"].shape == (5, 11, 96)


def test_an_image_below_eight_pixels_is_refused(trained):
    net, params = trained
    with pytest.raises(ValueError, match="at least 8 pixels"):
        net.apply(params, jnp.zeros((7, 7, 3)))
