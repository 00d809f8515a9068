"""The registered networks by family: which of them stands for which others in tests."""

FAMILIES = {
    "alexnet": (),
    "caffe_alexnet": ("caffenet",),
    "vgg_m": (),
    "vgg11": ("vgg13", "vgg16", "vgg19"),
    "vgg11_bn": ("vgg13_bn", "vgg16_bn", "vgg19_bn"),
    "squeezenet1_0": (),
    "squeezenet1_1": (),
    "googlenet": (),
    "resnet18": ("resnet34",),
    "resnet18_cifar": (),
    "resnet50": (
        "resnet101",
        "resnet152",
        "resnet50_cifar",
        "wide_resnet50_2",
        "wide_resnet101_2",
    ),
    "resnet50d": (),
    "resnext50_32x4d": ("resnext101_32x8d",),
    "densenet121": ("densenet161", "densenet169", "densenet201"),
    "inception_v3": (),
    "mobilenet_v2": (),
    "mobilenet_v3_small": ("mobilenet_v3_large",),
    "efficientnet_b0": (
        "efficientnet_b1",
        "efficientnet_b2",
        "efficientnet_b3",
        "efficientnet_b4",
    ),
    "regnet_y_400mf": ("regnet_y_16gf",),
    "convnext_tiny": ("convnext_small", "convnext_base"),
    "lenet5": (),
    "vit_ti_16": ("vit_s_16", "vit_b_16", "vit_b_32", "deit_ti_16", "deit_s_16", "deit_b_16"),
    "demo": (),
}
"""Network -> those that its builder makes of the same rows with other numbers alone.

A test that traces or computes a network takes the keys. What follows from the table alone,
such as shapes and counts of parameters, is tested for every network.
"""
