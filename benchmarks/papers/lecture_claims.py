"""What Lecture 21 says of the methods that it surveys, in numbers.

    python -m benchmarks.papers.lecture_claims --weights DIR

Printed as a JSON object each. "sparse": are maps emptier the deeper the layer? "neighbours":
how often does an image's nearest neighbour have its class, by features and by pixels?
"planes": how many of an image's ten neighbours in the plane have its class? "cams": are
CAM and Grad-CAM the same where the head averages maps? "random": how like are heatmaps to
those of a random network? "jpeg": does JPEG undo an attack, and one that knows of it?
"""

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from scipy.stats import spearmanr

import jaxvis
from benchmarks.papers.preimages import read_photographs
from benchmarks.papers.small_images import read_known
from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.types import Params

PARTS = ("neighbours", "sparse", "random", "jpeg", "cams")
EPSILON = 2 / 255
NEAR = 10


@dataclass(frozen=True)
class Options:
    """Prints what holds of the lecture's statements, a JSON object each."""

    weights: Path | None = None
    """Folder of converted files NAME.safetensors; the cache if left out."""
    parts: str = ",".join(PARTS)
    """What is measured, with commas between."""
    photographs: int = 20
    """How many, of ImageNet-A."""
    size: int = 160
    """Pixels of a side."""
    images: int = 1000
    """Small images, of CIFAR-10 and of MNIST each."""

    def load(self, name: str) -> tuple[Network, Params]:
        """Loads a network for photographs of this size."""
        file = self.weights and self.weights / f"{name}.safetensors"
        return jaxvis.load(name, weights=file, input_size=(self.size,) * 2)


def share_of_kin(points: np.ndarray, labels: np.ndarray, near: int = 1) -> np.ndarray:
    """Computes the share of each point's nearest others that have its label, `[N]`.

    Args:
      points: `[N, d]`.
      labels: `[N]`.
      near: how many others are looked at.
    """
    square = np.sum(points**2, axis=1)
    apart = square[:, None] + square - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    found = np.argpartition(apart, near, axis=1)[:, :near]
    return (labels[found] == labels[:, None]).mean(1)


def summarise(values: np.ndarray) -> list[float]:
    """Gives mean and standard error, rounded.

    Args:
      values: `[N]`.
    """
    values = np.asarray(values, float)
    return [
        round(float(values.mean()), 4),
        round(float(values.std(ddof=1) / len(values) ** 0.5), 4),
    ]


def measure_neighbours(options: Options) -> list[dict]:
    """Measures neighbours in features, in pixels, and in planes, of small images.

    Args:
      options: the command's.
    """
    rows = []
    for name, tap in (("cifar", "pool3"), ("mnist", "relu6")):
        net, params, images, labels = read_known(name, options.images)
        codes = jaxvis.collect_codes(net, params, images, tap, pool="flatten").values
        planes = {"PCA": jaxvis.pca(codes).points, "t-SNE": jaxvis.tsne(codes)}
        row: dict = {"images": f"{len(images)} of {name}", "tap": tap}
        row["features"] = summarise(share_of_kin(codes, labels))
        row["pixels"] = summarise(share_of_kin(images.reshape(len(images), -1), labels))
        for plane, points in planes.items():
            row[plane] = summarise(share_of_kin(np.asarray(points), labels, NEAR))
        rows.append(row)
    return rows


def measure_sparseness(options: Options, net: Network, params: Params, photos: list) -> list[dict]:
    """Measures the share of zeros of each rectified layer, and its trend with depth.

    Args:
      options: the command's.
      net, params: SqueezeNet.
      photos: `[N, H, W, 3]`.
    """
    del options
    taps = ("relu_conv1", *(f"fire{n}/concat" for n in range(2, 10)))

    @jit
    def count(params, image):
        seen = net.apply(params, image, stop=taps[-1])
        return jnp.stack([jnp.mean(seen[tap] == 0) for tap in taps])

    shares = np.stack([np.asarray(count(params, jnp.asarray(photo))) for photo in photos])
    trend = [float(spearmanr(range(len(taps)), row)[0]) for row in shares]
    layers = {tap: summarise(shares[:, i]) for i, tap in enumerate(taps)}
    return [{"zeros": layers, "rank correlation with depth": summarise(trend)}]


