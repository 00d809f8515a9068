"""Generators coupled to a network: many items, one alone, and torch's way.

A step of N untrained generators, each with its own parameters, batch statistics and
AdaMax state, coupled to one frozen network: the value, the gradient and the update.
Ours is what the solver does: `vmap` over the items on an accelerator, one item after
another on a CPU, where generators share no work. The peers take the same steps: one
item as often as there are items; our own `vmap` on a CPU; torch, one by one.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import interleave
from benchmarks.harness.verdicts import Verdict, cosine_distance, judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.compiler import jit
from jaxvis.generators.deep import DeepGenerator, despraz_generator
from jaxvis.generators.drawing import Learned, Noise
from jaxvis.loss.compose import compose
from jaxvis.methods.coupled.objectives import Couple
from jaxvis.optimize import Problem, step_programs
from jaxvis.optimize.chunk_size import Sweep
from jaxvis.optimize.rules import adamax

NET, LOSS, ANGLE = "squeezenet1_1", 1e-3, 5e-3
"""The frozen network, small beside a generator; how far the loss may differ,
relatively, and its gradient, as 1 - cosine. A first picture spans a grey level or two,
in which maxima are nearly ties: 6e-4 is found with XLA's own convolutions, too."""
SMALL = DeepGenerator(start=(9, 9, 8), stages=((8, 4),))
RATE, OTHERS = 0.002, 0.01
"""AdaMax's learning rate, and the weight of all other activations."""
PEERS = {"alone": "jaxvis, one item as often", "vmap": "jaxvis, vmap", "torch": "torch, one by one"}
"""Way -> the peer's name."""


class Way(NamedTuple):
    """One way to take the steps of all items.

    Attributes:
      run: moves all items a step and waits for it.
      read: returns what the last step found: (losses `[n]`, the moving mean of every item's
        gradient, a dict "row/leaf" -> array in our layout), of few items or all.
    """

    run: Callable[[], None]
    read: Callable[[], tuple[np.ndarray, list[dict[str, np.ndarray]]]]


class Coupling:
    """N coupled generators at their start, and the ways to take their steps.

    Args:
      generator: the table.
      count: N.
      net: name of the frozen network.
    """

    def __init__(self, generator: DeepGenerator, count: int, *, net: str = NET) -> None:
        self.side, self.count, self.generator = generator.size[0], count, generator
        self.net, self.params = subjects.make_network(net, self.side)
        # Without noise, so that torch computes the same numbers.
        canvas = Learned(generator, noise=Noise(0.0))
        problem = Problem(compose(self.net, canvas), canvas, adamax(RATE), 500)
        keys = jax.random.split(jax.random.key(0), count)
        self.first = jit(jax.vmap(canvas.init))(keys)
        self.tap = self.net.scores or self.net.classes
        width = self.net.shape(self.params, self.tap, size=(self.side, self.side))[-1]
        others = jnp.full(count, OTHERS, jnp.float32)
        items = Couple(self.tap, jax.nn.one_hot(jnp.arange(count), width), others=others)
        ready = problem.loss.prepare(self.params)
        self.problem, self.sweep = problem, Sweep(ready, None, items, keys, self.first, None)

    def make_way(self, parts: Iterable[range]) -> Way:
        """Makes our steps.

        Args:
          parts: the items that go together, one part after another.
        """
        pieces = [_Piece(self.problem, self.sweep.take(np.array(part))) for part in parts]

        def run() -> None:
            for piece in pieces:
                piece.step()

        def read() -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
            losses = np.concatenate([np.asarray(piece.losses) for piece in pieces])
            return losses, [mean for piece in pieces for mean in piece.read_gradient_means()]

        return Way(run, read)


class _Piece:
    """Items that take their steps together."""

    def __init__(self, problem: Problem, sweep: Sweep) -> None:
        self.batch = sweep.batch(problem)
        self.carry = step_programs.begin(self.batch.program, sweep.keys, sweep.start)
        self.losses: jax.Array | None = None

    def step(self) -> None:
        """Takes one step of all items, and waits for it."""
        self.carry, terms = step_programs.step_once(*self.batch, self.carry, np.int32(0))
        self.losses = jax.block_until_ready(terms["loss"])

    def read_gradient_means(self) -> list[dict[str, np.ndarray]]:
        """Reads AdaMax's moving mean of every item's gradient, "row/leaf" -> array."""
        mean = optax.tree_utils.tree_get(self.carry.state, "mu")
        return [
            {
                f"{name}/{leaf}": np.asarray(value[i])
                for name, leaves in mean.items()
                for leaf, value in leaves.items()
            }
            for i in range(len(self.batch.keys))
        ]


