"""Generators coupled to a network: many items, one alone, and torch's way.

A step of N untrained generators, each with its own parameters, batch statistics and
AdaMax state, coupled to one frozen network: the value, the gradient and the update.
Ours is what the solver does: `vmap` over the items on an accelerator, one item after
another on a CPU, where generators share no work. Others take the same steps in turn:
one item as often as there are items; our own `vmap` on a CPU; torch, one by one.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness import subjects
from benchmarks.harness.rows import Row, Verdict, interleaved, relative, row, verdict
from benchmarks.peers import torch_peer
from jaxvis.generators.deep import DeepGenerator, untrained
from jaxvis.generators.drawing import Learned, Noise, learning
from jaxvis.methods.coupled.objectives import Couple, CoupledLoss
from jaxvis.optimize import Problem, stepping
from jaxvis.optimize.rules.first_order import adamax

NET, LOSS, ANGLE = "squeezenet1_1", 1e-3, 5e-3
"""The frozen network, small beside a generator; how far the loss may differ,
relatively, and its gradient, as 1 - cosine. A first picture spans a grey level or two,
in which maxima are nearly ties: 6e-4 is found with XLA's own convolutions, too."""
SMALL = DeepGenerator(start=(9, 9, 8), stages=((8, 4),))
RATE = 0.002


class Way(NamedTuple):
    """One way to take the steps of all items.

    Attributes:
      run: moves all items a step and waits for it.
      found: what the last step found: (losses `[n]`, the moving mean of every item's
        gradient, a dict "row/leaf" -> array in our layout), of few items or all.
    """

    run: Callable[[], None]
    found: Callable[[], tuple[np.ndarray, list[dict[str, np.ndarray]]]]


class Case:
    """N problems at their start, and the ways to take their steps.

    Args:
      generator: the table.
      count: N.
      net: name of the frozen network.
    """

    def __init__(self, generator: DeepGenerator, count: int, *, net: str = NET) -> None:
        self.side, self.count, self.generator = generator.size[0], count, generator
        self.net, self.params = subjects.subject(net, self.side)
        # Without noise, so that torch computes the same numbers.
        canvas = Learned(generator, noise=Noise(0.0))
        loss = CoupledLoss(self.net, canvas)
        self.problem = Problem(loss, canvas, learning(adamax(RATE)), 500)
        self.keys = jax.random.split(jax.random.key(0), count)
        tap = self.net.scores or self.net.classes
        width = self.net.shape(self.params, tap, size=(self.side, self.side))[-1]
        self.items = Couple(tap, jax.nn.one_hot(jnp.arange(count), width))
        self.first = jax.jit(jax.vmap(canvas.init))(self.keys)
        self.given = loss.prepare({"net": self.params, "generator": None})

    def way(self, parts: Iterable[range]) -> Way:
        """Returns our steps.

        Args:
          parts: the items that go together, one part after another.
        """
        pieces = []
        for part in parts:
            own = stepping.take((self.items, self.keys, self.first), np.array(part))
            pieces.append([*own[:2], stepping.begin(self.problem, *own[1:]), None])

        def run() -> None:
            for piece in pieces:
                items, keys, carry, _ = piece
                piece[2], terms = stepping.step_once(
                    self.problem, None, self.given, items, keys, carry, np.int32(0)
                )
                piece[3] = jax.block_until_ready(terms["loss"])

        def found() -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
            means = []
            for _, keys, (_, state, _), _ in pieces:
                mean = optax.tree_utils.tree_get(state, "mu")["params"]
                means += [
                    {
                        f"{name}/{leaf}": np.asarray(value[i])
                        for name, leaves in mean.items()
                        for leaf, value in leaves.items()
                    }
                    for i in range(len(keys))
                ]
            return np.concatenate([np.asarray(piece[3]) for piece in pieces]), means

        return Way(run, found)


