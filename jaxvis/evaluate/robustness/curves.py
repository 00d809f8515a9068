"""How many images a network still gets right, as attacks may change them more and more."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.first_order import pgd
from jaxvis.attacks.norms import Norm, check_norm, geometry_of
from jaxvis.attacks.rows import Classes, Epsilons, choose_victims, score_images
from jaxvis.attacks.square import square
from jaxvis.evaluate.robustness.verdict import Check, check_curves
from jaxvis.network import Network
from jaxvis.optimize.keys import fold_name
from jaxvis.types import ImageLike, Key, Params, Run, Status, as_key

RADII: Mapping[str, tuple[float, ...]] = {
    "linf": (0.5 / 255, 1 / 255, 2 / 255, 4 / 255, 8 / 255, 16 / 255, 32 / 255),
    "l2": (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
}
"""The radii of a curve where none are named."""
UNBOUNDED: Mapping[str, Callable[[int], float]] = {
    "linf": lambda values: 1.0,
    "l2": lambda values: float(np.sqrt(values)),
}
"""The radius within which every image is, of the number of its values."""


class Robustness(NamedTuple):
    """What is known of a network's robustness.

    Attributes:
      epsilons: `[E]`, the radii, ascending.
      accuracy: attack -> `[E]`, the share of images that it leaves right.
      clean: the accuracy without any attack.
      queries: attack -> images that the network was shown, in all.
      unbounded: the accuracy where the attack may change everything; it should be 0.
      restarts: `[2]`, the accuracy at `at` after one start and after several.
      still: the share of attacked images of which no gradient ever moved the loss.
      at: the radius of `restarts`, where about half of the images are still right.
      checks: what was checked, and how it went.
    """

    epsilons: np.ndarray
    accuracy: dict[str, np.ndarray]
    clean: float
    queries: dict[str, int]
    unbounded: float
    restarts: np.ndarray
    still: float
    at: float
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """Says in words whether these figures can be trusted."""
        failed = [one for one in self.checks if not one.passed]
        if not failed:
            return (
                "The attacks behave as they should on a network whose gradients are honest: "
                "the accuracies are upper bounds that these attacks did not beat."
            )
        reasons = "; ".join(one.finding for one in failed)
        return (
            f"Do not trust these accuracies: {reasons}. The gradients may be obfuscated: attack "
            "through the defence (BPDA, expectation over transformations), with another loss, or "
            "without gradients."
        )


def measure_robustness(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    norm: Norm = "linf",
    epsilons: Epsilons | None = None,
    steps: int = 40,
    restarts: int = 5,
    queries: int = 2000,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Robustness:
    """Measures accuracy against epsilon by four attacks, and whether they can be trusted.

    They are random noise, one step (FGSM), many steps (PGD), and one that sees scores alone
    (Square). Then come the signs of obfuscated gradients: one step must not beat many, a black
    box not the white one, an attack without a bound must reach every image, more restarts
    must find little more, and gradients must arrive.

    Args:
      net, params: the network.
      images: `[N, H, W, C]` in [0, 1].
      labels: their true classes, by number or name; None takes what the network says.
      norm: "linf" or "l2".
      epsilons: the radii; None takes seven that double, from 0.5 / 255 in "linf".
      steps: of PGD.
      restarts: of PGD, in the check that more of them find little more.
      queries: that the black box may ask of an image and a radius.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key.
      chunk: images that a device attacks together; None chooses.
      progress: whether to show bars.

    Raises:
      ValueError: as `jaxvis.attacks.pgd`, and for a network that gets no image right.

    Source: Athalye, Carlini & Wagner (ICML 2018), section 3.1; Carlini et al., On Evaluating
    Adversarial Robustness (2019).

    >>> import jax, jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> disk = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> found = jaxvis.measure_robustness(
    ...     net, params, disk[None], epsilons=[8 / 255], steps=4, restarts=2, queries=64)
    >>> sorted(found.accuracy)
    ['many steps', 'noise', 'one step', 'scores alone']
    """
    check_norm(norm, known=tuple(RADII))
    radii = np.unique(np.asarray(RADII[norm] if epsilons is None else epsilons, np.float32))
    victims = choose_victims(net, params, images, labels, norm=norm, epsilon=radii, names=names)
    right = np.argmax(victims.clean, -1) == victims.labels
    if not right.any():
        raise ValueError(f"{net.name} gets none of the {len(right)} images right: check labels=")
    key = as_key(key)
    attack = partial(_attack, net, params, victims.images, victims.labels, norm, chunk, progress)
    runs = {
        "one step": attack(pgd, radii, steps=1, step_size=1.0, random_start=False, key=key),
        "many steps": attack(pgd, radii, steps=steps, key=key),
        "scores alone": attack(square, radii, steps=max(queries - 1, 1), key=key),
    }
    accuracy = {name: _keep_right(run) for name, run in runs.items()}
    noise = _draw_noise(victims.images, norm, radii, fold_name(key, "noise"))
    accuracy["noise"] = _score_noise(net, params, noise, victims.labels, right)
    at = int(np.argmin(np.abs(accuracy["many steps"] - right.mean() / 2)))
    several = attack(pgd, radii[at : at + 1], steps=steps, restarts=restarts, key=key)
    whole = UNBOUNDED[norm](victims.images[0].size)
    free = attack(pgd, np.array([whole]), steps=max(steps, 40), loss="margin", key=key)
    attacked = np.asarray(runs["many steps"].facts["queries"]) > 0
    dead = (np.asarray(runs["many steps"].status) == Status.DEAD) & attacked
    figures: dict[str, Any] = {
        "epsilons": radii,
        "accuracy": accuracy,
        "clean": float(right.mean()),
        "queries": {name: int(np.sum(run.facts["queries"])) for name, run in runs.items()},
        "unbounded": float(_keep_right(free)[0]),
        "restarts": np.array([accuracy["many steps"][at], _keep_right(several)[0]]),
        "still": float(dead.sum() / max(attacked.sum(), 1)),
        "at": float(radii[at]),
    }
    return Robustness(**figures, checks=check_curves(len(right), **figures))


def _attack(
    net: Network,
    params: Params,
    images: np.ndarray,
    labels: np.ndarray,
    norm: Norm,
    chunk: int | None,
    progress: bool,
    method: Callable[..., Run],
    radii: np.ndarray,
    **options: Any,
) -> Run:
    return method(
        net,
        params,
        images,
        labels,
        norm=norm,
        epsilon=[float(radius) for radius in radii],
        chunk=chunk,
        progress=progress,
        **options,
    )


def _keep_right(run: Run) -> np.ndarray:
    """Returns the share of images that are still right, `[E]`."""
    share: np.ndarray = 1.0 - np.asarray(run.facts["success"], float).mean(axis=0)
    return share


def _draw_noise(images: np.ndarray, norm: Norm, radii: np.ndarray, key: Key) -> np.ndarray:
    """Draws images with noise of the norm of each radius, `[E, N, H, W, C]`."""
    geometry = geometry_of(norm)
    keys = jax.random.split(key, len(images))
    shape = images.shape[1:]
    draws = np.asarray(jax.vmap(lambda one: geometry.draw(one, shape, jnp.float32(1.0)))(keys))
    if norm == "linf":
        draws = np.sign(draws)
    spread = radii[:, None, None, None, None] * draws
    return np.asarray(np.clip(images + spread, 0.0, 1.0), np.float32)


def _score_noise(
    net: Network, params: Params, noise: np.ndarray, labels: np.ndarray, right: np.ndarray
) -> np.ndarray:
    shares = []
    for images in noise:
        said = np.argmax(score_images(net, params, images), -1)
        shares.append(float(np.mean((said == labels) & right)))
    return np.array(shares)