def make_torch_way(given: Coupling) -> Way:
    """Makes the same steps in torch, one item after another.

    Args:
      given: the coupled generators.
    """
    import torch

    from benchmarks.peers.torch_generator import Drawer, read_gradient_means

    torch_peer.configure()
    module = torch_peer.make_module(given.net, given.params, given.tap, given.side)
    generator = given.generator
    rows = tuple((line.op, line.name, line.size, line.same) for line in generator.rows)
    make = partial(Drawer, rows, generator.start, generator.epsilon)
    first = jax.tree.map(np.asarray, given.first["params"])
    drawers = [
        make(jax.tree.map(lambda leaf, i=i: leaf[i], first)).to(torch_peer.choose_device())
        for i in range(given.count)
    ]
    optimizers = [torch.optim.Adamax(one.parameters(), lr=RATE) for one in drawers]
    losses = np.zeros(given.count)

    def run() -> None:
        for i, (drawer, optimizer) in enumerate(zip(drawers, optimizers)):
            optimizer.zero_grad(set_to_none=True)
            scores = module(drawer()).reshape(-1)
            positive = torch.relu(scores)
            rest = positive.sum() - positive[i]
            penalty = 0.01 * drawer.norms["image"].weight.abs().sum()
            loss = 1 - scores[i] + OTHERS * rest + penalty
            loss.backward()
            optimizer.step()
            losses[i] = loss.item()

    return Way(run, lambda: (losses.copy(), list(map(read_gradient_means, drawers, optimizers))))


def gradient_distance(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Computes 1 - cosine of two gradients, each taken as one vector of all its entries.

    Args:
      ours, theirs: name -> array; the same names and shapes.
    """
    pairs = [(ours[name].ravel(), theirs[name].ravel()) for name in ours]
    return cosine_distance(*(np.concatenate(side)[None] for side in zip(*pairs)))


def _make_ways(given: Coupling, vmapped: bool) -> dict[str, Way]:
    """Makes every way that is possible here; ours is "ours"."""
    count = given.count
    ways = {"alone": given.make_way([range(1)] * count)}
    if jax.default_backend() == "cpu":
        ways["ours"] = given.make_way([range(i, i + 1) for i in range(count)])
        if vmapped:
            ways["vmap"] = given.make_way([range(count)])
    else:
        ways["ours"] = given.make_way([range(count)])
    if torch_peer.why_absent() is None:
        ways["torch"] = make_torch_way(given)
    return ways


def measure_generators(
    generator: DeepGenerator,
    count: int,
    *,
    pairs: int,
    net: str = NET,
    vmapped: bool = True,
) -> list[Row]:
    """Measures one row for each peer, of the same interleaved runs.

    Args:
      generator: the table.
      count: items.
      pairs: interleaved runs.
      net: name of the frozen network.
      vmapped: whether our own `vmap` is a peer, which on a CPU is one more program.
    """
    given = Coupling(generator, count, net=net)
    ways = _make_ways(given, vmapped)
    for way in ways.values():
        way.run()
    ours = ways["ours"].read()
    verdicts = {
        name: _judge(ours, way.read(), 1 if name == "alone" else count)
        for name, way in ways.items()
    }
    runs = {name: way.run for name, way in ways.items()}
    times = interleave(runs, pairs, warmups=0, again=False)
    sizes = {"net": net, "pixels": given.side, "items": count}
    words = f"{count} untrained generators on {net}, {given.side} px"
    case = Case("generators", words, sizes)
    targets = {"alone": 1.0, "torch": 1.0} if generator == despraz_generator() else {}
    rows = [
        make_row(
            case._replace(target=targets.get(name)),
            ours=times["ours"],
            peer=times[name],
            **times.describe(peer=name),
            verdict=verdicts[name],
            peer_name=peer_name,
        )
        for name, peer_name in PEERS.items()
        if name in ways
    ]
    if "torch" not in ways:
        rows.append(make_row(case, ours=times["ours"], peer_name=torch_peer.why_absent()))
    return rows


def _judge(ours: tuple, theirs: tuple, count: int) -> Verdict:
    """Gives the verdict on the losses and gradients of the first items."""
    angles = map(gradient_distance, ours[1][:count], theirs[1][:count])
    return judge(
        loss=(relative_difference(ours[0][:count], theirs[0][:count]), LOSS),
        gradient_angle=(max(angles), ANGLE),
    )


def measure(quick: bool) -> list[Row]:
    """Measures 16 of the paper's generators at 224 pixels.

    Args:
      quick: two of them.
    """
    return measure_generators(despraz_generator(), 2 if quick else 16, pairs=3)


def measure_smoke() -> list[Row]:
    """Measures two small generators on a small network."""
    return measure_generators(SMALL, 2, pairs=1, net="demo", vmapped=False)
