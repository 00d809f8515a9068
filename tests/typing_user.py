"""A user's script. It is not run: the type checker reads it in rules/test_rules_types.py."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxvis
from jaxvis import Interrupted, Run, Status
from jaxvis.loss.objectives import Excite
from jaxvis.recipes import DreamRecipe, Natural, StyleRecipe
from jaxvis.types import Array, Canvas, Image, Key


@dataclasses.dataclass(frozen=True)
class Stripes(Canvas):
    """A canvas of one's own: every row has a single colour."""

    size: tuple[int, int]

    def init(self, key: Key) -> Array:
        return jax.random.uniform(key, (self.size[0], 1, 3))

    def decode(self, shared: Any, z: Any, key: Key) -> Image:
        return jnp.broadcast_to(jax.nn.sigmoid(z), (*self.size, 3))


@dataclasses.dataclass(frozen=True)
class Bright:
    """A prior of one's own."""

    level: float = 0.5

    def __call__(self, image: Image) -> Array:
        return jnp.mean((image - self.level) ** 2)


def smooth(image: Image) -> Array:
    return jnp.mean(jnp.abs(jnp.diff(image, axis=0)))


def explain(run: Run) -> list[str]:
    images: np.ndarray = np.asarray(run.image)
    dead = int(np.sum(run.status == Status.DEAD))
    words = [Status(int(value)).name for value in run.status.ravel()]
    return [f"{images.shape}, {dead} dead", *words, *sorted(run.trace), str(run.facts["steps"])]


def main() -> list[str]:
    net, params = jaxvis.load("vgg19", weights="vgg19.safetensors")
    photo = np.full((224, 224, 3), 0.5, np.float32)
    runs: list[Run] = []
    try:
        runs.append(jaxvis.maximize(net, params, index=range(10), seeds=2, recipe="maco"))
        runs.append(jaxvis.maximize(net, params, tap="conv3_1", index=[1, 2]))
        both = Excite("conv3_1", 3) + 0.5 * Excite("conv3_1", 4, position=(2, 2))
        unlike = -both - 2.0 * Excite("conv3_1", jnp.int32(5))
        runs.append(jaxvis.maximize(net, params, objective=[both, unlike], start=photo))
        runs.append(jaxvis.maximize(net, params, objective=lambda taps: -taps["conv3_1"].mean()))
        robust = jaxvis.recipes.robust((224, 224), seen=(192, 192))
        short = dataclasses.replace(robust, steps=16, canvas=Stripes((224, 224)))
        priors = {"bright": (0.1, Bright(0.4)), "smooth": (1, smooth)}
        runs.append(jaxvis.maximize(net, params, recipe=short, priors=priors, key=3))
        runs.append(jaxvis.maximize(net, params, canvas=Stripes((224, 224)), view=None))
        runs.append(jaxvis.invert(net, params, photo, tap="conv2_1", fidelity=[1.0, 20.0]))
        runs.append(jaxvis.invert(net, params, photo, tap="conv2_1", recipe=Natural(beta=1.5)))
        runs.append(jaxvis.caricature(net, params, [photo, photo], tap="conv2_1"))
        runs.append(jaxvis.style(net, params, photo, photo, steps=4, size=(32, 48)))
        runs.append(jaxvis.style(net, params, photo, [photo, jnp.asarray(photo)], mix=[1, 2]))
        strong = dataclasses.replace(jaxvis.recipes.STYLES["gatys"], beta=5e3, scales=2)
        own = StyleRecipe(("conv2_1",), ("conv1_1", "conv2_1"))
        runs += [jaxvis.style(net, params, photo, photo, recipe=how) for how in (strong, own)]
        runs.append(jaxvis.texture(net, params, photo, key=jax.random.key(1)))
        runs.append(jaxvis.dream(net, params, photo, tap="conv3_1", recipe=DreamRecipe(octaves=2)))
        runs.append(jaxvis.dream(net, params, photo, objective=both))
    except Interrupted as stop:
        print(f"{stop.finished} pictures had ended")
        if stop.run is not None:
            runs.append(stop.run)
    return [line for run in runs for line in explain(run)]


if __name__ == "__main__":
    print("\n".join(main()))
