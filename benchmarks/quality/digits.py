"""Digits that a generator draws for LeNet-5: from a GAN's latents, or by a decoder.

There is no peer: the rows say how many of the digits are classified as wanted. The
weights and the digits are read from the data folder of the tests.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.paths import DATA
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.small_images import DIGITS, LENET5, load_lenet5, read_digits
from jaxvis.compiler import jit
from jaxvis.methods.coupled.autoencode import (
    Denoising,
    decoder_of,
    load_autoencoder,
    train_autoencoder,
)
from jaxvis.methods.coupled.generate import generate
from jaxvis.methods.coupled.latent import latent
from jaxvis.network import Network
from jaxvis.recipes import GENERATORS, LatentRecipe
from jaxvis.train.images import from_array, split
from jaxvis.train.loop import CheckpointFile
from jaxvis.types import Array, Image, Params, Run

FILES = (LENET5, "weights/mnist_dcgan_generator_f32.npz", DIGITS)


def draw_digit(shared: Any, z: Array) -> Image:
    """Draws a digit `[32, 32, 1]` with the GAN's generator.

    Args:
      shared: its arrays, by their own names.
      z: its code, `[64]`.
    """
    x = z.reshape(1, 1, 1, 64)
    for layer, stride in enumerate((2, 1, 2, 2)):
        # Of a torch ConvTranspose2d (in, out, kh, kw), no padding.
        kernel = shared[f"gen.{layer}.0.weight"].transpose(2, 3, 0, 1)
        x = jax.lax.conv_transpose(
            x,
            kernel[::-1, ::-1],
            (stride, stride),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = x + shared[f"gen.{layer}.0.bias"]
        if layer < 3:
            at = f"gen.{layer}.1."
            x = (x - shared[at + "running_mean"]) * jax.lax.rsqrt(shared[at + "running_var"] + 1e-5)
            x = jax.nn.relu(x * shared[at + "weight"] + shared[at + "bias"])
    image = (jnp.tanh(x[0]) + 1) / 2
    return jax.image.resize(image, (32, 32, 1), "linear", antialias=False)


def read_generator(data: Path) -> dict[str, Array]:
    """Reads the generator's arrays, by their own names.

    Args:
      data: the data folder.
    """
    with np.load(data / FILES[1]) as file:
        return {
            name: jnp.asarray(file[name], jnp.float32)
            for name in file
            if file[name].dtype.kind == "f"
        }


def find_hits(net: Network, params: Params, images: np.ndarray) -> np.ndarray:
    """Finds which pictures of digit i are classified as i, `[10, S]`.

    Args:
      net, params: the network.
      images: `[10, S, 32, 32, 1]`, judged as 8-bit files hold them.
    """
    look = jit(jax.vmap(lambda x: net.apply(params, x, stop="fc7")["fc7"]))
    flat = np.round(images.reshape(-1, 32, 32, 1) * 255) / 255
    best = np.argmax(look(flat), axis=-1).reshape(images.shape[:2])
    return best == np.arange(10)[:, None]


def draw_from_latents(data: Path, *, seeds: int, steps: int, starts: int = 32) -> Run:
    """Draws the GAN's digits that LeNet-5 scores highest, `[10, seeds, ...]`.

    Args:
      data: the data folder.
      seeds: pictures a digit.
      steps: updates.
      starts: random codes that are tried for each.
    """
    net, params = load_lenet5(data)
    return latent(
        net,
        params,
        draw_digit,
        read_generator(data),
        shape=(64,),
        index=range(10),
        seeds=seeds,
        recipe=LatentRecipe(starts=starts, bound=2.5),
        steps=steps,
    )


def draw_with_decoder(data: Path, path: Path, *, training: int, seeds: int, steps: int) -> Run:
    """Draws digits for LeNet-5 with the decoder of a denoising autoencoder.

    Args:
      data: the data folder.
      path: its checkpoint; it is trained there, or further, first.
      training: updates of that.
      seeds: pictures a digit.
      steps: updates of the pictures.
    """
    net, params = load_lenet5(data)
    kept, held = split(from_array(read_digits(data)[..., 0]), 0.02)
    train_autoencoder(
        kept,
        held,
        model="small",
        denoising=Denoising(noise=0.3, optimizer="adam", learning_rate=0.004, batch=32),
        steps=training,
        checkpoint=CheckpointFile(path, resume=True),
    )
    model, state, _ = load_autoencoder(path)
    recipe = replace(GENERATORS["frozen"], generator=model.decoder, gain=model.gain, others=0.1)
    return generate(
        net,
        params,
        index=range(10),
        seeds=seeds,
        decoder=decoder_of(state),
        recipe=recipe,
        steps=steps,
    )


def measure(quick: bool) -> list[Row]:
    """Measures how many digits are right: with one start, and with the best of 32.

    Args:
      quick: two seeds a digit instead of twenty.
    """
    seeds, steps = (2, 40) if quick else (20, 100)
    return [_measure_digits(seeds, steps, starts) for starts in (1, 32)]


def measure_smoke() -> list[Row]:
    """Measures one seed a digit, few steps."""
    return [_measure_digits(1, 10, 32)]


def _measure_digits(seeds: int, steps: int, starts: int) -> Row:
    case = Case(
        "digits",
        f"a GAN's latents for LeNet-5, {starts} start{'s' * (starts > 1)}",
        {
            "net": "lenet5",
            "pixels": 32,
            "digits": 10,
            "seeds": seeds,
            "steps": steps,
            "starts": starts,
        },
    )
    missing = [name for name in FILES if not (DATA / name).exists()]
    if missing:
        note = f"not run: the data folder lacks {missing[0]}"
        return make_row(case, ours=np.array([np.nan]), peer_name="no peer", note=note)
    begin = time.perf_counter()
    run = draw_from_latents(DATA, seeds=seeds, steps=steps, starts=starts)
    took = np.array([time.perf_counter() - begin])
    found = find_hits(*load_lenet5(DATA), run.image)
    return make_row(
        case,
        ours=took,
        peer_name="no peer",
        note=f"{int(found.sum())} of {found.size} digits are classified as wanted",
        rate=float(found.mean()),
        rates=[float(rate) for rate in found.mean(1)],
    )
