"""Groups: several pictures that are one item, because a term of the loss is between them.

The solver optimises items independently. Pictures that have to know of each other are
therefore one item: their canvas is a group of canvases, z has their axis `[d, ...]` in front,
and so has the image, `[d, H, W, C]`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.loss.algebra import Algebra, to_scalar
from jaxvis.loss.compose import Composed
from jaxvis.loss.couplings import WeightedCoupling
from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Canvas, Drawing, Image, Key, Loss, Params, Taps, Terms


@dataclass(frozen=True)
class Group(Canvas):
    """A canvas of several pictures, each on a canvas of its own.

    Args:
      canvas: of one picture.
      count: d, how many.
      alike: whether all of them begin from the same start.

    Raises:
      ValueError: for fewer than two pictures.
    """

    canvas: Canvas
    count: int
    alike: bool = False

    def __post_init__(self) -> None:
        """Checks the count."""
        if self.count < 2:
            raise ValueError(f"a group has at least 2 pictures, not {self.count}")

    def init(self, key: Key) -> Any:
        """Draws z, leaves `[d, ...]`."""
        return jax.vmap(self.canvas.init)(self.list_keys(key))

    def decode(self, shared: Any, z: Any, key: Key) -> Image:
        """Makes the images `[d, H, W, C]`."""
        decode = jax.vmap(self.canvas.decode, (None, 0, 0))
        return decode(shared, z, self.list_keys(key))

    def draw(self, shared: Any, z: Any, key: Key) -> Drawing:
        """Makes what one step sees: images `[d, H, W, C]`, and terms `[d]`."""
        return jax.vmap(self.canvas.draw, (None, 0, 0))(shared, z, self.list_keys(key))

    def encode(self, image: Image) -> Any:
        """Finds the z of an image `[H, W, C]`, from which all pictures begin."""
        one = self.canvas.encode(image)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.count, *leaf.shape)), one)

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of one picture in pixels."""
        return self.canvas.image_size()

    def split(self, z: Any) -> tuple[Any, Any]:
        """Splits z as the canvas of one picture does."""
        return self.canvas.split(z)

    def join(self, learned: Any, state: Any) -> Any:
        """Puts z together as the canvas of one picture does."""
        return self.canvas.join(learned, state)

    def list_keys(self, key: Key) -> Key:
        """Gives the keys of the pictures, `[d]`: one for all of them where they are alike.

        Args:
          key: a typed random key.
        """
        if self.alike:
            return jnp.broadcast_to(key, (self.count,))
        return jax.random.split(key, self.count)


@dataclass(frozen=True)
class Each:
    """A function of the last argument, applied to every picture of a group.

    Args:
      function: of one picture, such as a projection or a view.
    """

    function: Callable[..., Any]

    def __call__(self, *given: Any) -> Any:
        """Applies it to `[d, ...]`; the other arguments are the same for all pictures."""
        *same, group = given
        return jax.vmap(lambda one: self.function(*same, one))(group)


@register_parts("single", "couplings")
@dataclass(frozen=True)
class Coupled(Loss):
    """The loss of a group: the sum of its pictures' own losses, and of the couplings.

    sum_i E_i + sum_k weight_k u C_k, u = |mean_i E_i|, which gradients do not pass: a weight is
    in units of what one picture has reached.

    Args:
      single: the loss of one picture.
      couplings: terms between the pictures.
      group: the canvas of them all.
    """

    single: Composed
    couplings: tuple[WeightedCoupling, ...]
    group: Group

    def __call__(
        self, params: Params, z: Any, item: Algebra, key: Key, shared: Any = None
    ) -> tuple[Array, Terms, Any]:
        """Computes the loss `[]`, its terms, which sum to it, and the canvases' state.

        Args:
          params: the network's parameters.
          z: the canvas parameters, leaves `[d, ...]`.
          item: the objectives of the pictures, leaves `[d, ...]`.
          key: serves the canvases and the views.
          shared: what the canvases have in common.

        Raises:
          ValueError: for a coupling that is no single number.
        """
        canvas_key, view_key = jax.random.split(key)
        drawing = self.group.draw(shared, z, canvas_key)
        keys = jax.random.split(view_key, self.single.draws)
        look = jax.vmap(lambda key: self._look(params, drawing.image, item, key))
        terms = {name: jnp.mean(values) for name, values in look(keys).items()}
        terms |= {name: jnp.sum(values) for name, values in drawing.terms.items()}
        for entry in self.single.priors:
            values = jax.vmap(entry.prior)(drawing.image)
            terms[entry.name] = entry.weight * jnp.sum(values)
        first, *rest = terms.values()
        return sum(rest, first), terms, drawing.state

    def _look(self, params: Params, images: Array, item: Algebra, key: Key) -> Terms:
        """Computes the objectives' sum and the couplings of one view of the pictures."""
        wanted = self._list_taps(item)
        read = [entry.coupling.tap for entry in self.couplings]

        def see(image: Image, item: Algebra, key: Key) -> tuple[Array, Taps]:
            taps = self.single.net.apply(params, self.single.view(key, image), stop=wanted)
            return item(taps), {name: taps[name] for name in read}

        values, taps = jax.vmap(see)(images, item, self.group.list_keys(key))
        terms = {"objective": jnp.sum(values)}
        # Activations of networks differ by factors of a thousand, and couplings have no unit.
        unit = jax.lax.stop_gradient(jnp.abs(jnp.mean(values)))
        for entry in self.couplings:
            value = to_scalar(entry.coupling(taps), repr(entry.name))
            terms[entry.name] = entry.weight * unit * value
        return terms

    def _list_taps(self, item: Algebra) -> tuple[str, ...] | None:
        if item.taps is None:
            return None
        read = (entry.coupling.tap for entry in self.couplings)
        return tuple(dict.fromkeys((*item.taps, *read)))

    def prepare(self, params: Params) -> Params:
        """Brings parameters into the form that the network computes fastest with.

        Args:
          params: the network's parameters; leading axes of items are kept.
        """
        return self.single.prepare(params)

    def rematerialise(self) -> "Coupled":
        """Makes a loss of the same value whose gradient takes less memory.

        Raises:
          ValueError: where the network is an adapted one, which cannot be cut.
        """
        return replace(self, single=self.single.rematerialise())
