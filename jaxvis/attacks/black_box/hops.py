"""HopSkipJump for one image: a walk along the boundary in phases, a batch of queries a step."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvis.attacks.attack import Attack, Model, Report, Row
from jaxvis.attacks.black_box import search as line
from jaxvis.attacks.black_box.search import Search
from jaxvis.attacks.norms import geometry_of
from jaxvis.types import Array, Image, Key

GRADIENT, JUMP = line.BEYOND, line.BEYOND + 1
"""The phases of its own: the direction into the class that is wanted is estimated; and the
longest jump along it is looked for that stays there."""

MOST_DIRECTIONS = 10_000
"""Pictures of one estimate at most."""
HALVINGS = 8
"""Lengths of a jump that one step asks about, each half of the one before."""
LENGTHS = 4
"""Steps that look for the length of a jump; then a new direction is estimated."""
FIRST_RADIUS = 0.1
"""How far the pictures of the first estimate lie from the point, in L2."""


class HopState(NamedTuple):
    """Where HopSkipJump is.

    Attributes:
      search: the point on the boundary, and what every attack by labels keeps.
      votes: `[H, W, C]`, the sum of the directions, each times what was said of it: 1 where
        the network was fooled, else -1.
      drawn: `[H, W, C]`, the sum of the directions.
      said: `[]`, the sum of what was said.
      asked: `[]` int32, how many directions there were.
      iteration: `[]` int32, how many jumps are over.
    """

    search: Search
    votes: Array
    drawn: Array
    said: Array
    asked: Array
    iteration: Array


@dataclass(frozen=True)
class HopSkipJump(Attack):
    """A walk along the boundary by labels alone, in phases.

    Args:
      norm: "l2" or "linf".
      steps: batches at most.
      jumps: how many jumps there are.
      directions: of the first estimate; the one before jump t takes sqrt(t + 1) times as many.
      budget: queries of one image at most.
      batch: pictures that a step asks about.
    """

    jumps: int = 64
    directions: int = 100
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

    def begin(self, model: Model, row: Row, key: Key) -> tuple[HopState, Array]:
        """Begins at the row's start, or with the search for one.

        Args:
          model, row, key: see `Attack.begin`; images are `[H, W, C]`.
        """
        del model, key
        search = line.begin_search(self.norm, row)
        zero = jnp.zeros_like(row.image)
        state = HopState(search, zero, zero, jnp.float32(0), jnp.int32(0), jnp.int32(0))
        return state, search.queries

    def step(
        self, model: Model, row: Row, state: HopState, key: Key, step: Array
    ) -> tuple[HopState, Report]:
        """Asks about one batch of pictures, and goes on in the phase that it is in.

        Args:
          model, row, state, key, step: see `Attack.step`; images are `[H, W, C]`.
        """
        del step
        before = state.search
        asked = self._count(state)
        noise = jax.random.uniform(key, (self.batch, *row.image.shape), minval=-1.0, maxval=1.0)
        points = self._propose(row, state, noise)
        fooled = jax.vmap(lambda image: model.is_fooled(image, row))(points)
        fooled &= jnp.arange(self.batch) < asked
        state = self._take(row, state, points, fooled, asked)
        search = state.search._replace(queries=before.queries + asked)
        lost = (search.phase == line.START) & (search.tries >= line.ATTEMPTS)
        done = lost | (state.iteration >= self.jumps) | (search.queries >= self.budget)
        return state._replace(search=search), Report(-before.size, done, asked)

    def end(self, model: Model, row: Row, state: HopState) -> Image:
        """Gives the nearest picture, a little behind the boundary.

        Args:
          model, row, state: see `Attack.end`; images are `[H, W, C]`.
        """
        behind = line.go_behind(row, state.search)
        return line.give_best(row, state.search, model.is_fooled(behind, row), behind)

    def _count(self, state: HopState) -> Array:
        """Says how many pictures of the batch count in this phase."""
        left = self._directions(state) - state.asked
        counts = jnp.stack([self.batch, line.PLACES, left, HALVINGS])
        counts = jnp.minimum(counts[state.search.phase], self.batch)
        return jnp.clip(self.budget - state.search.queries, 0, counts)

    def _directions(self, state: HopState) -> Array:
        wanted = self.directions * jnp.sqrt(state.iteration + 1.0)
        return jnp.minimum(wanted, MOST_DIRECTIONS).astype(jnp.int32)

    def _propose(self, row: Row, state: HopState, noise: Array) -> Array:
        """Makes the pictures `[batch, H, W, C]` of the phase."""

        def look_around(state: HopState) -> Array:
            scale = self._radius(row, state)
            around = state.search.point + scale * self._spread(noise)
            return jnp.clip(around, 0.0, 1.0)

        branches = (
            lambda state: line.propose_starts(row.image, noise),
            lambda state: line.propose_line(self.norm, row, state.search, self.batch),
            look_around,
            lambda state: self._jump(row, state),
        )
        return jax.lax.switch(state.search.phase, branches, state)

    def _take(
        self, row: Row, state: HopState, points: Array, fooled: Array, asked: Array
    ) -> HopState:
        """Goes on by what the network said."""

        def start(state: HopState) -> HopState:
            return state._replace(
                search=line.take_start(self.norm, row, state.search, points, fooled)
            )

        def narrow(state: HopState) -> HopState:
            search = line.take_line(self.norm, row, state.search, fooled, asked)
            return state._replace(search=search)

        def vote(state: HopState) -> HopState:
            return self._vote(row, state, points, fooled, asked)

        def land(state: HopState) -> HopState:
            return self._land(state, points, fooled)

        return jax.lax.switch(state.search.phase, (start, narrow, vote, land), state)

    def _spread(self, noise: Array) -> Array:
        """Makes directions of length 1 from noise `[k, H, W, C]`, uniform from -1 to 1."""
        drawn = noise if self.norm == "linf" else line.make_normal(noise)
        size = jnp.sqrt(jnp.sum(drawn * drawn, axis=(1, 2, 3), keepdims=True))
        return drawn / jnp.maximum(size, 1e-12)

    def _radius(self, row: Row, state: HopState) -> Array:
        """Says how far the pictures of an estimate lie from the point, in L2.

        So far that the point's own distance from the boundary hardly matters.
        """
        values = row.image.size
        distance = geometry_of(self.norm).measure(state.search.point - row.image)
        near = jnp.maximum(distance / values, 1e-5 * values**0.5)
        return jnp.where(state.iteration == 0, jnp.maximum(FIRST_RADIUS, near), near)

    def _vote(
        self, row: Row, state: HopState, points: Array, fooled: Array, asked: Array
    ) -> HopState:
        counts = jnp.arange(self.batch) < asked
        said = jnp.where(counts, jnp.where(fooled, 1.0, -1.0), 0.0)
        offsets = (points - state.search.point) / self._radius(row, state)
        total = state.asked + asked
        over = total >= self._directions(state)
        return state._replace(
            search=state.search._replace(phase=jnp.where(over, JUMP, GRADIENT)),
            votes=state.votes + jnp.tensordot(said, offsets, 1),
            drawn=state.drawn + jnp.tensordot(counts.astype(jnp.float32), offsets, 1),
            said=state.said + jnp.sum(said),
            asked=total,
        )

    def _jump(self, row: Row, state: HopState) -> Array:
        """Makes jumps along the estimated direction, each half as long as the one before."""
        mean = state.said / jnp.maximum(state.asked, 1)
        # Less the mean: the more even the votes, the less noise they carry.
        inner = jnp.where(jnp.abs(mean) >= 1.0, 0.0, mean)
        geometry = geometry_of(self.norm)
        direction = geometry.point(state.votes - inner * state.drawn)
        distance = geometry.measure(state.search.point - row.image)
        first = distance / jnp.sqrt(state.iteration + 1.0)
        power = state.search.tries * HALVINGS + jnp.minimum(jnp.arange(self.batch), HALVINGS - 1)
        lengths = first * jnp.exp2(-power.astype(jnp.float32))
        jumps = state.search.point + lengths[:, None, None, None] * direction
        return jnp.clip(jumps, 0.0, 1.0)

    def _land(self, state: HopState, points: Array, fooled: Array) -> HopState:
        """Lands at the longest jump that fools the network; without one it stays."""
        search = state.search
        found = jnp.any(fooled)
        over = found | (search.tries + 1 >= LENGTHS)
        moved = search._replace(
            phase=jnp.where(found, line.LINE, jnp.where(over, GRADIENT, JUMP)),
            point=jnp.where(found, points[jnp.argmax(fooled)], search.point),
            tries=jnp.where(over, 0, search.tries + 1),
        )
        kept = jnp.where(over, 0.0, 1.0)
        return HopState(
            moved,
            kept * state.votes,
            kept * state.drawn,
            kept * state.said,
            jnp.where(over, 0, state.asked),
            state.iteration + over,
        )


def count_batches(jumps: int, directions: int, batch: int) -> int:
    """Counts the batches that a walk takes at most.

    Args:
      jumps, directions, batch: see `HopSkipJump`.
    """
    last = -(-min(int(directions * jumps**0.5), MOST_DIRECTIONS) // batch)
    return line.ATTEMPTS + (jumps + 1) * (line.BATCHES_OF_LINE + last + LENGTHS)
