"""AlexNet's errors in Table 5 of the natural pre-images paper, and layers like its own.

The errors |Phi - Phi0| / |Phi0| are in percent: mean and standard deviation over the
paper's 100 photographs, for every layer and every C. They stand in `alexnet_errors.csv`.
"""

import csv
from pathlib import Path

SOURCE = "Mahendran & Vedaldi 2016, Table 5, AlexNet"
LEVELS = (1.0, 20.0, 100.0, 300.0)
"""C of Table 5."""


def read_errors() -> dict[str, dict[float, tuple[float, float]]]:
    """Reads layer -> C -> mean and standard deviation."""
    path = Path(__file__).with_name("alexnet_errors.csv")
    with open(path, encoding="utf-8", newline="") as file:
        return {
            line["layer"]: {
                level: (float(line[f"mean {level:g}"]), float(line[f"std {level:g}"]))
                for level in LEVELS
            }
            for line in csv.DictReader(file)
        }


ERRORS = read_errors()
LIKE: dict[str, dict[str, str]] = {
    "squeezenet1_1": {
        "conv1": "conv1",
        "relu_conv1": "relu1",
        "pool1": "pool1",
        "fire2/concat": "relu2",
        "fire3/concat": "relu2",
        "pool3": "pool2",
        "fire4/concat": "relu3",
        "fire5/concat": "relu3",
        "pool5": "relu3",
        "fire6/concat": "relu4",
        "fire7/concat": "relu4",
        "fire8/concat": "relu5",
        "fire9/concat": "relu5",
        "conv10": "conv5",
        "pool10": "fc8",
    },
    "googlenet": {
        "conv1/7x7_s2": "conv1",
        "conv1/relu_7x7": "relu1",
        "pool1/3x3_s2": "pool1",
        "pool1/norm1": "norm1",
        "conv2/relu_3x3": "relu2",
        "conv2/norm2": "norm2",
        "pool2/3x3_s2": "pool2",
        "inception_3a/output": "relu3",
        "inception_3b/output": "relu3",
        "pool3/3x3_s2": "relu3",
        "inception_4a/output": "relu4",
        "inception_4b/output": "relu4",
        "inception_4c/output": "relu4",
        "inception_4d/output": "relu4",
        "inception_4e/output": "relu5",
        "pool4/3x3_s2": "pool5",
        "inception_5a/output": "relu5",
        "inception_5b/output": "relu5",
        "pool5/7x7_s1": "relu7",
        "loss3/classifier": "fc8",
    },
    "vgg19": {
        **{
            f"{op}{block}_{i}": f"{op}{block}"
            for block, last in ((1, 2), (2, 2), (3, 4), (4, 4), (5, 4))
            for i in range(1, last + 1)
            for op in ("conv", "relu")
        },
        "pool1": "pool1",
        "pool2": "pool2",
        "pool3": "relu3",
        "pool4": "relu4",
        "pool5": "pool5",
        "fc6": "fc6",
        "relu6": "relu6",
        "fc7": "fc7",
        "relu7": "relu7",
        "fc8": "fc8",
    },
}
"""Network -> its layer -> the layer of AlexNet that is compared with it."""
