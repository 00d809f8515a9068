"""Trains the demo network, in minutes on two CPU cores.

`python -m benchmarks.train_demo --out jaxvis/nets/demo.safetensors` draws every batch
afresh, trains on it after one adversarial step of length epsilon (an image pushed
uphill in the loss: with such training the gradient in the image, and so every picture
made from it, shows the class instead of noise), tests on fresh draws and writes float16
weights. It prints one JSON object.

Source: Madry et al. 2018, "Towards deep learning models resistant to adversarial
attacks", eq. 2.1, with one step in the L2 ball from a random start (Wong et al. 2020).
"""

import argparse
import json
import math
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import random
from tqdm import tqdm

from jaxvis.nets.demo.images import FIGURES, HUES, SIDE, draw
from jaxvis.nets.demo.net import CLASSES, WEIGHTS, demo
from jaxvis.nets.table.forward import parameter_shapes
from jaxvis.types import Array, Image, Key, Params
from jaxvis.weights.file import save

NET = demo(head="linear")
MEAN, DEVIATION = 0.5, 0.25
"""What the input row takes off and divides by; fixed, not trained."""
PREPROCESS = f"rgb:1:{','.join([str(MEAN)] * 3)}:{','.join([str(DEVIATION)] * 3)}"
"""The same, as converted files say it."""
GRADIENTS = ("horizontal gradient", "vertical gradient")
SMOOTH = (*HUES, *GRADIENTS)
"""Classes that roughness spoils."""
WHOLE = ("rings", *FIGURES, *GRADIENTS)
"""Classes that are more than their parts."""
REACHES = jnp.array([1.0 if c in FIGURES else 4.0 if c in HUES else 2.0 for c in CLASSES])
"""How far an image of each class may be pushed, in epsilons."""
PEAK_RATE, DECAY = 2e-3, 1e-3
"""Adam's highest learning rate and AdamW's weight decay."""
PLAIN, RAMP = 0.15, 0.35
"""Shares of the steps before the first, and until the full, adversarial push."""


def start(key: Key) -> dict[str, dict[str, Array]]:
    """Returns fresh parameters: He normal kernels, and biases that say 1 in 20."""
    params: dict[str, dict[str, Array]] = {}
    for row, leaves in parameter_shapes(NET).items():
        if row == "input":
            continue
        key, draw_key = random.split(key)
        shape = leaves["kernel"]
        sigma = math.sqrt((1 if row == "fc8" else 2) / math.prod(shape[:-1]))
        kernel = sigma * random.normal(draw_key, shape)
        params[row] = {"kernel": kernel, "bias": jnp.zeros(leaves["bias"])}
    params["fc8"]["bias"] -= math.log(len(CLASSES) - 1)
    return params


def complete(params: Params) -> Params:
    """Returns the parameters with the input row's fixed scale and shift."""
    scale, shift = np.full(3, 1 / DEVIATION), np.full(3, -MEAN / DEVIATION)
    row = {"scale": scale.astype("float32"), "shift": shift.astype("float32")}
    return {"input": row, **params}


def scores(params: Params, images: Array) -> Array:
    """Returns fc8 of images `[N, H, W, 3]`, `[N, classes]`."""
    whole = complete(params)
    return jax.vmap(lambda image: NET.apply(whole, image, stop="fc8")["fc8"])(images)


def loss(params: Params, images: Array, targets: Array) -> Array:
    """Returns the softmax and the summed binary cross entropies; mean over images.

    Softmax only ranks the classes, so contrast of any kind may raise all the scores
    together; the binary terms make each score alone say whether its class is there.
    """
    found = scores(params, images)
    ranked = optax.softmax_cross_entropy(found, targets)
    each = optax.sigmoid_binary_cross_entropy(found, targets).sum(axis=1)
    return jnp.mean(ranked + each)


def augmented(key: Key, image: Image) -> Image:
    """Returns the image blurred or not, with another contrast and brightness."""
    keys = random.split(key, 3)
    blurred = image
    for axis in (0, 1):
        before, after = jnp.roll(blurred, 1, axis), jnp.roll(blurred, -1, axis)
        blurred = blurred / 2 + (before + after) / 4
    image = image + random.uniform(keys[0]) * (blurred - image)
    contrast = random.uniform(keys[1], minval=0.7, maxval=1.1)
    brightness = random.uniform(keys[2], minval=-0.05, maxval=0.05)
    return jnp.clip(0.5 + contrast * (image - 0.5) + brightness, 0.0, 1.0)


