"""The devices that items are spread over: GPUs, the chips of a TPU, the cores of a CPU.

Items of a sweep share no work, so each device computes its own, and none waits for what
another one has found. That holds for the cores of a CPU too: XLA splits small operations
badly over them, and a core that has an image for itself splits nothing.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxvis.jax_internals import has_started, is_traced
from jaxvis.platform import platform_of

log = logging.getLogger("jaxvis")

AXIS = "items"
"""The name of the mesh's one axis, along which items lie."""
WHOLE, PARTS, PARTS_OF_STEPS = PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(None, AXIS)
"""How arrays lie on devices: whole on each, items in parts, items of many steps in parts."""

SETTINGS = ("JAX_NUM_CPU_DEVICES", "xla_force_host_platform_device_count")
"""What says how many devices a CPU is: a variable of JAX, and a flag in XLA_FLAGS."""


def use_cores(*, count: int | None = None) -> int:
    """Makes every core of the CPU a device of its own, so that a sweep uses all of them.

    Call it before JAX computes anything, right after the imports. Methods then spread
    their items over the cores, with one thread each; a single picture still uses all
    cores together. Where a GPU or TPU does the work this changes nothing. The command
    line does it by itself.

    It stays with what is there, and logs why, where JAX has started already. It also
    stays with what JAX_NUM_CPU_DEVICES or XLA_FLAGS in the environment say.

    Args:
      count: how many cores; None takes all that this process may use.

    Returns:
      How many devices the CPU is; 0 where JAX leaves it out (`JAX_PLATFORMS=cuda`).

    Raises:
      ValueError: if count is below 1.

    >>> import jaxvis
    >>> jaxvis.use_cores() >= 1
    True
    """
    count = usable_cores() if count is None else count
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if not has_started() and not is_count_set(os.environ):
        jax.config.update("jax_num_cpu_devices", count)
        return count
    there = _count_cpu_devices()
    if there not in (0, count) and not is_count_set(os.environ):
        log.warning(
            "JAX has started with %d CPU device(s), so it stays with them: call "
            "jaxvis.use_cores() right after the imports, before JAX computes",
            there,
        )
    return there


def _count_cpu_devices() -> int:
    try:
        return len(jax.devices("cpu"))
    except RuntimeError:  # JAX_PLATFORMS names other platforms alone
        return 0


def usable_cores() -> int:
    """Counts the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Windows, macOS
        return os.cpu_count() or 1


def is_count_set(environment: Mapping[str, str]) -> bool:
    """Says whether the user has set how many devices a CPU is.

    Args:
      environment: such as `os.environ`.
    """
    variable, flag = SETTINGS
    return variable in environment or flag in environment.get("XLA_FLAGS", "")


def find_devices(tree: Any) -> list[jax.Device]:
    """Finds the devices that may compute with a pytree's arrays.

    An array that the user has put somewhere (`jax.device_put(x, device)`) decides. Next
    comes `jax.default_device`. Where neither says anything, these are all devices of this
    process.

    Args:
      tree: any pytree.
    """
    for leaf in _arrays(tree):
        if leaf.committed:
            return sorted(leaf.devices(), key=lambda device: device.id)
    # JAX adds its options to the class at run time, where no type checker sees them.
    default = jax.config.jax_default_device  # type: ignore[attr-defined]
    if isinstance(default, jax.Device):
        return [default]
    return jax.local_devices(backend=default)  # None, or the name of a platform


def make_mesh(devices: list[jax.Device]) -> Mesh | None:
    """Makes the mesh of several devices; None for one, which needs none.

    Args:
      devices: where items go.
    """
    return Mesh(np.array(devices), (AXIS,)) if len(devices) > 1 else None


def count_devices(mesh: Mesh | None) -> int:
    """Counts the devices of a mesh; 1 where there is none.

    Args:
      mesh: of `make_mesh`.
    """
    return 1 if mesh is None else mesh.size


def share(mesh: Mesh | None, function: Callable, in_specs: Any, out_specs: Any) -> Callable:
    """Makes a function of items one in which each device computes its own part of them.

    Args:
      mesh: of `make_mesh`; without it the function stays as it is.
      function: of pytrees of arrays, in which no item needs another one.
      in_specs, out_specs: how its arguments and results lie: WHOLE, PARTS, PARTS_OF_STEPS.
    """
    if mesh is None:
        return function
    # What each device computes by itself needs no check of what varies between them.
    return jax.shard_map(
        function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )


def copy_to_all(tree: Any, mesh: Mesh | None) -> Any:
    """Puts the whole of every array on every device.

    The cores of a CPU share its memory, so that they share one copy.

    Args:
      tree: a pytree of arrays.
      mesh: of `make_mesh`; without it the tree stays as it is.
    """
    if mesh is None:
        return tree
    if mesh.devices.flat[0].platform == "cpu":
        tree = jax.tree.map(_view_on_host, tree)
    return jax.device_put(tree, NamedSharding(mesh, WHOLE))


def split_items(tree: Any, mesh: Mesh | None) -> Any:
    """Puts an equal part of the leading axis of every array on each device.

    Args:
      tree: a pytree of arrays `[n, ...]`, n a multiple of the number of devices.
      mesh: of `make_mesh`; without it the tree stays as it is.
    """
    return tree if mesh is None else jax.device_put(tree, _parts(mesh))


def lie_like_items(shapes: Any, mesh: Mesh | None) -> Any:
    """Says of arrays that are not there yet that they will lie as `split_items` puts them.

    Args:
      shapes: a pytree of `jax.ShapeDtypeStruct`.
      mesh: of `make_mesh`; without it the tree stays as it is.
    """
    if mesh is None:
        return shapes
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=_parts(mesh)), shapes
    )


def _parts(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PARTS)


def _view_on_host(leaf: Any) -> Any:
    # A view of the same memory; keys of random numbers have none.
    whole = isinstance(leaf, jax.Array) and not jax.dtypes.issubdtype(
        leaf.dtype, jax.dtypes.prng_key
    )
    return np.asarray(leaf) if whole and platform_of(leaf) == "cpu" else leaf


def _arrays(tree: Any) -> Iterator[jax.Array]:
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, jax.Array) and not is_traced(leaf):
            yield leaf