def torch_way(case: Case) -> Way:
    """Returns the same steps in torch, one item after another.

    Args:
      case: the problems.
    """
    import torch

    from benchmarks.peers.torch_generator import Drawer, gradient_means

    torch_peer.prepare()
    module = torch_peer.network(case.net, case.params, case.items.tap, case.side)
    first = jax.tree.map(np.asarray, case.first["params"])
    rows = tuple((line.op, line.name, line.size, line.same) for line in case.generator.rows)
    drawers = [
        Drawer(
            rows,
            case.generator.start,
            case.generator.epsilon,
            jax.tree.map(lambda leaf, i=i: leaf[i], first),
        ).to(torch_peer.device())
        for i in range(case.count)
    ]
    tools = [torch.optim.Adamax(one.parameters(), lr=RATE) for one in drawers]
    losses = np.zeros(case.count)

    def run() -> None:
        for i, (one, tool) in enumerate(zip(drawers, tools)):
            tool.zero_grad(set_to_none=True)
            scores = module(one()).reshape(-1)
            positive = torch.relu(scores)
            rest = positive.sum() - positive[i]
            penalty = 0.01 * one.norms["image"].weight.abs().sum()
            loss = 1 - scores[i] + 0.01 * rest + penalty
            loss.backward()
            tool.step()
            losses[i] = loss.item()

    return Way(run, lambda: (losses.copy(), list(map(gradient_means, drawers, tools))))


def apart(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Returns 1 - cosine of two gradients, all of their entries taken as one vector.

    Args:
      ours, theirs: name -> array; the same names and shapes.
    """
    product = own = other = 0.0
    for name, value in ours.items():
        a, b = value.astype(np.float64).ravel(), theirs[name].astype(np.float64).ravel()
        product, own, other = product + a @ b, own + a @ a, other + b @ b
    return 1 - product / np.sqrt(own * other)


def measured(
    generator: DeepGenerator,
    count: int,
    *,
    pairs: int,
    net: str = NET,
    vmapped: bool = True,
) -> list[Row]:
    """Returns a row a peer, of the same interleaved runs.

    Args:
      generator: the table.
      count: items.
      pairs: interleaved runs.
      net: name of the frozen network.
      vmapped: whether our own `vmap` is a peer, which on a CPU is one more program.
    """
    case = Case(generator, count, net=net)
    names = {"alone": "jaxvis, one item as often", "vmap": "jaxvis, vmap"}
    ways = {"alone": case.way([range(1)] * count)}
    if jax.default_backend() == "cpu":
        ways["ours"] = case.way([range(i, i + 1) for i in range(count)])
        if vmapped:
            ways["vmap"] = case.way([range(count)])
    else:
        ways["ours"] = case.way([range(count)])
    if torch_peer.absent() is None:
        ways["torch"] = torch_way(case)
    for way in ways.values():
        way.run()
    ours = ways["ours"].found()
    verdicts = {
        name: _compared(ours, way.found(), 1 if name == "alone" else count)
        for name, way in ways.items()
    }
    times = interleaved(
        {name: way.run for name, way in ways.items()}, pairs, warmups=0, again=False
    )
    make = partial(
        row,
        "generators",
        f"{count} untrained generators on {net}, {case.side} px",
        ours=times["ours"],
        sizes={"net": net, "pixels": case.side, "items": count},
    )
    targets = {"alone": 1.0, "torch": 1.0} if generator == untrained() else {}
    peers = [name for name in ("alone", "vmap", "torch") if name in ways]
    rows = [
        make(
            peer=times[name],
            verdict=verdicts[name],
            target=targets.get(name),
            peer_name=names.get(name, "torch, one by one"),
        )
        for name in peers
    ]
    if "torch" not in ways:
        rows.append(make(peer=None, peer_name=torch_peer.absent(), verdict=None))
    return rows


def _compared(ours: tuple, theirs: tuple, count: int) -> Verdict:
    """Returns the verdict on the losses and gradients of the first items."""
    angles = map(apart, ours[1][:count], theirs[1][:count])
    return verdict(
        loss=(relative(ours[0][:count], theirs[0][:count]), LOSS),
        gradient_angle=(max(angles), ANGLE),
    )


def rows(quick: bool) -> list[Row]:
    """Returns the rows: 16 of the paper's generators at 224 pixels.

    Args:
      quick: two of them.
    """
    return measured(untrained(), 2 if quick else 16, pairs=3)


def smoke() -> list[Row]:
    """Returns the rows of two small generators on a small network."""
    return measured(SMALL, 2, pairs=1, net="demo", vmapped=False)
