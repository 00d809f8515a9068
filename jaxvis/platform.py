"""The platform of a computation: which kind of device runs it.

What is fastest on a CPU differs from what is fastest on a GPU. Code that holds arrays asks
`platform_of` where they are. Code that is being traced cannot know where its program will
run; it hands both ways to `on_cpu`, and JAX keeps the one that fits.

Arrays need not be there. What a GPU would be given can be asked for on any machine, with
descriptions of arrays (`jax.ShapeDtypeStruct`) that say where these would lie.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax


def platform_of(tree: Any) -> str:
    """Gives the platform of a pytree's arrays: "cpu", "gpu" or "tpu".

    The first JAX array decides. NumPy arrays, numbers and arrays that are being traced are
    on no device yet. Where there is nothing else, this is the platform of the device that
    JAX would put them on: `jax.config.jax_default_device`, or else its first device.

    A description of an array counts as the array where its sharding names a mesh of
    devices, which may be a `jax.sharding.AbstractMesh` of devices that are not there. So
    does what is traced from such a description.

    Args:
      tree: any pytree.

    >>> import jax
    >>> platform_of({"kernel": jax.device_put(1.0, jax.devices("cpu")[0])})
    'cpu'
    """
    return place_of(tree)[0]


def place_of(tree: Any) -> tuple[str, int]:
    """Gives the platform of a pytree's arrays, and how many devices they lie on.

    Args:
      tree: any pytree; see `platform_of`.

    >>> import jax
    >>> place_of({"kernel": jax.device_put(1.0, jax.devices("cpu")[0])})
    ('cpu', 1)
    """
    places = (_place(leaf) for leaf in jax.tree.leaves(tree))
    found = next((place for place in places if place is not None), None)
    if found is not None:
        return found
    # JAX adds its options to the class at run time, where no type checker sees them.
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    if isinstance(device, jax.Device):
        return device.platform, 1
    return jax.devices(device)[0].platform, 1  # None, or the name of a platform


def on_cpu(cpu: Callable[..., Any], other: Callable[..., Any], *args: Any) -> Any:
    """Computes `cpu(*args)` where the program runs on a CPU, and `other(*args)` elsewhere.

    Under `jax.jit` both functions are traced, and the one that does not fit is dropped
    when the program is lowered for its platform: the compiler never sees a choice. Arrays
    that are not being traced decide by where they are.

    Args:
      cpu: the function for a CPU.
      other: the function for every other platform. Its results have the same shapes.
      *args: pytrees of arrays of any shapes.
    """
    leaves = jax.tree.leaves(args)
    if leaves and all(_devices(leaf) for leaf in leaves):
        return (cpu if platform_of(args) == "cpu" else other)(*args)
    return lax.platform_dependent(*args, cpu=cpu, default=other)


def _place(leaf: Any) -> tuple[str, int] | None:
    """Gives the platform of one array and its devices' count; None where it is on none yet."""
    devices = _devices(leaf)
    if devices:
        return next(iter(devices)).platform, len(devices)
    if not isinstance(leaf, (jax.Array, jax.ShapeDtypeStruct)):
        return None
    mesh = jax.typeof(leaf).sharding.mesh
    return None if mesh.abstract_device is None else (mesh.abstract_device.platform, mesh.size)


def _devices(leaf: Any) -> set[jax.Device]:
    """Gives the devices of one array; none where it is traced or only described."""
    if not isinstance(leaf, jax.Array):
        return set()
    try:
        return leaf.devices()
    except jax.errors.ConcretizationTypeError:  # a traced array
        return set()
