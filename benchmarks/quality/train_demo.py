"""Trains the demo network, in minutes on two CPU cores.

    python -m benchmarks.quality.train_demo

Every batch is drawn afresh and trained on after one adversarial step of length epsilon:
the image is pushed uphill in the loss. With such training the gradient in the image, and
so every picture made from it, shows the class instead of noise. The network is tested on
fresh draws, and its weights are written as float16. The program prints one JSON object.

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

from benchmarks.quality.demo_batches import draw_batch, draw_classes
from jaxvis.nets.demo.net import CLASSES, WEIGHTS, demo
from jaxvis.nets.table.forward import parameter_shapes
from jaxvis.types import Array, Key, Params
from jaxvis.weights.file import save

NET = demo(head="linear")
MEAN, DEVIATION = 0.5, 0.25
"""What the input row subtracts and divides by; fixed, not trained."""
PREPROCESS = f"rgb:1:{','.join([str(MEAN)] * 3)}:{','.join([str(DEVIATION)] * 3)}"
"""The same, as converted files say it."""
PEAK_RATE, DECAY = 2e-3, 1e-3
"""Adam's highest learning rate and AdamW's weight decay."""
PLAIN, RAMP = 0.15, 0.35
"""Shares of the steps before the first, and until the full, adversarial push."""


def draw_params(key: Key) -> dict[str, dict[str, Array]]:
    """Draws fresh parameters: He normal kernels, and biases that say 1 in 20.

    Args:
      key: of the draws.
    """
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


def add_input_row(params: Params) -> Params:
    """Adds the input row's fixed scale and shift to the parameters.

    Args:
      params: of all other rows.
    """
    scale, shift = np.full(3, 1 / DEVIATION), np.full(3, -MEAN / DEVIATION)
    row = {"scale": scale.astype("float32"), "shift": shift.astype("float32")}
    return {"input": row, **params}


def compute_scores(params: Params, images: Array) -> Array:
    """Computes fc8 of images, `[N, classes]`.

    Args:
      params: without the input row.
      images: `[N, H, W, 3]`.
    """
    whole = add_input_row(params)
    return jax.vmap(lambda image: NET.apply(whole, image, stop="fc8")["fc8"])(images)


def compute_loss(params: Params, images: Array, targets: Array) -> Array:
    """Computes the softmax and the summed binary cross entropies; mean over images.

    Softmax only ranks the classes, so contrast of any kind may raise all the scores
    together; the binary terms make each score alone say whether its class is there.

    Args:
      params: without the input row.
      images: `[N, H, W, 3]`.
      targets: in [0, 1], `[N, classes]`.
    """
    scores = compute_scores(params, images)
    ranked = optax.softmax_cross_entropy(scores, targets)
    each = optax.sigmoid_binary_cross_entropy(scores, targets).sum(axis=1)
    return jnp.mean(ranked + each)


def normalise(vectors: Array) -> Array:
    """Scales every image of a batch to length 1 in L2.

    Args:
      vectors: `[N, H, W, 3]`.
    """
    length = jnp.sqrt(jnp.sum(vectors**2, axis=(1, 2, 3), keepdims=True))
    return vectors / jnp.maximum(length, 1e-12)


def push(params: Params, images: Array, targets: Array, key: Key, epsilons: Array) -> Array:
    """Pushes images one step uphill in the loss, at most `epsilons` away in L2.

    Args:
      params: without the input row.
      images: `[N, H, W, 3]`.
      targets: `[N, classes]`.
      key: of the random start.
      epsilons: `[N]`.
    """
    epsilons = epsilons[:, None, None, None]
    offset = epsilons * 0.5 * normalise(random.normal(key, images.shape))
    uphill = jax.grad(compute_loss, argnums=1)(params, images + offset, targets)
    offset = offset + epsilons * normalise(uphill)
    length = jnp.sqrt(jnp.sum(offset**2, axis=(1, 2, 3), keepdims=True))
    offset = offset * jnp.minimum(1.0, epsilons / jnp.maximum(length, 1e-12))
    return jnp.clip(images + offset, 0.0, 1.0)


def train(args: argparse.Namespace) -> Params:
    """Trains the network; returns its parameters without the input row.

    Args:
      args: the command line's.
    """
    rate = optax.warmup_cosine_decay_schedule(0.0, PEAK_RATE, min(30, args.steps // 10), args.steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=DECAY))

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, key, epsilon):
        keys = random.split(key)
        images, targets, reaches = draw_batch(keys[0], args.batch)
        images = push(params, images, targets, keys[1], epsilon * reaches)
        value, slope = jax.value_and_grad(compute_loss)(params, images, targets)
        updates, state = optimizer.update(slope, state, params)
        return optax.apply_updates(params, updates), state, value

    key = random.key(args.seed)
    params = draw_params(key)
    state = optimizer.init(params)
    bar = tqdm(range(args.steps), desc="training", mininterval=1.0)
    for i in bar:
        ramp = min(max((i / args.steps - PLAIN) / RAMP, 0.0), 1.0)
        params, state, value = step(params, state, random.fold_in(key, i), args.epsilon * ramp)
        if i % 10 == 0:
            bar.set_postfix(loss=f"{value:.3f}")
    return params


def measure_accuracies(params: Params, key: Key, per_class: int) -> dict[str, float]:
    """Measures the share of fresh draws that each class's scores get right.

    Args:
      params: without the input row.
      key: of the draws.
      per_class: draws of every class.
    """

    @jax.jit
    def judge(key: Key) -> Array:
        images, labels = draw_classes(key, 5)
        return jnp.argmax(compute_scores(params, images), 1) == labels

    hits = [judge(k).reshape(5, -1) for k in random.split(key, per_class // 5)]
    return dict(zip(CLASSES, np.concatenate(hits).mean(0).round(4).tolist()))


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=2, help="images a class and step")
    parser.add_argument("--epsilon", type=float, default=2.0, help="push, L2 in [0, 1]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    return parser.parse_args()


def main() -> None:
    """Trains, tests, writes and prints one JSON object."""
    args = parse_args()
    begin = time.time()
    params = train(args)
    seconds = round(time.time() - begin, 1)
    # The shipped weights are rounded to float16, so the rounded ones are tested.
    half = jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), params)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), half)
    by_class = measure_accuracies(params, random.key(args.seed + 1_000_003), 100)
    accuracy = round(sum(by_class.values()) / len(by_class), 4)
    command = (
        f"python -m benchmarks.quality.train_demo --steps {args.steps} --batch {args.batch} "
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
    save(args.out, NET, add_input_row(half), facts=facts)
    row = {"accuracy": accuracy, "seconds": seconds, "command": command}
    print(json.dumps({**row, "by_class": by_class}))


if __name__ == "__main__":
    main()
