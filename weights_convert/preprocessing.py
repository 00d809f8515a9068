"""What a checkpoint expects of its input, folded into the parameters at conversion.

Networks here take RGB in [0, 1]; y = x * scale + shift happens in their `input` row,
and the order of channels is that of the first kernel.
"""

from dataclasses import dataclass

import numpy as np

SYNTAX = "ORDER:MAXIMUM:MEAN:STD, such as bgr:255:104,117,123:1,1,1"
LARGEST = 1e6


@dataclass(frozen=True)
class Preprocess:
    """An input convention: y = (x * maximum - mean) / std, channel by channel.

    Args:
      order: "rgb" or "bgr": the channels of the first kernel, of mean and of std.
      maximum: what white is: 1 or 255.
      mean, std: three numbers each, in `order`, on the scale of `maximum`; or one each,
        for every channel.

    Raises:
      ValueError: for another order or numbers that no image has.
    """

    order: str
    maximum: float
    mean: tuple[float, ...]
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        sound = self.order in ("rgb", "bgr") and {len(self.mean), len(self.std)} <= {1, 3}
        sound = sound and all(abs(v) <= LARGEST for v in self.mean)
        if not sound or not all(1 / LARGEST <= v <= LARGEST for v in (*self.std, self.maximum)):
            raise ValueError(f"{self} is no convention that images follow: {SYNTAX}")

    def __str__(self) -> str:
        """Returns the convention as `parse` reads it."""
        mean, std = (",".join(f"{v:.9g}" for v in t) for t in (self.mean, self.std))
        return f"{self.order}:{self.maximum:g}:{mean}:{std}"

    def as_affine(self, *, channels: int = 3) -> dict[str, np.ndarray]:
        """Returns {"scale", "shift"}, `[channels]` float32 in R, G, B order.

        Where an image has not three channels, every one gets the mean of the three numbers.

        Args:
          channels: of the image.
        """
        mean, std = (np.broadcast_to(np.asarray(v), 3) for v in (self.mean, self.std))
        affine = {"scale": self.maximum / std, "shift": -mean / std}
        if channels != 3:
            return {k: np.full(channels, v.mean(), np.float32) for k, v in affine.items()}
        step = -1 if self.order == "bgr" else 1
        return {k: v[::step].astype(np.float32) for k, v in affine.items()}


PRESETS = {
    "imagenet": Preprocess("rgb", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Preprocess("bgr", 255, (104.0, 117.0, 123.0)),
    "caffe_vgg": Preprocess("bgr", 255, (103.939, 116.779, 123.68)),
    "amdegroot": Preprocess("rgb", 1, (0.48235, 0.45882, 0.40784), (1 / 255,) * 3),
    "unit": Preprocess("rgb", 1, (0.0, 0.0, 0.0)),
    "symmetric": Preprocess("rgb", 1, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": Preprocess(
        "rgb", 1, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    ),
}
"""Names that `--preprocess` takes: imagenet is torchvision's and timm's, caffe the
mean of the BVLC nets, caffe_vgg that of the VGG group's (also in Keras), amdegroot
that of torchvision's vgg16 features, unit [0, 1], symmetric [-1, 1] and clip CLIP's."""


def default_preprocess(naming: str, net: str) -> Preprocess:
    """Returns the convention that goes with a naming, for files that do not say it.

    Args:
      naming: "torch", "caffe", "keras" or "matconvnet".
      net: the network's name; the VGG group's nets have a mean of their own, and
        Inception-v3 takes [-1, 1].
    """
    if naming == "variables" or net == "transform_plain":
        return Preprocess("rgb", 255, (0.0, 0.0, 0.0))
    if naming == "torch":
        return PRESETS["symmetric" if net == "inception_v3" else "imagenet"]
    if naming == "keras" and net.startswith("densenet"):
        return PRESETS["imagenet"]
    preset = PRESETS["caffe_vgg" if net.startswith("vgg") else "caffe"]
    if naming == "matconvnet":
        return Preprocess("rgb", 255, preset.mean[::-1])
    return preset


def parse(text: str) -> Preprocess:
    """Returns the convention that a preset's name or "ORDER:MAXIMUM:MEAN:STD" means.

    Args:
      text: for instance "imagenet" or "bgr:255:104,117,123:1,1,1".

    Raises:
      ValueError: if it is neither; says what is understood.
    """
    if text in PRESETS:
        return PRESETS[text]
    try:
        order, maximum, mean, std = text.split(":")
        return Preprocess(order, float(maximum), _parse_colour(mean), _parse_colour(std))
    except ValueError:
        raise ValueError(
            f"preprocess {text!r} is neither one of {', '.join(PRESETS)} nor {SYNTAX}"
        ) from None


def _parse_colour(text: str) -> tuple[float, ...]:
    return tuple(float(value) for value in text.split(","))
