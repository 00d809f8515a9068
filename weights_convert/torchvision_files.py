"""Published checkpoints, most of them torchvision's: which file, how good on ImageNet."""

import re
from dataclasses import dataclass
from functools import partial

from jaxvis.escape import escape

URL = "https://download.pytorch.org/models/"
KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
PREFIXES = ("torchvision:", "keras:")
"""How tags begin, which name published weights of a network: torchvision:DEFAULT."""


@dataclass(frozen=True)
class Source:
    """One published file.

    Args:
      net: the network it is for.
      file: its name; in torchvision's, the part behind the last dash begins its sha256.
      top1, top5: published accuracy on ImageNet's validation set in per cent, at
        `short_side` and a centre crop of `crop`; None where there is none.
      short_side: pixels that images are resized to before the crop.
      crop: pixels a side of the crop.
      tag: who published it, and what they call it.
      preprocess: what it expects of its input, if not torchvision's mean and standard
        deviation. Inception's own code turns these into [-1, 1] before its first layer.
      stop: the last tap that its values are good for; None if all are.
      folder: where it is.
      md5: of Keras' files, whose names have no sha256.
    """

    net: str
    file: str
    top1: float | None
    top5: float | None
    short_side: int = 256
    crop: int = 224
    tag: str = "torchvision:IMAGENET1K_V1"
    preprocess: str | None = None
    stop: str | None = None
    folder: str = URL
    md5: str = ""

    @property
    def sha256(self) -> str:
        """Returns the first eight digits of the file's sha256; "" if they are unknown."""
        if self.md5:
            return ""
        return self.file.removesuffix(".pth").rpartition("-")[2]


_V2 = partial(Source, short_side=232, tag="torchvision:IMAGENET1K_V2")
_TUNED = partial(Source, short_side=384, crop=384, tag="torchvision:IMAGENET1K_SWAG_E2E_V1")
_LINEAR = partial(Source, short_side=224, tag="torchvision:IMAGENET1K_SWAG_LINEAR_V1")


def _describe_keras_file(net: str, *, folder: str, preprocess: str, md5: str) -> Source:
    """Returns one file of Keras Applications', which publish no accuracy beside them."""
    file = f"{net}_weights_tf_dim_ordering_tf_kernels.h5"
    return Source(
        net,
        file,
        None,
        None,
        tag="keras:imagenet",
        preprocess=preprocess,
        folder=f"{KERAS}{folder or net}/",
        md5=md5,
    )


_KERAS_VGG = partial(_describe_keras_file, folder="", preprocess="caffe_vgg")
_KERAS_DENSE = partial(_describe_keras_file, folder="densenet", preprocess="imagenet")

