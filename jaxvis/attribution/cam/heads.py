"""CAM itself: the class weights of a head that averages its maps, laid over these maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.attribution.cam.shared import (
    LayerMethod,
    Size,
    choose_all,
    explain_layer,
    finish_maps,
)
from jaxvis.attribution.subject import Index
from jaxvis.nets.registry import NETS, build
from jaxvis.nets.table.layers import sources
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ImageLike, Params


class GapHead(NamedTuple):
    """A head whose scores are means over maps: S_c = sum_k w_kc mean(A_k) + b_c.

    Attributes:
      layer: the tap with the maps A.
      weights: the row with the class weights w, or None where each map is that of a class.
    """

    layer: str
    weights: str | None


def find_gap_head(net: Network) -> GapHead | None:
    """Finds the head of global means that CAM needs, or None where there is none.

    Args:
      net: a network. Of adapted networks it is not known what follows their maps.

    >>> import jaxvis
    >>> from jaxvis.attribution.cam.heads import find_gap_head
    >>> find_gap_head(jaxvis.load("demo")[0])
    GapHead(layer='relu4_2', weights='fc8')
    """
    table, reads = {row.name: row for row in net.rows}, sources(net.rows)
    name, weights = net.scores or "", None
    if name in table and table[name].op == "fc":
        weights, name = name, reads[name][0]
    if name not in table or table[name].op != "gap":
        return None
    return GapHead(reads[name][0], weights)


def list_gap_networks() -> tuple[str, ...]:
    """Lists the library's networks that CAM works for, by the names that `load` takes."""
    return tuple(name for name in NETS if find_gap_head(build(name)))


@dataclass(frozen=True)
class ClassMap(LayerMethod):
    """The maps of a head of global means, added up with the weights of a class.

    Args:
      net, layer, alone: see `LayerMethod`.
      weights: see `GapHead`.
    """

    weights: str | None = None

    def __call__(self, params: Params, image: Array, item: Any, sample: Any) -> Array:
        """Computes the map, `[h, w]`.

        Args:
          params, image, item, sample: see `Explanation`.
        """
        maps, _ = self.enter(params, image, item)
        if self.weights is None:
            return maps @ jax.nn.one_hot(item.index, maps.shape[-1])
        kernel = params[self.weights]["kernel"].astype(maps.dtype)
        return maps @ (kernel @ jax.nn.one_hot(item.index, kernel.shape[-1]))


def cam(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    *,
    tap: str | None = None,
    index: Index = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    size: Size = "image",
    normalize: bool = False,
    chunk: int | None = None,
) -> np.ndarray:
    """Shows where the evidence for a class is, in a network whose head averages its maps.

    M_c = sum_k w_kc A_k, with both signs: its mean is the score without its bias. At such a
    head Grad-CAM is max(0, M_c) over the number of cells.

    Args:
      net, params, image: see `jaxvis.grad_cam`.
      tap, index, position, objective: what is explained: CAM knows classes alone, so `tap` is
        the class scores or left out, and the last two are left out.
      size, normalize, chunk: see `jaxvis.grad_cam`.

    Returns:
      np.ndarray: `[..., H, W]`, or `[..., h, w]` of the layer; evidence against the class is
      negative.

    Raises:
      ValueError: for a network without such a head, names those that have one; for anything
        but a class; as `jaxvis.grad_cam`.

    Source: Zhou et al., Learning deep features for discriminative localization, 2016, Eq. 2;
      Lecture 21, 21.8. In SqueezeNet the maps before the mean are those of the classes.

    >>> import jaxvis
    >>> import numpy as np
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3)).astype("float32")
    >>> jaxvis.cam(net, params, image, index=[0, 3], size="layer").shape
    (2, 8, 8)
    """
    head = find_gap_head(net)
    if head is None:
        raise ValueError(
            f"{net.name} has no head that averages maps and weights them once, or none that is "
            f"known: cam works for {', '.join(list_gap_networks())} and tables of your own that "
            "end in gap and fc; grad_cam works for every network"
        )
    if position is not None or objective is not None or tap not in (None, net.scores):
        raise ValueError(
            "cam explains classes alone: pass index=, or use grad_cam for neurons and objectives"
        )
    subject, layer = choose_all(net, params, image, index=index, layer=head.layer, size=size)
    method = ClassMap(net, layer, weights=head.weights)
    maps = explain_layer(method, params, subject, chunk=chunk)
    return finish_maps(maps, subject, subject.lead, size, normalize)
