"""A linear network, z = W x + b: what attacks can do to it is known in closed form."""

from functools import cache

import numpy as np

from jaxvis import from_function

SIDE, CLASSES = 4, 4


def score(params, image):
    """Computes the scores of a linear network, `[CLASSES]`."""
    return {"scores": params["kernel"] @ image.ravel() + params["bias"]}


@cache
def linear(classes=CLASSES, side=SIDE):
    """Returns (net, params) of a linear network of random weights."""
    rng = np.random.default_rng(5)
    kernel = rng.normal(size=(classes, side * side * 3)).astype(np.float32)
    params = {"kernel": kernel, "bias": np.zeros(classes, np.float32)}
    return from_function(score, params, input_size=(side, side), scores="scores", name="linear")


def draw_images(count=3, side=SIDE):
    """Returns images `[count, side, side, 3]`, away from the edges of [0, 1]."""
    rng = np.random.default_rng(6)
    return rng.uniform(0.3, 0.7, (count, side, side, 3)).astype(np.float32)


def choose_two(gap=1.5):
    """Returns parameters of `linear` of which classes 0 and 1 alone can win.

    Class 0 wins the first image of `draw_images` by `gap`, and z_1 - z_0 = w.x - b.
    """
    kernel = np.zeros_like(linear()[1]["kernel"])
    kernel[1] = linear()[1]["kernel"][1]
    lead = float(kernel[1] @ draw_images(1)[0].ravel()) + gap
    return {"kernel": kernel, "bias": np.float32([lead, 0, lead - 100, lead - 100])}


def find_scores(image, params=None):
    """Returns the scores of images `[..., side, side, 3]`, by NumPy."""
    params = linear()[1] if params is None else params
    flat = np.asarray(image, np.float64).reshape(*np.shape(image)[:-3], -1)
    return flat @ np.asarray(params["kernel"], np.float64).T + params["bias"]


def find_boundary(image, norm, params=None):
    """Returns the smallest norm of a perturbation that changes the class, outside any box."""
    params = linear()[1] if params is None else params
    scores = find_scores(image, params)
    label = int(scores.argmax())
    others = [i for i in range(len(scores)) if i != label]
    slopes = np.asarray(params["kernel"], np.float64)[others] - params["kernel"][label]
    size = {
        "linf": np.abs(slopes).sum(1),
        "l2": np.sqrt((slopes**2).sum(1)),
        "l1": np.abs(slopes).max(1),
    }[norm]
    # What no change of the image brings nearer is infinitely far away.
    with np.errstate(divide="ignore"):
        return ((scores[label] - scores[others]) / size).min()


def measure(delta, norm):
    """Returns the norm of perturbations `[..., H, W, C]`, by NumPy."""
    flat = np.abs(np.asarray(delta, np.float64)).reshape(*delta.shape[:-3], -1)
    if norm == "l0":
        return (np.abs(delta).max(-1) > 0).sum((-1, -2))
    return {"linf": flat.max(-1), "l1": flat.sum(-1), "l2": np.sqrt((flat**2).sum(-1))}[norm]