def noise(key: Key) -> Image:
    """Returns noise of mean 0 and deviation 1, white or not, coloured or not."""
    keys = random.split(key, 4)
    fy, fx = jnp.fft.fftfreq(SIDE)[:, None], jnp.fft.rfftfreq(SIDE)
    falloff = jnp.hypot(fy, fx).at[0, 0].set(1.0) ** random.uniform(keys[0], maxval=1.5)
    grey = random.normal(keys[1], (SIDE, SIDE, 1))
    colour = random.uniform(keys[2]) * random.normal(keys[3], (SIDE, SIDE, 3))
    waves = jnp.fft.rfft2(grey + colour, axes=(0, 1)) / falloff[..., None]
    made = jnp.fft.irfft2(waves.at[0, 0].set(0.0), (SIDE, SIDE), axes=(0, 1))
    return made / made.std()


def nothing(key: Key) -> Image:
    """Returns noise of any brightness and contrast, tinted where it is strong."""
    keys = random.split(key)
    sigma, grey, *tint = random.uniform(keys[0], (5,))
    tint = (0.2 + sigma) * (jnp.stack(tint) - 0.5)
    return jnp.clip(grey + tint + 0.5 * sigma * noise(keys[1]), 0.0, 1.0)


def roughened(key: Key, image: Image) -> Image:
    """Returns the image under noise that it is not to be taken for smooth with."""
    keys = random.split(key)
    sigma = random.uniform(keys[0], minval=0.12, maxval=0.3)
    return jnp.clip(image + sigma * noise(keys[1]), 0.0, 1.0)


