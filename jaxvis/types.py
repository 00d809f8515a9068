"""The words of jaxvis: the types that every other module speaks in.

One layout and one range everywhere: an image is `[H, W, 3]` float32 RGB in [0, 1],
without a batch axis; `[H, W, 1]` for a network that takes grey images, and `[H, W, C]` for
one of C channels. Batches are made by `jax.vmap`, in `jaxvis.optimize` alone.
What is static (networks, canvases, views, priors) is a frozen dataclass, so that equal
values hash equal and a rebuilt one never compiles again; what varies along a sweep is a
pytree.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.display import describe_run, encode_grid

Array = jax.Array
ArrayLike = jax.Array | np.ndarray
"""An array of JAX or of NumPy, where either will do."""
Key = jax.Array
Image = jax.Array
"""`[H, W, 3]` float32 RGB in [0, 1], or `[H, W, C]` of a network of C channels."""
ImageLike = jax.Array | np.ndarray
"""An image that a user hands in; `jaxvis.images.check_image` says what it may be."""
Taps = dict[str, jax.Array]
"""Layer name -> activation, `[h, w, c]` or `[d]`."""
Params = Mapping[str, Mapping[str, jax.Array]]
"""Layer name -> {"kernel", "bias", ...} -> array: a plain nested dict."""
Terms = dict[str, jax.Array]
"""Term name -> scalar, already weighted; their sum is the loss."""
Item = Any
"""A pytree of what varies along a sweep; its leading axis is the sweep."""
View = Callable[[Key, Image], Image]
"""What the network sees of an image: a random crop, a rotation..."""
Objective = Callable[[Taps], Array]
"""`taps -> []`, smaller is better; a pytree whose leaves may carry the sweep axis."""
Prior = Callable[[Image], Array]
"""`image -> []`, smaller is more natural."""


class Drawing(NamedTuple):
    """What a canvas shows in one step of the optimisation.

    Attributes:
      image: `[H, W, 3]`; it may leave [0, 1].
      terms: named terms of the loss that the canvas itself adds, already weighted.
      state: the next value of what the canvas does not learn by gradients, such as
        running averages; None where there is nothing of that kind.
    """

    image: Image
    terms: Terms
    state: Any


class Canvas:
    """What is painted on: parameters z, and how they become an image.

    A canvas of one's own needs `init` and `decode`. The other methods have defaults
    that suit a canvas whose z is learned as a whole.

    >>> import jax
    >>> import jaxvis
    >>> class Grey(jaxvis.Canvas):
    ...     def init(self, key):
    ...         return jax.random.uniform(key, (32, 32, 1))
    ...     def decode(self, shared, z, key):
    ...         return z.repeat(3, -1)
    >>> net, params = jaxvis.load("demo")
    >>> own = jaxvis.recipes.Recipe(Grey(), None, jaxvis.optimizers.adam(0.05), steps=2)
    >>> jaxvis.maximize(net, params, recipe=own).image.shape
    (1, 1, 32, 32, 3)
    """

    owns_kernels = False
    """Whether every item has convolution kernels of its own in z. Such items share no
    work, so on a CPU they are optimised one by one."""

    def init(self, key: Key) -> Any:
        """Draws fresh parameters z, a pytree of float32 arrays.

        Raises:
          NotImplementedError: where a canvas does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no init(key) -> z")

    def decode(self, shared: Any, z: Any, key: Key) -> Image:
        """Makes the finished image of z, `[H, W, 3]`.

        Args:
          shared: what all items have in common, such as a generator's weights; None
            for a canvas that shares nothing.
          z: the parameters of one item.
          key: serves stochastic canvases.

        Raises:
          NotImplementedError: where a canvas does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no decode(shared, z, key) -> image")

    def encode(self, image: Image) -> Any:
        """Finds the z of an image `[H, W, 3]`, for a canvas that can begin from one.

        Raises:
          ValueError: for a canvas that cannot.
        """
        del image
        raise ValueError(f"{type(self).__name__} cannot begin from an image: leave start out")

    def image_size(self) -> tuple[int, int]:
        """Gives (H, W) of the image in pixels.

        By default it is read off `decode`, called without anything shared.
        """
        key = jax.random.key(0)
        return jax.eval_shape(lambda: self.decode(None, self.init(key), key)).shape[:2]

    def draw(self, shared: Any, z: Any, key: Key) -> Drawing:
        """Makes what one step sees of z; by default the finished image alone."""
        return Drawing(self.decode(shared, z, key), {}, None)

    def split(self, z: Any) -> tuple[Any, Any]:
        """Splits z into (what gradients move, what a step only records)."""
        return z, None

    def join(self, learned: Any, state: Any) -> Any:
        """Puts z together again from the two parts of `split`."""
        del state
        return learned


class Status(IntEnum):
    """How the optimisation of one item ended.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> run = jaxvis.maximize(net, params, recipe="plain", size=(32, 32), steps=2)
    >>> jaxvis.Status(run.status[0, 0]).name
    'DONE'
    """

    DONE = 0
    """All steps were taken."""
    FAILED = 1
    """A value turned non-finite; z is the last finite one."""
    UNFINISHED = 2
    """It was interrupted before it was done."""
    CONVERGED = 3
    """An optimizer that searches got within its tolerances."""
    STALLED = 4
    """An optimizer that searches found no step that lowers the loss any further."""
    DEAD = 5
    """No gradient ever reached the canvas, or the objective never moved."""


class Run(NamedTuple):
    """What a solver returns; every field has the sweep's axis (axes) in front.

    Attributes:
      z: the canvas parameters after the last step.
      image: `[N, H, W, 3]` float32 RGB in [0, 1].
      trace: "loss" and every named term, `[N, steps]`. Of an optimizer that searches
        they stay at the last iterate that it accepted.
      status: `[N]` int8, the value of a `Status`.
      facts: further numbers of each item, `[N]`: "steps", how many were taken, and of
        an optimizer that searches "evaluations".

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> run = jaxvis.maximize(net, params, index=[3, 5], recipe="plain", size=(32, 32), steps=4)
    >>> run.image.shape, run.trace["loss"].shape
    ((2, 1, 32, 32, 3), (2, 1, 4))
    """

    z: Any
    image: Any
    trace: dict[str, Any]
    status: Any
    facts: dict[str, Any]

    def __repr__(self) -> str:
        """One line: how many pictures, how large, and how they ended."""
        values = np.asarray(self.status).ravel()
        words = [Status(int(value)).name.lower() for value in values]
        return describe_run(self.image, self.trace, words)

    def _repr_png_(self) -> bytes | None:
        """The pictures as a grid, which a notebook shows."""
        return encode_grid(self.image)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a method; it carries what is there already.

    Attributes:
      run: the whole Run, in which what had not begun is NaN and UNFINISHED; None where
        not a single step was taken.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> try:
    ...     run = jaxvis.maximize(net, params, recipe="plain", size=(32, 32), steps=2)
    ... except jaxvis.Interrupted as stop:
    ...     run = stop.run
    >>> jaxvis.Interrupted(run).finished
    1
    """

    def __init__(self, run: Run | None = None) -> None:
        super().__init__("interrupted")
        self.run = run

    @property
    def finished(self) -> int:
        """How many items had ended when the interruption came."""
        if self.run is None:
            return 0
        return int(np.sum(np.asarray(self.run.status) != Status.UNFINISHED))


