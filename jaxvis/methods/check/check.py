"""A check of whether a network reads its images as it was trained to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_image
from jaxvis.methods.check.conventions import Input, measure_input, see
from jaxvis.methods.check.taps import find_faults
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Params

TOP = 5
"""Classes that are shown."""
LISTED = 4
"""Other preprocessings that a warning names."""
UNIFORM = 0.98
"""Part of the largest entropy from which all classes count as nearly as probable."""
SMALL, LARGE = 0.1, 1000.0
"""What lies between black and white for a first layer, far from all conventions."""
STEADY = 0.45
"""Change of the scores between unlike pictures, in parts of their size, below which they are
not told apart. Of GoogLeNet and SqueezeNet read rightly it was 0.49 to 1.25 for all pairs of 30
photographs; read as 0 to 1 in place of 0 to 255 it was 0.02 to 0.19."""
FEW = 10
"""Classes of a network below which two pictures often have like scores by chance."""
ODDS, HEIGHT = 7.0, 1.2
"""How many times larger the odds and the height of another answer are that is far clearer.
Of 60 networks and photographs that were read rightly, two had such another answer; of those
read at another scale, six in ten."""


class Reading(NamedTuple):
    """What a network answers to a photograph that is preprocessed in one way.

    Attributes:
      how: the preprocessing, in words.
      number: the class of the largest score.
      probability: of that class.
      height: how far its score stands above the mean of all, in their standard deviations.
        Unlike the probability it does not grow where all scores do.
    """

    how: str
    number: int
    probability: float
    height: float


@dataclass(frozen=True, repr=False)
class Check:
    """What `check` found.

    Attributes:
      name: the network's.
      channels: (min, max, mean) of each channel that enters the first layer.
      top: (class, probability), the most probable first; () without class scores.
      readings: the answer under the network's own preprocessing, and under common others.
      warnings: what is wrong, in sentences; () where nothing is.
      labels: of the classes, or ().
    """

    name: str
    channels: tuple[tuple[float, float, float], ...]
    top: tuple[tuple[int, float], ...]
    readings: tuple[Reading, ...]
    warnings: tuple[str, ...]
    labels: tuple[str, ...]

    def __repr__(self) -> str:
        """All of it, a line for each fact."""
        lines = [f"{self.name} sees", "  channel       min       max      mean"]
        for i, values in enumerate(self.channels):
            lines.append(f"  {i:7}" + "".join(f"{value:10.3f}" for value in values))
        if self.top:
            lines += ["and answers", "  probability  class"]
        lines += [f"  {p:11.4f}  {self._name(number)}" for number, p in self.top]
        if len(self.readings) > 1:
            lines += ["The same photograph in other preprocessings:"]
            lines += ["  probability  height  class"]
            for one in self.readings:
                name = self._name(one.number)[:30]
                lines.append(f"  {one.probability:11.4f}  {one.height:6.1f}  {name:30}  {one.how}")
        lines += [f"WARNING: {warning}" for warning in self.warnings]
        return "\n".join(lines + ["Nothing looks wrong."] * (not self.warnings))

    def _name(self, number: int) -> str:
        return f"{number} {self.labels[number]}" if self.labels else str(number)


def check(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    labels: Sequence[str] = (),
    shows: int | None = None,
) -> Check:
    """Checks that a network reads its images as it was trained to.

    A network that is adapted or converted with a wrong preprocessing still gives taps and
    scores, and every picture that is made for it is wrong. This shows what enters its first
    layer and what it answers to a photograph; looks for layers that say nothing and for
    answers that hardly depend on the picture; and asks again with the photograph
    preprocessed as other networks want it. Values on a wrong scale are seen nearly always.
    Red for blue, or a mean that is missing, change an answer little: only `shows` finds
    them, and not with every photograph.

    Args:
      net, params: the network.
      image: a photograph `[H, W, 3]` in [0, 1], of a size that the network takes.
      labels: of the classes, by class index; () if unknown.
      shows: the class that the photograph shows, from 0; None if unknown.

    Returns:
      Check: prints as a small table; `warnings` is () where nothing looks wrong.

    Raises:
      ValueError: for an image that is none, or that the network does not take, and for
        another number of labels than classes.

    >>> import jax
    >>> import jaxvis
    >>> from jaxvis.nets.demo.images import draw
    >>> net, params = jaxvis.load("demo")
    >>> red = jaxvis.jit(lambda: draw(jax.random.key(4), "red"))()
    >>> jaxvis.check(net, params, red, shows=16).warnings
    ()
    """
    photo = check_image(image, "the photograph", channels=net.channels)
    seen = see(net, params, photo)
    facts = np.stack([f(np.asarray(seen), axis=(0, 1)) for f in (np.min, np.max, np.mean)], -1)
    channels = tuple((float(low), float(high), float(mean)) for low, high, mean in facts)
    known = measure_input(net, params, (photo.shape[0], photo.shape[1]))
    warnings = _judge_scale(known) + find_faults(net, params, photo)
    if net.scores is None:
        return Check(net.name, channels, (), (), tuple(warnings), tuple(labels))
    scores = np.asarray(_score(net, params, photo))
    _check_classes(net, len(scores), labels, shows)
    if not np.isfinite(scores).all():
        warnings.append("the class scores are not finite (NaN or infinite)")
        return Check(net.name, channels, (), (), tuple(warnings), tuple(labels))
    warnings += _judge_scores(net, params, photo, scores)
    readings = (_read("as it is now", scores), *_ask_otherwise(net, params, photo, seen, known))
    warnings += _compare(readings)
    if shows is not None:
        warnings += _compare_truth(scores, readings, shows)
    return Check(net.name, channels, _list_top(scores), readings, tuple(warnings), tuple(labels))


def _check_classes(net: Network, count: int, labels: Sequence[str], shows: int | None) -> None:
    if labels and len(labels) != count:
        raise ValueError(f"{len(labels)} labels came for the {count} classes of {net.name}")
    if shows is not None and not 0 <= shows < count:
        raise ValueError(f"shows= is a class of {net.name}, from 0 to {count - 1}, not {shows}")


def _judge_scale(known: Input | None) -> list[str]:
    """Returns a sentence where the numbers of images are none that networks are trained with."""
    scale = 1.0 if known is None else float(np.abs(known.matrix).sum(0).max())
    if SMALL < scale < LARGE:
        return []
    return [
        f"from black to white is a step of {scale:.3g} for the first layer, and networks are "
        "trained with 1 to 255, or less by a deviation: was range or std applied twice, or not?"
    ]


def _judge_scores(net: Network, params: Params, photo: Array, scores: np.ndarray) -> list[str]:
    """Returns what is wrong with finite class scores, in sentences."""
    found = []
    if _are_probabilities(scores):
        found.append(
            f"the class scores ({net.scores}) add up to 1: they are probabilities already, and "
            "methods want the scores before softmax"
        )
    probabilities = _to_probabilities(scores)
    entropy = -float(np.sum(probabilities * np.log(np.maximum(probabilities, 1e-30))))
    if entropy > UNIFORM * np.log(len(scores)):
        found.append(
            f"all {len(scores)} classes are nearly as probable (the first has "
            f"{probabilities.max():.2g}): the network sees nothing that it knows"
        )
    change = np.mean([_measure_change(scores, net, params, o) for o in _make_unlike(photo)])
    if change < (STEADY if len(scores) >= FEW else STEADY / 4):
        found.append(
            "the answer hardly depends on the picture: for the photograph's negative and for noise "
            f"the scores change by {change:.0%} of their size, where 100% is usual; are the values "
            "on the scale that the network was trained with?"
        )
    return found


def _measure_change(scores: np.ndarray, net: Network, params: Params, other: Array) -> float:
    """Returns how far the scores of another picture lie away; 1 where they are unrelated."""
    pair = [one - one.mean() for one in (scores, np.asarray(_score(net, params, other)))]
    size = float(np.sqrt(np.sum(np.square(pair))))
    return float(np.linalg.norm(pair[0] - pair[1])) / max(size, 1e-30)


def _make_unlike(photo: Array) -> list[Array]:
    """Returns pictures that have nothing in common with a photograph, nor with each other.

    Stripes would not do: networks have classes for them, whatever the scale.
    """
    noise = np.random.default_rng(0).random(photo.shape, np.float32)
    return [1 - photo[::-1], jnp.asarray(noise)]


def _ask_otherwise(
    net: Network, params: Params, photo: Array, seen: Array, known: Input | None
) -> list[Reading]:
    """Returns the answers to the photograph under common other preprocessings."""
    if known is None:
        return []
    others = known.list_others(photo, seen)
    return [
        _read(how, np.asarray(_score(net, params, known.undo(values)))) for how, values in others
    ]


def _read(how: str, scores: np.ndarray) -> Reading:
    number = int(np.argmax(scores))
    height = (scores[number] - scores.mean()) / max(float(scores.std()), 1e-30)
    return Reading(how, number, float(_to_probabilities(scores)[number]), float(height))


def _compare(readings: Sequence[Reading]) -> list[str]:
    """Returns a sentence where another preprocessing gives a far clearer answer."""
    own = readings[0]
    clearer = [
        other
        for other in readings[1:]
        if _odds(other.probability) > ODDS * _odds(own.probability)
        and other.height > HEIGHT * own.height
    ]
    if not clearer:
        return []
    best = max(clearer, key=lambda other: other.height)
    return [
        f"the answer is far clearer with {best.how}: class {best.number} with probability "
        f"{best.probability:.2f}, and {own.probability:.2f} as it is now"
    ]


def _compare_truth(scores: np.ndarray, readings: Sequence[Reading], shows: int) -> list[str]:
    """Returns sentences where the class that the photograph shows is not what is answered."""
    place = int(np.sum(scores > scores[shows]))
    warnings = []
    if place >= TOP:
        warnings.append(f"the class that the photograph shows, {shows}, comes in place {place + 1}")
    chance = float(_to_probabilities(scores)[shows])
    better = [
        one
        for one in readings
        if one.number == shows and _odds(one.probability) > ODDS * _odds(chance)
    ]
    if better and chance < 0.5:
        # The highest first: a probability is nearly 1 wherever scores are large.
        listed = sorted(better, key=lambda one: -one.height)[:LISTED]
        warnings.append(
            f"the class that it shows has probability {chance:.2g}, and is recognised with "
            + "; ".join(f"{one.how} ({one.probability:.2f})" for one in listed)
        )
    return warnings


def _odds(probability: float) -> float:
    return probability / max(1 - probability, 1e-6)


def _list_top(scores: np.ndarray) -> tuple[tuple[int, float], ...]:
    probabilities = _to_probabilities(scores)
    order = np.argsort(-scores, kind="stable")[:TOP]
    return tuple((int(number), float(probabilities[number])) for number in order)


def _are_probabilities(scores: np.ndarray) -> bool:
    return len(scores) > 1 and scores.min() >= 0 and abs(float(scores.sum()) - 1) < 1e-3


def _to_probabilities(scores: np.ndarray) -> np.ndarray:
    """Returns the softmax of scores, or the scores where they are probabilities already."""
    if _are_probabilities(scores):
        return scores
    powers = np.exp(np.asarray(scores, np.float64) - np.max(scores))
    return powers / powers.sum()


@jit(static_argnums=0)
def _score(net: Network, params: Params, image: Array) -> Array:
    assert net.scores is not None  # refused before
    return net.apply(params, image, stop=net.scores)[net.scores]