SOURCES = {
    "alexnet": Source("alexnet", "alexnet-owt-7be5be79.pth", 56.522, 79.066),
    "vgg11": Source("vgg11", "vgg11-8a719046.pth", 69.020, 88.628),
    "vgg11_bn": Source("vgg11_bn", "vgg11_bn-6002323d.pth", 70.370, 89.810),
    "vgg13": Source("vgg13", "vgg13-19584684.pth", 69.928, 89.246),
    "vgg13_bn": Source("vgg13_bn", "vgg13_bn-abd245e5.pth", 71.586, 90.374),
    "vgg16": Source("vgg16", "vgg16-397923af.pth", 71.592, 90.382),
    "vgg16_features": Source(
        "vgg16",
        "vgg16_features-amdegroot-88682ab5.pth",
        None,
        None,
        tag="torchvision:IMAGENET1K_FEATURES",
        preprocess="amdegroot",
        stop="pool5",
    ),
    "vgg16_bn": Source("vgg16_bn", "vgg16_bn-6c64b313.pth", 73.360, 91.516),
    "vgg19": Source("vgg19", "vgg19-dcbb9e9d.pth", 72.376, 90.876),
    "vgg19_bn": Source("vgg19_bn", "vgg19_bn-c79401a0.pth", 74.218, 91.842),
    "squeezenet1_0": Source("squeezenet1_0", "squeezenet1_0-b66bff10.pth", 58.092, 80.420),
    "squeezenet1_1": Source("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", 58.178, 80.624),
    "inception_v3": Source(
        "inception_v3",
        "inception_v3_google-0cc3c7bd.pth",
        77.294,
        93.450,
        short_side=342,
        crop=299,
        preprocess="symmetric",
    ),
    "resnet18": Source("resnet18", "resnet18-f37072fd.pth", 69.758, 89.078),
    "resnet34": Source("resnet34", "resnet34-b627a593.pth", 73.314, 91.420),
    "resnet50": Source("resnet50", "resnet50-0676ba61.pth", 76.130, 92.862),
    "resnet50_v2": _V2("resnet50", "resnet50-11ad3fa6.pth", 80.858, 95.434),
    "resnet101": Source("resnet101", "resnet101-63fe2227.pth", 77.374, 93.546),
    "resnet101_v2": _V2("resnet101", "resnet101-cd907fc2.pth", 81.886, 95.780),
    "resnet152": Source("resnet152", "resnet152-394f9c45.pth", 78.312, 94.046),
    "resnet152_v2": _V2("resnet152", "resnet152-f82ba261.pth", 82.284, 96.002),
    "wide_resnet50_2": Source("wide_resnet50_2", "wide_resnet50_2-95faca4d.pth", 78.468, 94.086),
    "wide_resnet50_2_v2": _V2("wide_resnet50_2", "wide_resnet50_2-9ba9bcbe.pth", 81.602, 95.758),
    "wide_resnet101_2": Source("wide_resnet101_2", "wide_resnet101_2-32ee1156.pth", 78.848, 94.284),
    "wide_resnet101_2_v2": _V2("wide_resnet101_2", "wide_resnet101_2-d733dc28.pth", 82.510, 96.020),
    "resnext50_32x4d": Source("resnext50_32x4d", "resnext50_32x4d-7cdf4587.pth", 77.618, 93.698),
    "resnext50_32x4d_v2": _V2("resnext50_32x4d", "resnext50_32x4d-1a0047aa.pth", 81.198, 95.340),
    "resnext101_32x8d": Source("resnext101_32x8d", "resnext101_32x8d-8ba56ff5.pth", 79.312, 94.526),
    "resnext101_32x8d_v2": _V2("resnext101_32x8d", "resnext101_32x8d-110c445d.pth", 82.834, 96.228),
    "densenet121": Source("densenet121", "densenet121-a639ec97.pth", 74.434, 91.972),
    "densenet161": Source("densenet161", "densenet161-8d451a50.pth", 77.138, 93.560),
    "densenet169": Source("densenet169", "densenet169-b2777c0a.pth", 75.600, 92.806),
    "densenet201": Source("densenet201", "densenet201-c1103571.pth", 76.896, 93.370),
    "mobilenet_v2": Source("mobilenet_v2", "mobilenet_v2-b0353104.pth", 71.878, 90.286),
    "mobilenet_v2_v2": _V2("mobilenet_v2", "mobilenet_v2-7ebf99e0.pth", 72.154, 90.822),
    "mobilenet_v3_small": Source(
        "mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth", 67.668, 87.402
    ),
    "mobilenet_v3_large": Source(
        "mobilenet_v3_large", "mobilenet_v3_large-8738ca79.pth", 74.042, 91.340
    ),
    "mobilenet_v3_large_v2": _V2(
        "mobilenet_v3_large", "mobilenet_v3_large-5c1a4163.pth", 75.274, 92.566
    ),
    "efficientnet_b0": Source(
        "efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth", 77.692, 93.532
    ),
    "efficientnet_b1": Source(
        "efficientnet_b1", "efficientnet_b1_rwightman-bac287d4.pth", 78.642, 94.186, crop=240
    ),
    "efficientnet_b1_v2": Source(
        "efficientnet_b1",
        "efficientnet_b1-c27df63c.pth",
        79.838,
        94.934,
        short_side=255,
        crop=240,
        tag="torchvision:IMAGENET1K_V2",
    ),
    "efficientnet_b2": Source(
        "efficientnet_b2",
        "efficientnet_b2_rwightman-c35c1473.pth",
        80.608,
        95.310,
        short_side=288,
        crop=288,
    ),
    "efficientnet_b3": Source(
        "efficientnet_b3",
        "efficientnet_b3_rwightman-b3899882.pth",
        82.008,
        96.054,
        short_side=320,
        crop=300,
    ),
    "efficientnet_b4": Source(
        "efficientnet_b4",
        "efficientnet_b4_rwightman-23ab8bcd.pth",
        83.384,
        96.594,
        short_side=384,
        crop=380,
    ),
    "convnext_tiny": Source(
        "convnext_tiny", "convnext_tiny-983f1562.pth", 82.520, 96.146, short_side=236
    ),
    "convnext_small": Source(
        "convnext_small", "convnext_small-0c510722.pth", 83.616, 96.650, short_side=230
    ),
    "convnext_base": Source(
        "convnext_base", "convnext_base-6075fbad.pth", 84.062, 96.870, short_side=232
    ),
    "regnet_y_400mf": Source("regnet_y_400mf", "regnet_y_400mf-c65dace8.pth", 74.046, 91.716),
    "regnet_y_400mf_v2": _V2("regnet_y_400mf", "regnet_y_400mf-e6988f5f.pth", 75.804, 92.742),
    "regnet_y_16gf": Source("regnet_y_16gf", "regnet_y_16gf-9e6ed7dd.pth", 80.424, 95.240),
    "regnet_y_16gf_v2": _V2("regnet_y_16gf", "regnet_y_16gf-3e4a00f9.pth", 82.886, 96.328),
    "regnet_y_16gf_swag": _TUNED(
        "regnet_y_16gf", "regnet_y_16gf_swag-43afe44d.pth", 86.012, 98.054
    ),
    "regnet_y_16gf_swag_linear": _LINEAR(
        "regnet_y_16gf", "regnet_y_16gf_lc_swag-f3ec0043.pth", 83.976, 97.244
    ),
    "vit_b_16": Source("vit_b_16", "vit_b_16-c867db91.pth", 81.072, 95.318),
    "vit_b_16_swag": _TUNED("vit_b_16", "vit_b_16_swag-9ac1b537.pth", 85.304, 97.650),
    "vit_b_16_swag_linear": _LINEAR("vit_b_16", "vit_b_16_lc_swag-4e70ced5.pth", 81.886, 96.180),
    "vit_b_32": Source("vit_b_32", "vit_b_32-d86f8d99.pth", 75.912, 92.466),
    "vgg16_keras": _KERAS_VGG("vgg16", md5="64373286793e3c8b2b4e3219cbf3544b"),
    "vgg19_keras": _KERAS_VGG("vgg19", md5="cbe5617147190e668d6c5d5026f83318"),
    "densenet121_keras": _KERAS_DENSE("densenet121", md5="9d60b8095a5708f2dcce2bca79d332c7"),
    "densenet169_keras": _KERAS_DENSE("densenet169", md5="d699b8f76981ab1b30698df4c175e90b"),
    "densenet201_keras": _KERAS_DENSE("densenet201", md5="1ceb130c1ea1b78c3bf6114dbdfd8807"),
}
"""What `jaxvis weights get` can get -> the file."""