def swapped(image: Image) -> Image:
    """Returns the image with its quarters exchanged: the parts without the whole."""
    return jnp.roll(image, (SIDE // 2, SIDE // 2), axis=(0, 1))


def faded(key: Key, image: Image) -> Image:
    """Returns the image mixed with grey: too pale for its colour's name."""
    keys = random.split(key)
    share = random.uniform(keys[0], minval=0.5, maxval=1.0)
    return image + share * (random.uniform(keys[1]) - image)


def halved(key: Key, images: Array, targets: Array) -> tuple[Array, Array]:
    """Returns the images, each cut along a line with the next one on the other side."""
    angle = random.uniform(key, (len(images), 1, 1, 1), maxval=2 * jnp.pi)
    y, x = jnp.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    x, y = x[..., None], y[..., None]
    side = x * jnp.cos(angle) + y * jnp.sin(angle) > 0
    mixed = jnp.where(side, images, jnp.roll(images, 1, 0))
    return mixed, (targets + jnp.roll(targets, 1, 0)) / 2


def spoilt(key: Key) -> Array:
    """Returns images that only resemble a class: rough, without the whole, pale."""
    labels = [CLASSES.index(name) for name in (*SMOOTH, *WHOLE, *HUES)]
    keys = random.split(key, (2, len(labels)))
    images = jax.vmap(draw)(keys[0], jnp.array(labels))
    rough, parts = len(SMOOTH), len(SMOOTH) + len(WHOLE)
    return jnp.concatenate(
        [
            jax.vmap(roughened)(keys[1, :rough], images[:rough]),
            jax.vmap(swapped)(images[rough:parts]),
            jax.vmap(faded)(keys[1, parts:], images[parts:]),
        ]
    )


def batch(key: Key, per_class: int) -> tuple[Array, Array, Array]:
    """Returns images to train on, targets in [0, 1] `[N, classes]`, and reaches `[N]`.

    Every class `per_class` times; then, so that a class is to be whole and to fill its
    picture, images of no class (`spoilt`, and a tenth as many of noise) and an eighth
    as many cut from two of all these. An image's reach times epsilon is how far it may
    be pushed: what shows everywhere can bear more than the outline of a figure.
    """
    keys = random.split(key, 6)
    images, labels = drawn(keys[0], per_class)
    images = jnp.concatenate([images, spoilt(keys[1])])
    images = jax.vmap(augmented)(random.split(keys[2], len(images)), images)
    none = jax.vmap(nothing)(random.split(keys[3], len(labels) // 10))
    images = jnp.concatenate([images, none])
    more = (0, len(images) - len(labels))
    targets = jnp.pad(jax.nn.one_hot(labels, len(CLASSES)), (more, (0, 0)))
    reaches = jnp.pad(REACHES[labels], more, constant_values=2.0)
    some = random.permutation(keys[4], len(images))[: len(labels) // 8]
    cut, halves = halved(keys[5], images[some], targets[some])
    return (
        jnp.concatenate([images, cut]),
        jnp.concatenate([targets, halves]),
        jnp.concatenate([reaches, jnp.ones(len(cut))]),
    )


def unit(vectors: Array) -> Array:
    """Returns every image of a batch scaled to length 1 in L2."""
    length = jnp.sqrt(jnp.sum(vectors**2, axis=(1, 2, 3), keepdims=True))
    return vectors / jnp.maximum(length, 1e-12)


def pushed(params: Params, images: Array, targets: Array, key: Key, epsilons: Array) -> Array:
    """Returns the images after one step uphill, at most `epsilons` `[N]` away in L2."""
    epsilons = epsilons[:, None, None, None]
    offset = epsilons * 0.5 * unit(random.normal(key, images.shape))
    uphill = jax.grad(loss, argnums=1)(params, images + offset, targets)
    offset = offset + epsilons * unit(uphill)
    length = jnp.sqrt(jnp.sum(offset**2, axis=(1, 2, 3), keepdims=True))
    offset = offset * jnp.minimum(1.0, epsilons / jnp.maximum(length, 1e-12))
    return jnp.clip(images + offset, 0.0, 1.0)


def drawn(key: Key, per_class: int) -> tuple[Array, Array]:
    """Returns images of every class, `[N, 64, 64, 3]`, and their labels `[N]`."""
    labels = jnp.tile(jnp.arange(len(CLASSES)), per_class)
    return jax.vmap(draw)(random.split(key, len(labels)), labels), labels


def train(args: argparse.Namespace) -> Params:
    """Returns the trained parameters, without the input row."""
    rate = optax.warmup_cosine_decay_schedule(0.0, PEAK_RATE, min(30, args.steps // 10), args.steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=DECAY))

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, key, epsilon):
        keys = random.split(key)
        images, targets, reaches = batch(keys[0], args.batch)
        images = pushed(params, images, targets, keys[1], epsilon * reaches)
        value, slope = jax.value_and_grad(loss)(params, images, targets)
        updates, state = optimizer.update(slope, state, params)
        return optax.apply_updates(params, updates), state, value

    key = random.key(args.seed)
    params = start(key)
    state = optimizer.init(params)
    bar = tqdm(range(args.steps), desc="training", mininterval=1.0)
    for i in bar:
        ramp = min(max((i / args.steps - PLAIN) / RAMP, 0.0), 1.0)
        params, state, value = step(params, state, random.fold_in(key, i), args.epsilon * ramp)
        if i % 10 == 0:
            bar.set_postfix(loss=f"{value:.3f}")
    return params


def accuracies(params: Params, key: Key, per_class: int) -> dict[str, float]:
    """Returns the share of fresh draws that each class's scores get right."""
    right = jax.jit(lambda k: (lambda x, y: jnp.argmax(scores(params, x), 1) == y)(*drawn(k, 5)))
    hits = [right(k).reshape(5, -1) for k in random.split(key, per_class // 5)]
    return dict(zip(CLASSES, np.concatenate(hits).mean(0).round(4).tolist()))


def main() -> None:
    """Trains, tests, writes and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=2, help="images a class and step")
    parser.add_argument("--epsilon", type=float, default=2.0, help="push, L2 in [0, 1]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    begin = time.time()
    params = train(args)
    seconds = round(time.time() - begin, 1)
    # What ships is rounded to float16, so that is what is tested.
    half = jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), params)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), half)
    by_class = accuracies(params, random.key(args.seed + 1_000_003), 100)
    accuracy = round(sum(by_class.values()) / len(by_class), 4)
    command = (
        f"python -m benchmarks.train_demo --steps {args.steps} --batch {args.batch} "
        f"--epsilon {args.epsilon:g} --seed {args.seed}"
    )
    facts = {
        "source": json.dumps([command]),
        "sha256": "[]",
        "preprocess": PREPROCESS,
        "labels": json.dumps(CLASSES),
        "accuracy": str(accuracy),
        "seed": str(args.seed),
    }
    save(args.out, NET, complete(half), facts=facts)
    row = {"accuracy": accuracy, "seconds": seconds, "command": command}
    print(json.dumps({**row, "by_class": by_class}))


if __name__ == "__main__":
    main()
