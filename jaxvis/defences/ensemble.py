"""Several networks as one, whose scores are the mean of theirs.

Every attack on the ensemble then climbs the gradient of all members at once: the attack that
showed that several weak defences are not a strong one.

Source: He et al., Adversarial example defenses: ensembles of weak defenses are not strong,
2017.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from jaxvis.network import Forward, Network
from jaxvis.types import Array, Params, Taps

SCORES = "scores"
"""The tap of an ensemble's scores."""
Mean = Literal["scores", "probabilities"]


@dataclass(frozen=True)
class EnsembleForward(Forward):
    """The forward pass of an ensemble: those of its members, and the mean of their scores.

    Args:
      members: the networks.
      mean: of what.
    """

    members: tuple[Network, ...]
    mean: Mean

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps of the members that are wanted, `NUMBER/TAP`, and the scores.

        Raises:
          ValueError: if it does not begin at the image.
        """
        if set(values) != {"input"}:
            raise ValueError("an ensemble runs from the image only: leave start out")
        found: Taps = {}
        for number, net in enumerate(self.members):
            prefix = f"{number}/"
            stops = tuple(name.removeprefix(prefix) for name in wanted if name.startswith(prefix))
            if SCORES in wanted and net.scores:
                stops += (net.scores,)
            if stops:
                own = net.apply(split_params(params, number), values["input"], stop=stops)
                found |= {prefix + name: value for name, value in own.items()}
        if SCORES in wanted:
            each = [
                found[f"{number}/{net.scores}"].ravel() for number, net in enumerate(self.members)
            ]
            found[SCORES] = _average(jnp.stack(each), self.mean)
        return found

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters as the members prepare them.

        Args:
          params: the ensemble's parameters.
          size: (H, W) of the images to come.
        """
        return join_params(
            [
                net.prepare(split_params(params, number), size=size)
                for number, net in enumerate(self.members)
            ]
        )


def ensemble(
    members: Sequence[tuple[Network, Params]], *, mean: Mean = "scores"
) -> tuple[Network, Params]:
    """Makes one network of several, whose scores are the mean of theirs.

    Args:
      members: (net, params) of each; their images and classes agree.
      mean: "scores" averages the class scores; "probabilities" averages what softmax makes
        of them, and gives the logarithm as the score.

    Returns:
      tuple: (net, params). Its taps are `scores` and those of the members, `0/relu1_1`.

    Raises:
      ValueError: for no members, a member without class scores, members whose images or
        classes differ, or an unknown mean.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> one = jaxvis.load("demo")
    >>> net, params = jaxvis.ensemble([one, one])
    >>> net.apply(params, jnp.full((16, 16, 3), 0.5), stop="scores")["scores"].shape
    (20,)
    """
    if mean not in ("scores", "probabilities"):
        raise ValueError(f"mean is 'scores' or 'probabilities', not {mean!r}")
    if not members:
        raise ValueError("an ensemble has at least one member")
    nets = [net for net, _ in members]
    _check_members(nets, [params for _, params in members])
    taps = [
        f"{number}/{tap}" for number, net in enumerate(nets) for tap in net.taps if tap != "input"
    ]
    found = Network(
        name="ensemble_" + "_".join(net.name for net in nets),
        forward=EnsembleForward(tuple(nets), mean),
        taps=("input", *taps, SCORES),
        input_size=nets[0].input_size,
        scores=SCORES,
        classes=SCORES,
        channels=nets[0].channels,
    )
    return found, join_params([params for _, params in members])


def join_params(each: Sequence[Params]) -> Params:
    """Joins the parameters of members: `NUMBER/LAYER` -> the arrays, of any shapes.

    Args:
      each: those of every member, in order.
    """
    return {
        f"{number}/{name}": leaves
        for number, params in enumerate(each)
        for name, leaves in params.items()
    }


def split_params(params: Params, number: int) -> Params:
    """Gives the parameters of one member.

    Args:
      params: those of the ensemble.
      number: of the member, from 0.
    """
    prefix = f"{number}/"
    return {
        name.removeprefix(prefix): leaves
        for name, leaves in params.items()
        if name.startswith(prefix)
    }


def _average(scores: Array, mean: Mean) -> Array:
    """Returns the mean of the members' scores `[members, classes]`."""
    if mean == "scores":
        return jnp.mean(scores, axis=0)
    each = jax.nn.log_softmax(scores)
    return jax.nn.logsumexp(each, axis=0) - jnp.log(float(len(scores)))


def _check_members(nets: list[Network], params: list[Params]) -> None:
    for net in nets:
        if net.scores is None:
            raise ValueError(f"{net.name} names no class scores, which an ensemble averages")
    images = {(net.input_size, net.channels) for net in nets}
    if len(images) > 1:
        raise ValueError(f"the members take different images (size, channels): {sorted(images)}")
    counts = [net.shape(own, net.scores or "")[-1] for net, own in zip(nets, params)]
    if len(set(counts)) > 1:
        raise ValueError(f"the members have different numbers of classes: {counts}")
