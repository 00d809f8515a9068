"""Stacked random networks (ranVGG): of every layer the best of several candidates."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from jaxvis.images import check_image
from jaxvis.methods.ranvgg.candidates import (
    HE,
    Distribution,
    draw_candidates,
    join_networks,
    keep_needed,
    list_stacked_layers,
    normalise_layer,
    take_network,
)
from jaxvis.methods.ranvgg.reconstruct import PLAIN, Inversion, reconstruct
from jaxvis.network import Network
from jaxvis.types import Image, ImageLike, Interrupted, Key, Params, as_key

STARTS = 2**31
"""Folded into a network's key for its noise, far from the numbers of candidates."""


@dataclass(frozen=True)
class StackRecipe:
    """A way to build a layer: how its candidates are drawn, and how each is tried.

    Args:
      candidates: K, kernels drawn for each layer.
      starts: noise images that a candidate's loss is the mean over.
      steps: evaluations of every reconstruction.
      distribution: of the kernels.
      inversion: how the image is reconstructed.

    Raises:
      ValueError: for a number below 1.
    """

    candidates: int = 5
    starts: int = 1
    steps: int = 100
    distribution: Distribution = HE
    inversion: Inversion = PLAIN

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("candidates", "starts", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class Stack(NamedTuple):
    """Random networks whose layers were chosen one after the other.

    Attributes:
      params: leaves `[networks, ...]`; rows not chosen yet are their first candidates.
      losses: relu tap -> `[networks, candidates]`, |F - F0|^2 / |F0|^2 at the end.
      chosen: relu tap -> `[networks]`, the candidate with the smallest loss.
    """

    params: Params
    losses: dict[str, np.ndarray]
    chosen: dict[str, np.ndarray]


def stack(
    net: Network,
    image: ImageLike,
    *,
    networks: int = 1,
    stop: str | None = None,
    key: Key | int = 0,
    recipe: StackRecipe = StackRecipe(),
    chunk: int | None = None,
    progress: bool = False,
) -> Stack:
    """Builds random networks greedily: of each layer the best of K candidates.

    For every rectified convolution in forward order, K kernels are drawn, the reference
    image is reconstructed through each of them, and the one that leaves the smallest
    loss is kept. Candidates start from the same noise; those of all networks are
    optimised side by side. Fully connected layers stay random.

    Args:
      net: VGG-19 with average pooling in the paper.
      image: the reference image, `[H, W, 3]` in [0, 1].
      networks: how many are built, independently; host memory holds
        networks * candidates sets of parameters, twice if there is more than one.
      stop: the last tap that needs parameters; None draws all.
      key: a typed random key, or an integer seed; candidate k of network n draws from
        `fold_in(fold_in(key, n), k)`, whatever their numbers.
      recipe: how candidates are drawn and tried.
      chunk, progress: see `jaxvis.optimize.solve`.

    Raises:
      ValueError: for an unknown tap, no network, or a layer without a candidate
        of finite loss.
      Interrupted: on Ctrl-C. To keep the layers that are done, take them one by one
        from `plan_stack`.

    Source: He, Wang & Hopcroft (2016), section 3. Departures: the loss is relative,
      see `reconstruct`; the number of candidates, of evaluations and the noise, which
      the paper does not say, are fields of the recipe.
    """
    job = plan_stack(net, image, networks=networks, stop=stop, key=key, recipe=recipe)
    return deque(job.layers(chunk=chunk, progress=progress), maxlen=1).pop()


def plan_stack(
    net: Network,
    image: ImageLike,
    *,
    networks: int = 1,
    stop: str | None = None,
    key: Key | int = 0,
    recipe: StackRecipe = StackRecipe(),
) -> "StackJob":
    """Plans what `stack` builds, so that it can be built layer by layer.

    Args:
      net, image: see `stack`; the image is `[H, W, 3]`.
      networks, stop, key, recipe: see `stack`.

    Raises:
      ValueError: for an unknown tap, or no network.
    """
    image, key = check_image(image, "the reference image", channels=net.channels), as_key(key)
    if networks < 1:
        raise ValueError(f"networks must be at least 1, got {networks}")
    list_stacked_layers(net, stop=stop)
    return StackJob(net, image, networks, stop, key, recipe)


@dataclass(frozen=True, eq=False)
class StackJob:
    """A stack that is planned; see `stack` for its fields."""

    net: Network
    image: Image
    networks: int
    stop: str | None
    key: Key
    recipe: StackRecipe

    def layers(
        self, *, before: Stack | None = None, chunk: int | None = None, progress: bool = False
    ) -> Iterator[Stack]:
        """Builds one layer after the other.

        Args:
          before: what an earlier call gave last, to go on with; the plan must be the same.
          chunk, progress: see `jaxvis.optimize.solve`.

        Yields:
          Stack: all networks after each layer; at once, where no layer is left to do.

        Raises:
          ValueError: if `before` does not fit, or for a layer without a candidate of
            finite loss.
          Interrupted: on Ctrl-C; the layers that were given are whole.
        """
        layers = list_stacked_layers(self.net, stop=self.stop)
        if before is not None:
            self._check_fit(before, layers)
        return self._build_layers(layers, before, chunk, progress)

    def _check_fit(self, before: Stack, layers: Sequence[tuple[str, str]]) -> None:
        done, shape = list(before.chosen), (self.networks, self.recipe.candidates)
        first = done == [tap for _, tap in layers][: len(done)]
        shapes = {tap: np.shape(losses) for tap, losses in before.losses.items()}
        if not first or any(shapes.get(tap) != shape for tap in done):
            raise ValueError(
                f"the stack to go on with has the layers {', '.join(done)}: it must be of "
                f"{shape[0]} networks with {shape[1]} candidates, and of this network's "
                "first layers"
            )

    def _build_layers(
        self,
        layers: Sequence[tuple[str, str]],
        before: Stack | None,
        chunk: int | None,
        progress: bool,
    ) -> Iterator[Stack]:
        sets = [
            draw_candidates(
                self.net,
                self.key,
                n,
                self.recipe.candidates,
                distribution=self.recipe.distribution,
                stop=self.stop,
            )
            for n in range(self.networks)
        ]
        params = [dict(own[0]) for own in sets]
        losses, chosen = ({}, {}) if before is None else (dict(before.losses), dict(before.chosen))
        for row, tap in layers:
            if before is not None and tap in chosen:
                for n, own in enumerate(params):
                    saved = take_network({row: before.params[row]}, n)[row]
                    own[row] = jax.tree.map(np.asarray, saved)
        for row, tap in layers:
            if tap in chosen:
                continue
            trials = self._list_trials(params, sets, row, tap)
            losses[tap] = self._try(trials, tap, chunk, progress)
            chosen[tap] = choose_best(losses[tap], tap)
            for n, k in enumerate(chosen[tap]):
                params[n][row] = trials[n * self.recipe.candidates + k][row]
            yield Stack(join_networks(params), dict(losses), dict(chosen))
        if before is not None and len(before.chosen) == len(layers):
            yield Stack(join_networks(params), losses, chosen)

    def _list_trials(
        self,
        params: Sequence[Params],
        sets: Sequence[Sequence[Params]],
        row: str,
        tap: str,
    ) -> Sequence[Params]:
        """Lists the networks with each of their candidates for one layer."""
        trials = [{**own, row: one[row]} for own, ones in zip(params, sets) for one in ones]
        if self.recipe.distribution.scheme == "unit":
            for trial in trials:
                trial[row] = normalise_layer(self.net, trial, self.image, row=row, tap=tap)
        return trials

    def _try(
        self, trials: Sequence[Params], tap: str, chunk: int | None, progress: bool
    ) -> np.ndarray:
        """Inverts the image through every trial; gives the losses `[networks, candidates]`."""
        each = [
            keep_needed(self.net, one, tap) for one in trials for _ in range(self.recipe.starts)
        ]
        try:
            run = reconstruct(
                self.net,
                join_networks(each),
                self.image,
                tap=tap,
                params_axis=0,
                start=np.concatenate([self.draw_starts(n) for n in range(self.networks)]),
                steps=self.recipe.steps,
                inversion=self.recipe.inversion,
                chunk=chunk,
                progress=progress,
            )
        except Interrupted:
            raise Interrupted from None  # half a layer is of no use
        found = run.trace["loss"][:, -1]
        return found.reshape(self.networks, self.recipe.candidates, self.recipe.starts).mean(-1)

    def draw_starts(self, number: int) -> np.ndarray:
        """Draws a network's first images, `[candidates * starts, H, W, 3]`.

        Every candidate has the same ones.

        Args:
          number: which network.
        """
        own = jax.random.fold_in(jax.random.fold_in(self.key, number), STARTS)
        height, width, channels = self.image.shape
        canvas = self.recipe.inversion.canvas((height, width), channels=channels)
        first = [canvas.init(jax.random.fold_in(own, s)) for s in range(self.recipe.starts)]
        center = np.asarray(canvas.center, np.float32)
        return np.tile(np.stack(first) + center, (self.recipe.candidates, 1, 1, 1))


def choose_best(losses: np.ndarray, tap: str) -> np.ndarray:
    """Chooses the candidate with the smallest finite loss of each network, `[networks]`.

    Args:
      losses: `[networks, candidates]`.
      tap: what the message calls the layer.

    Raises:
      ValueError: if a network has no candidate with a finite loss.
    """
    finite = np.where(np.isfinite(losses), losses, np.inf)
    if not np.all(np.isfinite(finite.min(axis=1))):
        raise ValueError(
            f"no candidate of {tap!r} has a finite loss: try scheme he, or more starts"
        )
    return finite.argmin(axis=1)
