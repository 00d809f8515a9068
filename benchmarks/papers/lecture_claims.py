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
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from scipy.stats import spearmanr

import jaxvis
from benchmarks.harness.paths import DATA, name_weights
from benchmarks.harness.small_images import read_known
from benchmarks.harness.statistics import measure_mean, share_of_kin
from benchmarks.papers.preimages import read_photographs
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
        file = name_weights(self.weights, name)
        return jaxvis.load(name, weights=file, input_size=(self.size,) * 2)


def summarise(values: Sequence[float] | np.ndarray) -> list[float]:
    """Gives mean and standard error, rounded.

    Args:
      values: `[N]`.
    """
    return [round(each, 4) for each in measure_mean(values)]


def measure_neighbours(options: Options) -> list[dict]:
    """Measures neighbours in features, in pixels, and in planes, of small images.

    Args:
      options: the command's.
    """
    rows = []
    for name, tap in (("cifar", "pool3"), ("mnist", "relu6")):
        net, params, images, labels = read_known(DATA, name)
        images, labels = images[: options.images] / np.float32(255), labels[: options.images]
        codes = jaxvis.collect_codes(net, params, images, tap, pool="flatten").values
        planes = {"PCA": jaxvis.pca(codes).points, "t-SNE": jaxvis.tsne(codes)}
        row: dict = {"images": f"{len(images)} of {name}", "tap": tap}
        row["features"] = summarise(share_of_kin(codes, labels))
        row["pixels"] = summarise(share_of_kin(images.reshape(len(images), -1), labels))
        for plane, points in planes.items():
            row[plane] = summarise(share_of_kin(np.asarray(points), labels, NEAR))
        rows.append(row)
    return rows


def measure_sparseness(net: Network, params: Params, photos: np.ndarray) -> dict:
    """Measures the share of zeros of each rectified layer, and its trend with depth.

    Args:
      net, params: SqueezeNet.
      photos: `[N, H, W, 3]`.
    """
    taps = ("relu_conv1", *(f"fire{n}/concat" for n in range(2, 10)))

    @jit
    def count(params, image):
        seen = net.apply(params, image, stop=taps[-1])
        return jnp.stack([jnp.mean(seen[tap] == 0) for tap in taps])

    shares = np.stack([np.asarray(count(params, jnp.asarray(photo))) for photo in photos])
    trend = [float(spearmanr(range(len(taps)), row)[0]) for row in shares]
    layers = {tap: summarise(shares[:, i]) for i, tap in enumerate(taps)}
    return {"zeros": layers, "rank correlation with depth": summarise(trend)}


def measure_random(net: Network, params: Params, photos: np.ndarray) -> dict:
    """Measures how like heatmaps are to those of a network with random parameters.

    Args:
      net, params: SqueezeNet.
      photos: `[N, H, W, 3]`.
    """
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
    return {name: summarise(values) for name, values in likeness.items()}


def measure_jpeg(net: Network, params: Params, photos: np.ndarray) -> dict:
    """Measures how many pictures still fool the network after JPEG, attacked both ways.

    Args:
      net, params: SqueezeNet.
      photos: `[N, H, W, 3]`.
    """
    guarded = jaxvis.with_filters(net, jaxvis.defences.Jpeg(quality=75))

    def name_classes(judge: Network, shown: np.ndarray) -> np.ndarray:
        look = jit(jax.vmap(lambda x: judge.apply(params, x, stop=net.scores)[net.scores]))
        return np.asarray(look(jnp.asarray(shown))).argmax(-1)

    before = name_classes(guarded, photos)
    attack = partial(jaxvis.attacks.pgd, epsilon=EPSILON, steps=10)
    made = {
        "blind": attack(net, params, photos, name_classes(net, photos)),
        "knows of it": attack(guarded, params, photos, before),
    }
    row: dict = {"n": len(photos), "epsilon": "2/255"}
    for name, run in made.items():
        shown = np.asarray(run.image).reshape(photos.shape)
        row[name] = {
            "fools the plain network": int(
                (name_classes(net, shown) != name_classes(net, photos)).sum()
            ),
            "fools it behind JPEG": int((name_classes(guarded, shown) != before).sum()),
        }
    return row


def measure_cams(net: Network, params: Params, photos: np.ndarray) -> dict:
    """Measures how far the rectified CAM and Grad-CAM of GoogLeNet are apart.

    Args:
      net, params: GoogLeNet.
      photos: `[N, H, W, 3]`.
    """
    layer = "inception_5b/output"
    apart = []
    for photo in photos[:10]:
        first = np.maximum(jaxvis.cam(net, params, photo, size="layer"), 0)
        second = jaxvis.grad_cam(net, params, photo, layer=layer, size="layer")
        first, second = first / first.max(), second / second.max()
        apart.append(float(np.abs(first - second).max()))
    return {"n": len(apart), "largest difference of maps that are 1 at most": max(apart)}


MEASURES = {
    "sparse": ("squeezenet1_1", measure_sparseness),
    "random": ("squeezenet1_1", measure_random),
    "jpeg": ("squeezenet1_1", measure_jpeg),
    "cams": ("googlenet", measure_cams),
}
"""Part -> the network that it is about, and what measures it."""


def main(options: Options) -> None:
    """Runs the command.

    Args:
      options: what the command line says.
    """
    photos = read_photographs(options.photographs, options.size)[0]
    for part in options.parts.split(","):
        if part == "neighbours":
            rows = measure_neighbours(options)
        else:
            name, measure = MEASURES[part]
            rows = [measure(*options.load(name), photos)]
        for row in rows:
            print(json.dumps({"part": part, **row}), flush=True)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
