"""torchvision's checkpoints: which file, which sha256, how good on ImageNet."""

from dataclasses import dataclass

URL = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Source:
    """One file of torchvision's.

    Args:
      net: the network it is for.
      file: its name; the part behind the last dash begins its sha256.
      top1, top5: published accuracy on ImageNet's validation set in per cent, at
        `short_side` and a centre crop of 224; None without a classifier.
      short_side: pixels that images are resized to before the crop.
      preprocess: what it expects of its input, if not torchvision's mean and standard
        deviation.
      stop: the last tap that its values are good for; None if all are.
    """

    net: str
    file: str
    top1: float | None
    top5: float | None
    short_side: int = 256
    preprocess: str | None = None
    stop: str | None = None

    @property
    def sha256(self) -> str:
        """Returns the first eight digits of the file's sha256."""
        return self.file.removesuffix(".pth").rpartition("-")[2]


SOURCES = {
    "alexnet": Source("alexnet", "alexnet-owt-7be5be79.pth", 56.522, 79.066),
    "vgg11": Source("vgg11", "vgg11-8a719046.pth", 69.020, 88.628),
    "vgg11_bn": Source("vgg11_bn", "vgg11_bn-6002323d.pth", 70.370, 89.810),
    "vgg13": Source("vgg13", "vgg13-19584684.pth", 69.928, 89.246),
    "vgg13_bn": Source("vgg13_bn", "vgg13_bn-abd245e5.pth", 71.586, 90.374),
    "vgg16": Source("vgg16", "vgg16-397923af.pth", 71.592, 90.382),
    "vgg16_bn": Source("vgg16_bn", "vgg16_bn-6c64b313.pth", 73.360, 91.516),
    "vgg16_features": Source(
        "vgg16",
        "vgg16_features-amdegroot-88682ab5.pth",
        None,
        None,
        preprocess="amdegroot",
        stop="pool5",
    ),
    "vgg19": Source("vgg19", "vgg19-dcbb9e9d.pth", 72.376, 90.876),
    "vgg19_bn": Source("vgg19_bn", "vgg19_bn-c79401a0.pth", 74.218, 91.842),
    "squeezenet1_0": Source("squeezenet1_0", "squeezenet1_0-b66bff10.pth", 58.092, 80.420),
    "squeezenet1_1": Source("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", 58.178, 80.624),
    "resnet18": Source("resnet18", "resnet18-f37072fd.pth", 69.758, 89.078),
    "resnet34": Source("resnet34", "resnet34-b627a593.pth", 73.314, 91.420),
    "resnet50": Source("resnet50", "resnet50-0676ba61.pth", 76.130, 92.862),
    "resnet50_v2": Source("resnet50", "resnet50-11ad3fa6.pth", 80.858, 95.434, short_side=232),
    "resnet101": Source("resnet101", "resnet101-63fe2227.pth", 77.374, 93.546),
    "densenet121": Source("densenet121", "densenet121-a639ec97.pth", 74.434, 91.972),
}
"""What `jaxvis weights get` can get -> the file."""

CAFFE_FILES = {
    "googlenet": "bvlc_googlenet.caffemodel",
    "caffe_alexnet": "bvlc_alexnet.caffemodel",
    "caffenet": "bvlc_reference_caffenet.caffemodel",
    "vgg_m": "VGG_CNN_M.caffemodel",
}
"""Network that torchvision has no file of -> the file that its authors published."""
