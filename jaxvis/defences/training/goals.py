"""What robust training makes small, and what its attacks make large, of a batch of images."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp

from jaxvis.attacks.norms import Norm, geometry_of
from jaxvis.compiler import jit
from jaxvis.defences.certify.affine import AFFINE, apply_affine
from jaxvis.defences.certify.boxes import make_ball, propagate_boxes
from jaxvis.defences.certify.methods import bound_margins
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import Layer, rows_between, sources
from jaxvis.nets.table.ops import MODULES, OPS
from jaxvis.network import Network
from jaxvis.types import Array, Key, Params, Terms


def score_batch(net: Network, params: Params, images: Array) -> Array:
    """Computes the class scores of images `[B, H, W, C]`, `[B, K]`.

    A network of a table computes them as one batch, where its rows allow that: the gradient
    of its kernels is then one convolution, not one for each image.

    Args:
      net, params: the network.
      images: in [0, 1].
    """
    name = net.scores or ""
    if isinstance(net.forward, Table) and net.forward.compute == Compute():
        needed = rows_between(net.rows, frozenset({"input"}), (name,))
        rows = tuple(row for row in net.rows if row.name in needed)
        if all(row.op in AFFINE or (row.op in OPS and row.op not in MODULES) for row in rows):
            return _score_rows(rows, sources(net.rows), params, images)
    return jax.vmap(lambda one: net.apply(params, one, stop=name)[name].ravel())(images)


def _score_rows(
    rows: tuple[Layer, ...], reads: Mapping[str, tuple[str, ...]], params: Params, images: Array
) -> Array:
    """Returns what the last of some rows makes of images, `[B, K]`."""
    taps = {"": images}
    for row in rows:
        given = [taps[name] for name in reads[row.name] or ("",)]
        if row.op in AFFINE:
            taps[row.name] = apply_affine(row, params.get(row.name, {}), given)
        else:
            taps[row.name] = OPS[row.op](*given, row=row)
    return taps[rows[-1].name].reshape(len(images), -1)


def cross_entropy(scores: Array, labels: Array) -> Array:
    """Computes -log p(label) of each row of scores `[B, K]`, `[B]`.

    Args:
      scores: before softmax.
      labels: `[B]`.
    """
    chosen = jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], -1)
    return -chosen[:, 0]


def divergence(scores: Array, clean: Array) -> Array:
    """Computes how far probabilities are from those of the clean images, KL(clean | scores).

    Args:
      scores, clean: `[B, K]`, before softmax.
    """
    wanted, found = jax.nn.log_softmax(clean), jax.nn.log_softmax(scores)
    return jnp.sum(jnp.exp(wanted) * (wanted - found), -1)


@partial(jit, static_argnums=(0, 1, 2))
def climb(
    net: Network,
    norm: Norm,
    reference: str,
    params: Params,
    original: Array,
    images: Array,
    target: Array,
    epsilon: Array,
    length: Array,
) -> Array:
    """Takes one step of an attack on a batch `[B, H, W, C]`.

    Args:
      net, params: the network.
      norm: of the ball.
      reference: "labels" raises the cross entropy with labels, "scores" the divergence from
        the scores of the clean images.
      original: the middles of the balls.
      images: where the attack is.
      target: the labels `[B]`, or the scores `[B, K]`.
      epsilon: scalar, the radius.
      length: scalar, the norm of the step.
    """
    measure = cross_entropy if reference == "labels" else divergence

    def compute(images: Array) -> Array:
        return jnp.sum(measure(score_batch(net, params, images), target))

    slope = jax.grad(compute)(images)
    return move(norm, original, images, slope, epsilon, length)


def move(
    norm: Norm, original: Array, images: Array, slope: Array, epsilon: Array, length: Array
) -> Array:
    """Moves images `[B, H, W, C]` uphill, inside their balls and [0, 1].

    Args:
      norm: of the ball.
      original: the middles of the balls.
      images: where the attack is.
      slope: the gradients.
      epsilon, length: scalars, the radius and the norm of the step.
    """
    geometry = geometry_of(norm)
    delta = images + length * jax.vmap(geometry.point)(slope) - original
    inside = jax.vmap(geometry.project, (0, None))(delta, epsilon)
    return jnp.clip(original + inside, 0, 1)


@partial(jit, static_argnums=0)
def draw_starts(norm: Norm, key: Key, original: Array, epsilon: Array) -> Array:
    """Draws where attacks begin: at random in the balls of a batch `[B, H, W, C]`.

    Args:
      norm: of the ball.
      key: of the draws.
      original: the middles.
      epsilon: scalar, the radius.
    """
    keys, geometry = jax.random.split(key, len(original)), geometry_of(norm)
    delta = jax.vmap(lambda own: geometry.draw(own, original.shape[1:], epsilon))(keys)
    return jnp.clip(original + delta, 0, 1)


def measure_attacked(
    net: Network, params: Params, clean: Array, moved: Array, labels: Array, beta: float | None
) -> tuple[Array, Terms]:
    """Measures the loss of attacked images, or with `beta` that of TRADES.

    Args:
      net, params: the network.
      clean, moved: `[B, H, W, C]`, the images before and after the attack.
      labels: `[B]`.
      beta: the weight of the divergence; None learns the attacked images' labels.

    Returns:
      tuple: (scalar, terms): the loss and the accuracy on the images of the batch.
    """
    scores = score_batch(net, params, moved)
    right = jnp.mean(jnp.argmax(scores, -1) == labels)
    if beta is None:
        loss = jnp.mean(cross_entropy(scores, labels))
        return loss, {"loss": loss, "accuracy": right}
    plain = score_batch(net, params, clean)
    natural = jnp.mean(cross_entropy(plain, labels))
    apart = beta * jnp.mean(divergence(scores, plain))
    loss = natural + apart
    return loss, {"loss": loss, "natural": natural, "divergence": apart, "accuracy": right}


def measure_bounds(
    net: Network,
    params: Params,
    images: Array,
    labels: Array,
    *,
    epsilon: Array,
    share: Array,
    lines: Array | None,
) -> tuple[Array, Terms]:
    """Measures (1 - share) of the clean loss, and share of that of the worst certified scores.

    Args:
      net, params: a network that was built from a table.
      images: `[B, H, W, C]`.
      labels: `[B]`.
      epsilon: scalar, the radius.
      share: scalar, the weight of the bounds.
      lines: scalar, how much CROWN's margins count beside the intervals'; None counts the
        intervals' alone.

    Returns:
      tuple: (scalar, terms).
    """
    tap, rows = net.scores or "", net.rows
    natural = jnp.mean(cross_entropy(score_batch(net, params, images), labels))
    boxes = propagate_boxes(rows, params, make_ball(images, epsilon), tap)
    margins = bound_margins(rows, params, boxes, tap, labels, method="interval")
    if lines is not None:
        better = bound_margins(rows, params, boxes, tap, labels, method="crown_ibp")
        margins = (1 - lines) * margins + lines * better
    certified = jnp.mean(cross_entropy(-margins, labels))
    others = jnp.arange(margins.shape[-1]) != labels[:, None]
    sure = jnp.mean(jnp.min(jnp.where(others, margins, jnp.inf), -1) > 0)
    loss = (1 - share) * natural + share * certified
    return loss, {"loss": loss, "natural": natural, "certified": certified, "accuracy": sure}
