"""The boundary attack: a random walk along the boundary by labels alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.black_box import search as line
from jaxvis.attacks.black_box.search import Search
from jaxvis.attacks.minimal.smallest import check_above
from jaxvis.attacks.norms import Norm, check_norm
from jaxvis.attacks.rows import Classes, Epsilons, check_starts, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Run

ADAPTATION = 1.5
"""By what factor the lengths of steps change."""
FEW_ASIDE, MANY_ASIDE = 0.2, 0.5
"""Shares of steps aside that fool the network, outside of which their length changes."""
FEW_NEARER, MANY_NEARER = 0.1, 0.25
"""The same of the steps towards the image."""
SHORTEST = 1e-7
"""The length of a step towards the image, as a part of the distance, at which it ends."""


class BoundaryState(NamedTuple):
    """Where the walk is.

    Attributes:
      search: what every attack by labels keeps; its best picture is where the walk stands.
      aside, nearer: `[]`, the lengths of steps as parts of the distance.
    """

    search: Search
    aside: Array
    nearer: Array


@dataclass(frozen=True)
class Boundary(Attack):
    """A random walk that stays where the network is fooled and goes towards the image.

    Args:
      norm: "l2".
      steps: batches at most.
      budget: queries of one image at most.
      batch: pictures that a step asks about: half of them after a step aside, the others
        after a further step towards the image.
    """

    budget: int = line.UNLIMITED
    batch: int = line.BATCH

    @property
    def looks(self) -> int:
        """How many pictures a step asks about."""
        return self.batch

    @property
    def follows_gradient(self) -> bool:
        """It follows labels alone."""
        return False

    def begin(self, model: Model, row: Row, key: Key) -> tuple[BoundaryState, Array]:
        """Begins at the row's start, or with the search for one.

        Args:
          model, row, key: see `Attack.begin`; images are `[H, W, C]`.
        """
        del model, key
        search = line.begin_search(self.norm, row)
        return BoundaryState(search, jnp.float32(0.01), jnp.float32(0.01)), search.queries

    def step(
        self, model: Model, row: Row, state: BoundaryState, key: Key, step: Array
    ) -> tuple[BoundaryState, Report]:
        """Asks about one batch of pictures, and goes on in the phase that it is in.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        del step
        before = state.search
        # Half a batch of steps aside and half of steps towards the image belong together.
        walked = 2 * jnp.minimum(self.batch // 2, (self.budget - before.queries) // 2)
        counts = jnp.stack([jnp.int32(self.batch), jnp.int32(line.PLACES), walked])[before.phase]
        asked = jnp.clip(counts, 0, jnp.minimum(self.batch, self.budget - before.queries))
        noise = jax.random.uniform(key, (self.batch, *row.image.shape), minval=-1.0, maxval=1.0)
        points = self._propose(row, state, noise)
        fooled = jax.vmap(lambda image: model.is_fooled(image, row))(points)
        state = self._take(row, state, points, fooled, asked)
        search = state.search._replace(queries=before.queries + asked)
        lost = (search.phase == line.START) & (search.tries >= line.ATTEMPTS)
        spent = (asked == 0) | (search.queries >= self.budget)
        done = lost | spent | (state.nearer < SHORTEST)
        return state._replace(search=search), Report(-before.size, done, asked)

    def end(self, model: Model, row: Row, state: BoundaryState) -> Image:
        """Gives the nearest picture, a little behind the boundary.

        Args:
          model, row, state: see `Attack.end`; images are `[H, W, C]`.
        """
        behind = line.go_behind(row, state.search)
        return line.give_best(row, state.search, model.is_fooled(behind, row), behind)

    def _propose(self, row: Row, state: BoundaryState, noise: Array) -> Array:
        def walk(state: BoundaryState) -> Array:
            pairs = jax.vmap(lambda one: _walk(row, state, one))(noise[: self.batch // 2])
            # The two of one direction lie side by side.
            points = jnp.stack(pairs, axis=1).reshape(-1, *row.image.shape)
            return jnp.concatenate([points, points[: self.batch - len(points)]])

        branches = (
            lambda state: line.propose_starts(row.image, noise),
            lambda state: line.propose_line(self.norm, row, state.search, self.batch),
            walk,
        )
        return jax.lax.switch(state.search.phase, branches, state)

    def _take(
        self, row: Row, state: BoundaryState, points: Array, fooled: Array, asked: Array
    ) -> BoundaryState:
        counts = jnp.arange(self.batch) < asked
        known = fooled & counts

        def start(state: BoundaryState) -> BoundaryState:
            search = line.take_start(self.norm, row, state.search, points, known)
            return state._replace(search=search)

        def narrow(state: BoundaryState) -> BoundaryState:
            search = line.take_line(self.norm, row, state.search, known, asked)
            return state._replace(search=search)

        def move(state: BoundaryState) -> BoundaryState:
            search = line.remember_nearest(self.norm, row, state.search, points, known)
            each = jnp.maximum(asked // 2, 1)
            aside, nearer = (jnp.sum(known[i::2]) / each for i in range(2))
            return BoundaryState(
                search,
                state.aside * _adapt(aside, FEW_ASIDE, MANY_ASIDE),
                state.nearer * _adapt(nearer, FEW_NEARER, MANY_NEARER),
            )

        return jax.lax.switch(state.search.phase, (start, narrow, move), state)


def _adapt(share: Array, few: float, many: float) -> Array:
    """Gives the factor of a length: longer where many steps succeed, shorter where few do."""
    return jnp.where(share > many, ADAPTATION, jnp.where(share < few, 1 / ADAPTATION, 1.0))


def _walk(row: Row, state: BoundaryState, noise: Array) -> tuple[Array, Array]:
    """Makes a step aside on the sphere around the image, and a further one towards it."""
    delta = state.search.best - row.image
    distance = jnp.maximum(_length(delta), 1e-12)
    drawn = line.make_normal(noise)
    drawn -= jnp.sum(drawn * delta) / distance**2 * delta
    drawn *= state.aside * distance / jnp.maximum(_length(drawn), 1e-12)
    around = (delta + drawn) / jnp.sqrt(1.0 + state.aside**2)
    aside = jnp.clip(row.image + around, 0.0, 1.0)
    reached = jnp.maximum(_length(aside - row.image), 1e-12)
    # What clipping has changed of the distance is taken back.
    length = jnp.maximum((state.nearer - 1.0) * distance + reached, 0.0) / reached
    nearer = jnp.clip(aside + length * (row.image - aside), 0.0, 1.0)
    return aside, nearer


def _length(delta: Array) -> Array:
    return jnp.sqrt(jnp.sum(delta * delta))


def boundary(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Norm = "l2",
    steps: int = 1000,
    budget: int | None = None,
    batch: int = line.BATCH,
    starts: ImageLike | Sequence[ImageLike] | None = None,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Walks at random along the boundary towards the image, in L2, by labels alone.

    x <- the nearest of x + eta + e (image - x) that fools the network: eta is a random step on
    the sphere around the image, e the part of the way that a step goes towards it. Both
    lengths adapt themselves to how many steps succeed. `hop_skip_jump` needs fewer queries.

    Args:
      net, params: the network; of its scores only which one is largest is used.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest L2 norm that counts as a success, or several of a curve, which
        share one search; None takes any.
      norm: "l2".
      steps: how many batches are asked about.
      budget: queries of one image at most; None for no limit but `steps`.
      batch: pictures of one step: half of them after eta, the others after both.
      starts: see `jaxvis.attacks.hop_skip_jump`.
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` and `check_starts` refuse,
        another norm, and numbers below 1; a batch has at least 2 pictures.

    Source: Brendel, Rauber & Bethge (ICLR 2018), section 2. Departures: a batch of steps is
    tried together and the nearest kept; it begins on the boundary.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.boundary(net, params, photo, steps=20)
    >>> bool(run.facts["success"])
    True
    """
    check_norm(norm, known=("l2",))
    limit = line.UNLIMITED if budget is None else budget
    check_above(0, steps=steps, budget=limit)
    check_above(1, batch=batch)
    attack = Boundary(norm, steps, limit, batch)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    begun = check_starts(net, params, victims, starts)
    return search_smallest(
        attack, net, params, victims, key=key, starts=begun, chunk=chunk, progress=progress
    )
