"""Where a vision transformer looks: LeGrad and attention rollout, from its attentions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.cam.layers import list_reads
from jaxvis.attribution.cam.shared import Size, finish_maps, take_one
from jaxvis.attribution.stream import Explanation, explain
from jaxvis.attribution.subject import Index, Subject, choose_subject, read_score
from jaxvis.loss.algebra import Algebra
from jaxvis.nets.registry import EMBEDDING, NETS
from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import Layer, is_hidden, shapes, sources
from jaxvis.nets.table.token_ops import attend
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params


@dataclass(frozen=True)
class TokenMethod(Explanation):
    """A method that looks at a table network's attentions and sequences of tokens.

    Args:
      net: the network.
      size: (H, W) of the images in pixels.
    """

    size: tuple[int, int]

    @property
    def attentions(self) -> tuple[Layer, ...]:
        """The rows of the attentions, in forward order."""
        return tuple(row for row in self.net.rows if row.op == "attention")

    def compute_hidden(self, params: Params, image: Array) -> dict[str, Array]:
        """Computes all rows that are no taps, in forward order.

        Args:
          params: the network's parameters.
          image: `[H, W, C]`.
        """
        at = shapes(self.net.rows, self.size)
        names = tuple(name for name, shape in at.items() if is_hidden(shape))
        found = self.net.forward(params, {"input": image}, names)
        return {name: found[name] for name in names}

    def attend(self, row: Layer, hidden: dict[str, Array]) -> tuple[Array, Array]:
        """Computes the weights `[heads, t, t]` and the values `[t, heads, d]` of an attention.

        Args:
          row: its row.
          hidden: of `compute_hidden`.
        """
        read = hidden[sources(self.net.rows)[row.name][0]]
        weights, values = attend(read[None], row.groups, jax.lax.Precision.HIGHEST)
        return weights[0], values[0]

    def to_map(self, patches: Array) -> Array:
        """Brings a value of every patch, `[t - 1]`, into their map, `[h, w]`.

        Args:
          patches: in reading order.
        """
        at = shapes(self.net.rows, self.size)
        return patches.reshape(next(at[row.name] for row in self.net.rows if row.op == "outline"))


@dataclass(frozen=True)
class Rollout(TokenMethod):
    """How much of each patch arrives at the class token, through all attentions."""

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the map, `[h, w]`.

        Args:
          params, image, item, sample: see `Explanation`; the last two are not looked at.
        """
        hidden = self.compute_hidden(params, image)
        arrived = jnp.eye(len(hidden[self.attentions[0].name]))
        for row in self.attentions:
            weights = jnp.mean(self.attend(row, hidden)[0], axis=0)
            # Half of a token comes past the attention, over the sum.
            passed = (weights + jnp.eye(len(weights))) / 2
            arrived = jnp.matmul(passed, arrived, precision=jax.lax.Precision.HIGHEST)
        return self.to_map(arrived[0, 1:])


@dataclass(frozen=True)
class AttentionGradient(TokenMethod):
    """The attention that would raise the score of each block's own tokens.

    Args:
      net, size: see `TokenMethod`.
      blocks: how many blocks are looked at, counted from the last.
    """

    blocks: int

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Array:
        """Computes the map, `[h, w]`.

        Args:
          params, image, item, sample: see `Explanation`.
        """
        hidden = self.compute_hidden(params, image)
        blocks = list(zip(self.attentions, find_ends(self.net)))[-self.blocks :]
        heats = [self._look_at(params, hidden, item, *block) for block in blocks]
        return self.to_map(sum(heats[1:], heats[0])[1:] / len(heats))

    def _look_at(
        self, params: Params, hidden: dict[str, Array], item: Algebra, row: Layer, end: str
    ) -> Array:
        """Returns how much each token is looked at by one attention, `[t]`."""
        names = list(hidden)
        before = {name: hidden[name] for name in names[: names.index(row.name)]}
        outlines = {o.name: hidden[o.name] for o in self.net.rows if o.op == "outline"}
        _, values = self.attend(row, hidden)

        def score(mixed: Array) -> Array:
            tokens = self.net.forward(params, {**before, row.name: mixed}, (end,))[end]
            # What the block has made of the image so far is read as if it were the last one.
            mean = jnp.mean(tokens, axis=0, keepdims=True)
            last = {find_ends(self.net)[-1]: jnp.concatenate([mean, tokens[1:]]), **outlines}
            return read_score(item, self.net.forward(params, last, item.taps or ()))

        gradient = jax.grad(score)(hidden[row.name]).reshape(values.shape)
        rise = jnp.einsum("qhd,khd->hqk", gradient, values, precision=jax.lax.Precision.HIGHEST)
        return jnp.mean(jnp.maximum(rise, 0), axis=(0, 1))


