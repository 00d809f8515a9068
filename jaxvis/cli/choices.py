"""The words that flags choose from, where a method has a closed set of them.

They are spelled out here, as a type checker reads no table; the tests compare them with
the tables of the methods.
"""

from typing import Literal

Algorithm = Literal["efros-leung", "wei-levoy"]
"""How jaxvis classical-texture grows a texture."""
AttackName = Literal[
    "pgd",
    "fgsm",
    "bim",
    "mi-fgsm",
    "apgd",
    "fab",
    "square",
    "autoattack",
    "carlini-wagner",
    "deepfool",
    "elastic-net",
    "ddn",
    "fmn",
    "jsma",
    "hop-skip-jump",
    "boundary",
    "spsa",
]
"""How a photograph is attacked."""
BallName = Literal["linf", "l2"]
"""What measures the perturbations of a robustness report."""
BaselineName = Literal["grey", "blur", "noise", "zero", "mean"]
"""What hides a part of a photograph."""
Bounds = Literal["source", "unit", "none"]
"""What range the colours of a texture keep to."""
CamMethod = Literal[
    "grad-cam",
    "cam",
    "grad-cam-plus-plus",
    "layer-cam",
    "hires-cam",
    "eigen-cam",
    "score-cam",
    "ablation-cam",
    "finer-cam",
    "guided-grad-cam",
    "le-grad",
    "attention-rollout",
]
"""How channels are weighed to a class activation map."""
Colour = Literal["style", "histogram", "luminance"]
"""Whose colours a styled picture has."""
ConceptWay = Literal["nmf", "pca"]
"""How concepts of a layer are found."""
ExplainMethod = Literal[
    "grad-cam",
    "saliency",
    "gradient-times-input",
    "smooth-grad",
    "var-grad",
    "integrated-gradients",
    "deep-lift",
    "guided-backpropagation",
    "deconvnet",
    "lrp",
    "cam",
    "grad-cam-plus-plus",
    "layer-cam",
    "hires-cam",
    "eigen-cam",
    "score-cam",
    "ablation-cam",
    "finer-cam",
    "guided-grad-cam",
    "le-grad",
    "attention-rollout",
    "occlusion",
    "rise",
    "hsic",
    "sobol",
    "lime",
]
"""Every kind of heatmap that needs a network and an image alone."""
Fit = Literal["crop", "stretch"]
"""How a training image gets its size."""
GradientMethod = Literal[
    "saliency",
    "gradient-times-input",
    "smooth-grad",
    "var-grad",
    "integrated-gradients",
    "deep-lift",
]
"""How gradients become a heatmap."""
InversePreset = Literal["short", "mahendran", "lbfgs"]
"""Settings of an inversion."""
LayerWeights = Literal["normalised", "equal", "relative", "balanced", "channels"]
"""How the layers of a texture are weighed."""
Metric = Literal["l2", "cosine"]
"""How far codes of images are apart."""
NormName = Literal["linf", "l2", "l1", "l0"]
"""What measures an adversarial perturbation."""
PixelOptimizer = Literal["lbfgs", "adam", "clipped"]
"""What moves the pixels of a picture."""
Plane = Literal["pca", "tsne", "umap"]
"""How codes are placed in a plane."""
Rates = Literal["dirichlet", "normal"]
"""How the energy of filters is reallocated."""
Scheme = Literal["he", "gaussian", "unit"]
"""How random kernels are drawn."""
StylePreset = Literal["relative", "gatys", "ranvgg", "ranvgg_strong", "pmci"]
"""Settings of a style transfer."""
TexturePreset = Literal["gatys", "ranvgg"]
"""Settings of a texture."""
TrainingName = Literal["pgd", "free", "trades", "ibp", "crown_ibp", "clean"]
"""What robust training learns from."""
Whose = Literal["code", "print"]
"""As the authors' code has it, or as the paper prints it."""