class Loss:
    """What the solver minimises: called with one item, it returns a scalar.

    A loss of one's own needs `__call__` alone.
    """

    def __call__(
        self, params: Params, z: Any, item: Item, key: Key, shared: Any = None
    ) -> tuple[Array, Terms, Any]:
        """Computes (loss `[]`, its terms, the canvas' next state or None).

        Raises:
          NotImplementedError: where a loss does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def prepare(self, params: Params) -> Params:
        """Brings parameters into the form that a step computes fastest with."""
        return params

    def rematerialise(self) -> "Loss":
        """Makes a loss of the same value whose gradient takes less memory.

        Raises:
          ValueError: where that is not possible.
        """
        raise ValueError(
            f"remat cuts the network of a loss that jaxvis.loss.compose built; {self!r} "
            "is none: leave remat out"
        )


def as_key(key: Key | int) -> Key:
    """Makes a typed random key: `key` itself, or the key of an integer seed.

    Args:
      key: a typed key, a key of the old style (`jax.random.PRNGKey`), or an integer.

    Raises:
      ValueError: for anything else.
    """
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        if not 0 <= int(key) < 2**32:
            raise ValueError(f"a seed is a whole number from 0 to 2^32 - 1, not {key}")
        return jax.random.key(int(key))
    if isinstance(key, jax.Array | np.ndarray):
        if jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key):
            return key
        if key.shape == () and np.issubdtype(key.dtype, np.integer):
            return as_key(int(key))
        if key.shape == (2,) and key.dtype == np.uint32:
            return jax.random.wrap_key_data(jax.numpy.asarray(key))
    raise ValueError(f"key is an integer seed or a key of jax.random.key, not {key!r}")