def find_ends(net: Network) -> tuple[str, ...]:
    """Finds the row with which the block of each attention ends: the sum behind it.

    Args:
      net: a network built from a table.
    """
    names = [row.name for row in net.rows]
    shown = {row.inputs[0] for row in net.rows if row.op == "patches"}
    sums = [row.name for row in net.rows if row.op == "add" and row.name in shown]
    places = [names.index(row.name) for row in net.rows if row.op == "attention"]
    return tuple(next(s for s in sums if names.index(s) > place) for place in places)


def _choose(
    net: Network, params: Params, image: Any, method: str, size: Size, **what: Any
) -> Subject:
    """Builds what is explained, of a network whose attentions are known."""
    if size not in ("image", "layer"):
        raise ValueError(f"size is 'image' or 'layer', not {size!r}")
    if not isinstance(net.forward, Table) or not any(row.op == "attention" for row in net.rows):
        known = "has no attention"
        if not isinstance(net.forward, Table):
            known = "is not built from a table, so where its attentions are is not known"
        raise ValueError(
            f"{net.name} {known}: {method} works for {', '.join(_list_networks())}; grad_cam "
            "works for every network, with layer= a map before the last attention"
        )
    return choose_subject(net, params, image, **what)


def _list_networks() -> tuple[str, ...]:
    return tuple(name for name in (NETS | EMBEDDING) if "vit" in name or "deit" in name)


def attention_rollout(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    size: Size = "image",
    normalize: bool = False,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows how much of each patch arrives at the class token of a vision transformer.

    The product of (A + I) / 2 over all blocks, with A the mean of the heads' attentions: its
    row of the class token. It is the same for every class.

    Args:
      net, params, image: see `jaxvis.grad_cam`; a vision transformer of the library.
      size, normalize: see `jaxvis.grad_cam`; a cell of the "layer" is a patch.
      chunk: how many images a device takes together.

    Returns:
      np.ndarray: `[H, W]`, or `[h, w]` of the patches, at least 0; several images give
      `[N, ...]`. The shares of all patches sum to at most 1.

    Raises:
      ValueError: for a network without attentions that are known.

    Source: Abnar & Zuidema, Quantifying attention flow in transformers, 2020, Eq. 1.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("vit_ti_16", weights="random:0", input_size=(32, 32))
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.attention_rollout(net, params, image[:32, :32], size="layer").shape
    (2, 2)
    """
    last = {"tap": net.taps[-1], "index": 0}
    subject = _choose(net, params, image, "attention_rollout", size, **last)
    maps = explain(Rollout(net, subject.size), params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)


def le_grad(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    blocks: int | None = None,
    size: Size = "image",
    normalize: bool = False,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows the patches to which more attention would raise a score of a vision transformer.

    For each block the score is read from the mean of its tokens as if it were the last, and
    M = mean over heads and tokens of max(0, dS/dA), with A the attentions of the block; the
    maps of the blocks are averaged.

    Args:
      net, params, image: see `jaxvis.grad_cam`; a vision transformer of the library.
      tap, index, objective: what is explained, see `jaxvis.grad_cam`: scores or an embedding
        that are computed behind the last block.
      blocks: how many blocks are looked at, counted from the last; None is all.
      size, normalize, chunk: see `jaxvis.grad_cam`; a cell of the "layer" is a patch.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the patches, at least 0.

    Raises:
      ValueError: for a network without attentions that are known, for a tap that is not
        computed behind the last block alone, or for no blocks or more than there are.

    Source: Bousselham et al., LeGrad, 2024, Eq. 4-8, and its code, where the tokens' mean is
      read.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("vit_ti_16", weights="random:0", input_size=(32, 32))
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.le_grad(net, params, image[:32, :32], index=[0, 3], blocks=2, size="layer").shape
    (2, 2, 2)
    """
    what = {"tap": tap, "index": index, "objective": objective}
    subject = _choose(net, params, image, "le_grad", size, **what)
    count, item = len(find_ends(net)), take_one(subject)
    blocks = count if blocks is None else blocks
    if not 0 < blocks <= count:
        raise ValueError(f"blocks is from 1 to {count}, the blocks of {net.name}; got {blocks}")
    reads = list_reads(net, params, item, subject.size)
    behind = _list_behind(net)
    if item.taps is None or not behind.issuperset(reads):
        raise ValueError(
            f"le_grad reads what follows the last block, {', '.join(sorted(behind))}: name one of "
            "these as tap=, or read it in an objective of jaxvis.objectives"
        )
    maps = explain(AttentionGradient(net, subject.size, blocks), params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)


def _list_behind(net: Network) -> frozenset[str]:
    """Returns the taps that are computed from the last block's tokens alone."""
    known, reads = {find_ends(net)[-1]}, sources(net.rows)
    known |= {row.name for row in net.rows if row.op == "outline"}
    for row in net.rows:
        if reads[row.name] and known.issuperset(reads[row.name]):
            known.add(row.name)
    return frozenset(known & set(net.taps))