CAFFE_FILES = {
    "googlenet": "bvlc_googlenet.caffemodel",
    "caffe_alexnet": "bvlc_alexnet.caffemodel",
    "caffenet": "bvlc_reference_caffenet.caffemodel",
    "vgg_m": "VGG_CNN_M.caffemodel",
}
"""Network that torchvision has no file of -> the file that its authors published."""


def find_tag(net: str, tag: str) -> str:
    """Finds what `jaxvis weights get` calls the weights that a tag names.

    Args:
      net: the network's name.
      tag: such as "torchvision:IMAGENET1K_V2", "keras:imagenet" or "torchvision:DEFAULT",
        which is the newest that torchvision trained on ImageNet alone.

    Returns:
      str: a key of `SOURCES`.

    Raises:
      ValueError: for a network that has no such tag; the message lists those that it has.
    """
    tags = {source.tag: name for name, source in SOURCES.items() if source.net == net}
    publisher, _, word = tag.partition(":")
    wanted = f"{publisher}:{word.rpartition('.')[2]}"
    if wanted == "torchvision:DEFAULT":
        plain = [each for each in tags if re.fullmatch(r"torchvision:IMAGENET1K_V\d", each)]
        wanted = max(plain, default=wanted)
    if wanted not in tags:
        known = f"write one of {', '.join(tags)}" if tags else "name a file (--weights FILE)"
        raise ValueError(f"there are no weights {escape(tag)} of {net}: {known}")
    return tags[wanted]


def recognise_file(sha256: str) -> Source | None:
    """Recognises a file of torchvision's by its content, whatever it is called now.

    Args:
      sha256: of the file, in hexadecimal.

    Returns:
      What the table knows of it; None for a file of somebody else.
    """
    for source in SOURCES.values():
        if source.sha256 and sha256.startswith(source.sha256):
            return source
    return None
