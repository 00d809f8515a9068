"""jaxvis shows what convolutional networks have learned, a thousand neurons at a time.

An image is `[H, W, 3]` float32 RGB in [0, 1] everywhere; networks take it as it is. A
network of grey images has `net.channels == 1`: what methods make for it is `[H, W, 1]`, and
photographs become their luminance.
Everything that a user needs is one dot away and listed in `jaxvis.__all__`:

- networks: `load`, `from_nnx`, `from_linen`, `from_equinox`, `from_keras`,
  `from_torch`, `from_onnx`, `from_function`, `from_layers`, `check`,
- images: `read_image`, `write_image`,
- methods: `maximize`, `diversify`, `interpolate`, `vital`, `accentuate`, `dream`, `facets`,
  `invert`, `caricature`, `texture`, `style`,
  `feature_maps`, `generate`, `latent`, `stylize`, `fast_style`,
- heatmaps: `saliency`, `gradient_times_input`, `smooth_grad`, `var_grad`,
  `integrated_gradients`, `expected_gradients`, `measure_completeness`, `conductance`,
  `deep_lift`, `guided_backpropagation`, `deconvnet`,
  `cam`, `grad_cam`, `grad_cam_plus_plus`, `layer_cam`, `hires_cam`,
  `eigen_cam`, `score_cam`, `ablation_cam`, `finer_cam`, `guided_grad_cam`, `le_grad`,
  `attention_rollout`, `lrp`, `crp`, `occlusion`, `rise`, `hsic`, `sobol`, `lime`,
- weights and activations: `filters`, `activations`, `patches`, `collect_codes`, `neighbours`,
  `index_folder`, `read_index`, `pca`, `tsne`, `umap`, `kmeans`, `outlier_scores`,
  `draw_embedding`, `find_concepts`, `read_bank`, `concept_importance`,
  `activation_cells`, `activation_grid`, `atlas`,
- objects from heatmaps: `threshold_segment`, `grab_cut`,
- judges of heatmaps: `deletion`, `insertion`, `average_drop`, `average_increase`,
  `pointing_game`, `infidelity`, `max_sensitivity`, `sparseness`, `effort_ratio`,
  `model_randomisation`, `logit_randomisation`,
- adversarial images: `attacks` (`attacks.pgd`, `attacks.autoattack`...),
- sweeps: `sweep` (`sweep.plan_sweep`, `sweep.make_sweep`, `sweep.open_store`),
- defences: `defences`, `with_filters`, `ensemble`, `adversarial_train`, `score_bounds`,
  `certified_accuracy`, `margin_bounds`, `lipschitz_bounds`, `smooth`,
- what methods are made of: `objectives`, `canvases` (`Canvas` for one of your own),
  `views`, `priors`, `optimizers`, `recipes`, `Status`, `Interrupted`,
- figures: `plot`; pictures to browse in a notebook: `browse`,
- devices and compilation: `use_cores`, `jit`, `compiles_wrongly`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from jaxvis.exports import MODULES, PLACES

if TYPE_CHECKING:
    from jaxvis import attacks, defences, recipes, sweep
    from jaxvis.analysis.accentuate import accentuate
    from jaxvis.analysis.activations import activations
    from jaxvis.analysis.atlas import activation_cells, activation_grid, atlas
    from jaxvis.analysis.clusters import kmeans, outlier_scores
    from jaxvis.analysis.codes import collect_codes
    from jaxvis.analysis.concepts import find_concepts, read_bank
    from jaxvis.analysis.embed import pca, tsne, umap
    from jaxvis.analysis.filters import filters
    from jaxvis.analysis.importance import concept_importance
    from jaxvis.analysis.index import index_folder, read_index
    from jaxvis.analysis.neighbours import neighbours
    from jaxvis.analysis.patches import patches
    from jaxvis.analysis.segment import grab_cut, threshold_segment
    from jaxvis.attribution.cam.contrast import finer_cam
    from jaxvis.attribution.cam.gradient_based import (
        grad_cam,
        grad_cam_plus_plus,
        hires_cam,
        layer_cam,
    )
    from jaxvis.attribution.cam.gradient_free import ablation_cam, eigen_cam, score_cam
    from jaxvis.attribution.cam.guided import guided_grad_cam
    from jaxvis.attribution.cam.heads import cam
    from jaxvis.attribution.cam.tokens import attention_rollout, le_grad
    from jaxvis.attribution.completeness import measure_completeness
    from jaxvis.attribution.conductance import conductance
    from jaxvis.attribution.deeplift.deep_lift import deep_lift
    from jaxvis.attribution.gradients import gradient_times_input, saliency
    from jaxvis.attribution.guided import deconvnet, guided_backpropagation
    from jaxvis.attribution.masks.hsic import hsic
    from jaxvis.attribution.masks.lime import lime
    from jaxvis.attribution.masks.occlusion import occlusion
    from jaxvis.attribution.masks.rise import rise
    from jaxvis.attribution.masks.sobol import sobol
    from jaxvis.attribution.noise import smooth_grad, var_grad
    from jaxvis.attribution.paths import expected_gradients, integrated_gradients
    from jaxvis.attribution.relevance.lrp import crp, lrp
    from jaxvis.compiler import compiles_wrongly, jit
    from jaxvis.defences.certify.certify import certified_accuracy, margin_bounds, score_bounds
    from jaxvis.defences.certify.lipschitz import lipschitz_bounds
    from jaxvis.defences.certify.smoothing import smooth
    from jaxvis.defences.ensemble import ensemble
    from jaxvis.defences.filters.filtered import with_filters
    from jaxvis.defences.training.train import adversarial_train
    from jaxvis.devices import use_cores
    from jaxvis.evaluate.heatmaps.confidence import average_drop, average_increase
    from jaxvis.evaluate.heatmaps.curves import deletion, insertion
    from jaxvis.evaluate.heatmaps.effort import effort_ratio
    from jaxvis.evaluate.heatmaps.fidelity import infidelity
    from jaxvis.evaluate.heatmaps.pointing import pointing_game
    from jaxvis.evaluate.heatmaps.randomisation import logit_randomisation, model_randomisation
    from jaxvis.evaluate.heatmaps.sensitivity import max_sensitivity
    from jaxvis.evaluate.heatmaps.sparseness import sparseness
    from jaxvis.evaluate.robustness.curves import measure_robustness
    from jaxvis.loss import canvas as canvases
    from jaxvis.loss import objectives, priors, views
    from jaxvis.methods.check.check import check
    from jaxvis.methods.coupled.generate import generate
    from jaxvis.methods.coupled.latent import latent
    from jaxvis.methods.dream import dream
    from jaxvis.methods.facets.visualize import facets
    from jaxvis.methods.fast_style.stylize import stylize
    from jaxvis.methods.fast_style.train import fast_style
    from jaxvis.methods.maximize import maximize
    from jaxvis.methods.preimage.caricature import caricature
    from jaxvis.methods.preimage.invert import invert
    from jaxvis.methods.style.feature_maps import feature_maps
    from jaxvis.methods.style.style import style
    from jaxvis.methods.style.texture import texture
    from jaxvis.methods.together import diversify, interpolate
    from jaxvis.methods.vital import vital
    from jaxvis.nets.adapters import from_function, from_linen, from_nnx
    from jaxvis.nets.frameworks.equinox import from_equinox
    from jaxvis.nets.frameworks.keras import from_keras
    from jaxvis.nets.frameworks.onnx_file import from_onnx
    from jaxvis.nets.frameworks.torch_export import from_torch
    from jaxvis.nets.layer_list import from_layers
    from jaxvis.network import Network
    from jaxvis.optimize import rules as optimizers
    from jaxvis.output import plot
    from jaxvis.output.embedding import draw_embedding
    from jaxvis.output.io import read_image, write_image
    from jaxvis.site.browser import browse
    from jaxvis.types import Canvas, Interrupted, Run, Status
    from jaxvis.weights.load import load

__all__ = [
    "Canvas",
    "Interrupted",
    "Network",
    "Run",
    "Status",
    "ablation_cam",
    "accentuate",
    "activation_cells",
    "activation_grid",
    "activations",
    "adversarial_train",
    "atlas",
    "attacks",
    "attention_rollout",
    "average_drop",
    "average_increase",
    "browse",
    "cam",
    "canvases",
    "caricature",
    "certified_accuracy",
    "check",
    "collect_codes",
    "compiles_wrongly",
    "concept_importance",
    "conductance",
    "crp",
    "deconvnet",
    "deep_lift",
    "defences",
    "deletion",
    "diversify",
    "draw_embedding",
    "dream",
    "effort_ratio",
    "eigen_cam",
    "ensemble",
    "expected_gradients",
    "facets",
    "fast_style",
    "feature_maps",
    "filters",
    "find_concepts",
    "finer_cam",
    "from_equinox",
    "from_function",
    "from_keras",
    "from_layers",
    "from_linen",
    "from_nnx",
    "from_onnx",
    "from_torch",
    "generate",
    "grab_cut",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_times_input",
    "guided_backpropagation",
    "guided_grad_cam",
    "hires_cam",
    "hsic",
    "index_folder",
    "infidelity",
    "insertion",
    "integrated_gradients",
    "interpolate",
    "invert",
    "jit",
    "kmeans",
    "latent",
    "layer_cam",
    "le_grad",
    "lime",
    "lipschitz_bounds",
    "load",
    "logit_randomisation",
    "lrp",
    "margin_bounds",
    "max_sensitivity",
    "maximize",
    "measure_completeness",
    "measure_robustness",
    "model_randomisation",
    "neighbours",
    "objectives",
    "occlusion",
    "optimizers",
    "outlier_scores",
    "patches",
    "pca",
    "plot",
    "pointing_game",
    "priors",
    "read_bank",
    "read_image",
    "read_index",
    "recipes",
    "rise",
    "saliency",
    "score_bounds",
    "score_cam",
    "smooth",
    "smooth_grad",
    "sobol",
    "sparseness",
    "style",
    "stylize",
    "sweep",
    "texture",
    "threshold_segment",
    "tsne",
    "umap",
    "use_cores",
    "var_grad",
    "views",
    "vital",
    "with_filters",
    "write_image",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import jaxvis` is quick.

    Args:
      name: of an attribute that the package does not have yet.

    Raises:
      AttributeError: for a name that is not public.
    """
    if name in MODULES:
        return importlib.import_module(MODULES[name])
    if name in PLACES:
        found = getattr(importlib.import_module(PLACES[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'jaxvis' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Lists the public names, for completion in a notebook."""
    return [*__all__, "__version__"]
