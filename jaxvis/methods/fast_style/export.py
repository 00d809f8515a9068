"""A style network as one program with its weights, which needs JAX alone."""

import importlib.util
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import export

from jaxvis.methods.fast_style.stylize import choose_style, paint
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import with_compute
from jaxvis.network import Network
from jaxvis.types import Image, Params

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
"""Where an exported program can run."""


def export_program(
    net: Network,
    params: Params,
    *,
    size: tuple[int, int],
    style: int | Sequence[float] | None = None,
    platforms: Sequence[str] = ("cpu", "cuda"),
) -> bytes:
    """Exports a style network as one program, weights included, that needs JAX alone.

    `jax.export.deserialize(bytearray(program)).call(image)` is `stylize` of an image of
    that size.

    Args:
      net, params: the network.
      size: (H, W) in pixels of the images `[H, W, 3]` that it takes.
      style: as for `jaxvis.methods.fast_style.stylize.stylize`.
      platforms: where it shall run, names of `PLATFORMS`.

    Raises:
      ValueError: for an unknown style or platform, too small a size, or where the
        package flatbuffers, which writes such programs, is not installed.
    """
    unknown = [name for name in platforms if name not in PLATFORMS]
    if unknown or not platforms:
        raise ValueError(
            f"platforms must be some of {', '.join(PLATFORMS)}, not {', '.join(unknown) or 'none'}"
        )
    if importlib.util.find_spec("flatbuffers") is None:
        raise ValueError(
            "exported programs are written by the package flatbuffers, which is not "
            'installed: pip install "jaxvis[export]"'
        )
    own = jax.tree.map(jnp.asarray, choose_style(params, style))
    # Winograd's form is a choice for one machine; a program for all takes XLA's own.
    plain = with_compute(net, Compute(convolution="direct"))

    def paint_with_weights(image: Image) -> Image:
        return paint(plain, own, image)

    # `jax.export` takes a jitted function. It only lowers it, so nothing is compiled here,
    # and a function of its own holds the weights no longer than this call.
    image = jax.ShapeDtypeStruct((*size, net.channels), jnp.float32)
    program = export.export(jax.jit(paint_with_weights), platforms=list(platforms))(image)
    return bytes(program.serialize())