def measure_random(options: Options, net: Network, params: Params, photos: list) -> list[dict]:
    """Measures how like heatmaps are to those of a network with random parameters.

    Args:
      options: the command's.
      net, params: SqueezeNet.
      photos: `[N, H, W, 3]`.
    """
    del options
    methods = {
        "saliency": jaxvis.saliency,
        "guided backpropagation": jaxvis.guided_backpropagation,
        "Grad-CAM": jaxvis.grad_cam,
    }
    likeness = {
        name: [
            float(np.ravel(jaxvis.model_randomisation(net, params, photo, method))[-1])
            for photo in photos[:10]
        ]
        for name, method in methods.items()
    }
    return [{name: summarise(values) for name, values in likeness.items()}]


def measure_jpeg(options: Options, net: Network, params: Params, photos: list) -> list[dict]:
    """Measures how many pictures still fool the network after JPEG, attacked both ways.

    Args:
      options: the command's.
      net, params: SqueezeNet.
      photos: `[N, H, W, 3]`.
    """
    del options
    guarded = jaxvis.with_filters(net, jaxvis.defences.Jpeg(quality=75))
    images = np.stack(photos)

    def name_classes(judge: Network, shown: np.ndarray) -> np.ndarray:
        look = jit(jax.vmap(lambda x: judge.apply(params, x, stop=net.scores)[net.scores]))
        return np.asarray(look(jnp.asarray(shown))).argmax(-1)

    before = name_classes(guarded, images)
    attack = partial(jaxvis.attacks.pgd, epsilon=EPSILON, steps=10)
    made = {
        "blind": attack(net, params, images, name_classes(net, images)),
        "knows of it": attack(guarded, params, images, before),
    }
    row: dict = {"n": len(images), "epsilon": "2/255"}
    for name, run in made.items():
        shown = np.asarray(run.image).reshape(images.shape)
        row[name] = {
            "fools the plain network": int(
                (name_classes(net, shown) != name_classes(net, images)).sum()
            ),
            "fools it behind JPEG": int((name_classes(guarded, shown) != before).sum()),
        }
    return [row]


def measure_cams(options: Options, net: Network, params: Params, photos: list) -> list[dict]:
    """Measures how far the rectified CAM and Grad-CAM of GoogLeNet are apart.

    Args:
      options: the command's.
      net, params: unused.
      photos: `[N, H, W, 3]`.
    """
    del net, params
    google = options.load("googlenet")
    layer = "inception_5b/output"
    apart = []
    for photo in photos[:10]:
        first = np.maximum(jaxvis.cam(*google, photo, size="layer"), 0)
        second = jaxvis.grad_cam(*google, photo, layer=layer, size="layer")
        first, second = first / first.max(), second / second.max()
        apart.append(float(np.abs(first - second).max()))
    return [{"n": len(apart), "largest difference of maps that are 1 at most": max(apart)}]


def main(options: Options) -> None:
    """Runs the command.

    Args:
      options: what the command line says.
    """
    net, params = options.load("squeezenet1_1")
    photos = list(read_photographs(options.photographs, options.size)[0])
    measures = {
        "sparse": measure_sparseness,
        "random": measure_random,
        "jpeg": measure_jpeg,
        "cams": measure_cams,
    }
    for part in options.parts.split(","):
        if part == "neighbours":
            rows = measure_neighbours(options)
        else:
            rows = measures[part](options, net, params, photos)
        for row in rows:
            print(json.dumps({"part": part, **row}), flush=True)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
