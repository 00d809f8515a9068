"""The tables of two small networks: of digits (LeNet-5) and of CIFAR-10 (ConvNetJS's)."""

from jaxvis.nets.table.layers import Layer

LENET5_ROWS = (
    Layer("conv1", "conv", 6, 5),
    Layer("relu1", "relu"),
    Layer("pool2", "max", size=2, stride=2),
    Layer("conv3", "conv", 16, 5),
    Layer("relu3", "relu"),
    Layer("pool4", "max", size=2, stride=2),
    Layer("conv5", "conv", 120, 5),
    Layer("relu5", "relu"),
    Layer("fc6", "fc", 84),
    Layer("relu6", "relu"),
    Layer("fc7", "fc", 10),
)
CIFAR_ROWS = tuple(
    row
    for number, width in enumerate((16, 20, 20), 1)
    for row in (
        Layer(f"conv{number}", "conv", width, 5, pad=2),
        Layer(f"relu{number}", "relu"),
        Layer(f"pool{number}", "max", size=2, stride=2),
    )
) + (Layer("fc", "fc", 10),)
