"""Heatmaps: ours, all classes in one call, against captum, which takes one class at a time.

Figures are seconds of a whole call, as a user makes it. The weights are random: the time
does not depend on them. Random draws of the two programs differ, so SmoothGrad is compared
without its noise, and RISE, which captum lacks, is a loop over batches of the masks that
ours draws.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxvis
from benchmarks.harness import subjects
from benchmarks.harness.photographs import load_photograph
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge
from benchmarks.peers import torch_peer
from jaxvis.attribution.masks.rise import SmoothCells

LOOP, ONE = 10.0, 1.2
"""Targets: of many classes in one call, and of one class."""
ALIKE = 1e-2
"""Length of the difference of two maps, relative to their own: where a rectifier's input is
almost 0 the two programs may take its slope from either side."""


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      net, tap: the network, and the layer of Grad-CAM.
      pixels: of a side.
      classes: of saliency and Grad-CAM, in one call.
      patch, stride: of occlusion.
      steps: of integrated gradients.
      samples: of SmoothGrad.
      masks: of RISE.
      pairs: runs.
    """

    net: str
    tap: str
    pixels: int
    classes: int
    patch: int
    stride: int
    steps: int
    samples: int
    masks: int
    pairs: int


FULL = Setting("squeezenet1_1", "fire9/concat", 224, 1000, 48, 16, 50, 25, 1000, 3)
QUICK = Setting("squeezenet1_1", "fire9/concat", 224, 100, 48, 32, 25, 16, 200, 2)
SMOKE = Setting("squeezenet1_1", "fire3/concat", 64, 3, 32, 16, 4, 2, 8, 1)

Pair = tuple[Callable[[], Any], Callable[[], Any]]
"""Our call and the peer's."""


class Scene:
    """A network in both libraries, a photograph, and what is asked of them.

    Args:
      setting: the size of the measurement.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting, side = setting, setting.pixels
        self.net, self.params = subjects.make_network(setting.net, side, stop="pool10")
        self.image = load_photograph("chelsea", side)
        self.module = torch_peer.make_module(self.net, self.params, "pool10", side, inplace=False)
        self.layer = self.module.layer(setting.tap)
        self.photo = torch_peer.to_torch(self.image[None])
        self.classes = list(range(setting.classes))

    def list_cases(self) -> dict[str, tuple[float, Pair, Pair]]:
        """Lists (target, what is timed, what is compared) by the words of a row."""
        from benchmarks.peers import captum_heatmaps as peer

        s, few = self.setting, self.classes[:3]
        ours = partial(self._call, index=7)
        theirs = {"module": self.module, "image": self.photo, "target": 7}
        many = {"module": self.module, "image": self.photo}
        masks = self._draw_masks()
        hide = {"patch": s.patch, "stride": s.stride}
        hidden = partial(ours, jaxvis.occlusion, **hide, baseline="zero")
        noise = partial(ours, jaxvis.smooth_grad, samples=s.samples)
        noisy = partial(peer.explain_noise, **theirs, samples=s.samples)
        cam = {"index": self.classes, "layer": s.tap, "size": "layer"}
        random = partial(ours, jaxvis.rise, samples=s.masks, cells=7, baseline="zero")
        return {
            f"saliency of {s.classes} classes": (
                LOOP,
                (
                    partial(self._call, jaxvis.saliency, index=self.classes),
                    partial(peer.explain_saliency, **many, classes=self.classes),
                ),
                (
                    partial(self._call, jaxvis.saliency, index=few),
                    partial(peer.explain_saliency, **many, classes=few),
                ),
            ),
            f"Grad-CAM of {s.classes} classes": (
                LOOP,
                (
                    partial(self._call, jaxvis.grad_cam, **cam),
                    partial(peer.explain_grad_cam, **many, layer=self.layer, classes=self.classes),
                ),
                (
                    partial(self._call, jaxvis.grad_cam, **cam | {"index": few}),
                    partial(peer.explain_grad_cam, **many, layer=self.layer, classes=few),
                ),
            ),
            f"occlusion, patch {s.patch}, stride {s.stride}": self._twice(
                hidden,
                partial(peer.explain_occlusion, **theirs, **hide),
            ),
            f"integrated gradients, {s.steps} steps": self._twice(
                partial(ours, jaxvis.integrated_gradients, steps=s.steps),
                partial(peer.explain_path, **theirs, steps=s.steps),
            ),
            f"SmoothGrad, {s.samples} samples": (
                ONE,
                (noise, partial(noisy, sigma=0.15)),
                (partial(noise, sigma=1e-9), partial(noisy, sigma=1e-9)),
            ),
            f"RISE, {s.masks} masks": self._twice(
                random, partial(peer.explain_masks, **theirs, masks=masks)
            ),
        }

    def _call(self, method: Callable[..., Any], **options: Any) -> np.ndarray:
        return np.asarray(method(self.net, self.params, self.image, **options))

    def _twice(self, ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple:
        return ONE, (ours, theirs), (ours, theirs)

    def _draw_masks(self) -> Any:
        """Draws the masks that `jaxvis.rise` draws from the key 0."""
        import torch

        draw = SmoothCells(self.net, 7, 0.5)
        fold = partial(jax.random.fold_in, jax.random.key(0))
        keys = jax.vmap(fold)(np.arange(self.setting.masks))
        size = (self.setting.pixels, self.setting.pixels)
        masks = np.array(jax.vmap(lambda key: draw.draw_mask(key, size))(keys))
        return torch.from_numpy(masks[:, None])


def measure_scene(setting: Setting) -> list[Row]:
    """Measures all rows of one size.

    Args:
      setting: the size of the measurement.
    """
    missing = torch_peer.why_absent()
    if missing is None and importlib.util.find_spec("captum") is None:
        missing = "captum is not installed"
    if missing is not None:
        return [compare(Case("heatmaps", setting.net, {}), lambda: None, missing, pairs=1)]
    scene, rows = Scene(setting), []
    for words, (target, timed, compared) in scene.list_cases().items():
        case = Case(
            "heatmaps",
            f"{setting.net}, {setting.pixels} px, {words}",
            {**setting._asdict(), "weights": "random"},
            target=None if setting is SMOKE else target,
        )
        ours, theirs = (np.asarray(one(), np.float64) for one in compared)
        length = float(np.linalg.norm(theirs)) or 1.0
        verdict = judge(heat=(float(np.linalg.norm(ours - theirs)) / length, ALIKE))
        peer = Peer("captum, one class at a time", timed[1], verdict, {})
        rows.append(compare(case, timed[0], peer, pairs=setting.pairs))
    return rows


def measure(quick: bool) -> list[Row]:
    """Measures heatmaps of a photograph of 224 pixels.

    Args:
      quick: a hundred classes, fewer masks and steps.
    """
    return measure_scene(QUICK if quick else FULL)


def measure_smoke() -> list[Row]:
    """Measures the smallest size: 64 pixels, three classes."""
    return measure_scene(SMOKE)
