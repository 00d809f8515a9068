"""Heatmaps as captum makes them, one class at a time; RISE, which it lacks, as a batched loop.

Neither JAX nor jaxvis is imported here.
"""

from collections.abc import Sequence

import numpy as np
import torch
from captum import attr
from torch import Tensor, nn

BATCH = 16
"""Images that captum, or the loop, gives the network together."""


def explain_saliency(module: nn.Module, image: Tensor, classes: Sequence[int]) -> np.ndarray:
    """Computes max_c |dS/dx| of each class, `[K, H, W]`.

    Args:
      module: images `[N, C, H, W]` -> scores `[N, classes]`.
      image: `[1, C, H, W]`.
      classes: K of them.
    """
    method = attr.Saliency(module)
    maps = [method.attribute(image, target=one, abs=True)[0].amax(0) for one in classes]
    return torch.stack(maps).detach().numpy()


def explain_grad_cam(
    module: nn.Module, layer: nn.Module, image: Tensor, classes: Sequence[int]
) -> np.ndarray:
    """Computes Grad-CAM of each class at a layer, `[K, h, w]`, rectified.

    Args:
      module, image, classes: see `explain_saliency`.
      layer: one of the module's.
    """
    method = attr.LayerGradCam(module, layer)
    maps = [method.attribute(image, target=one)[0, 0].relu() for one in classes]
    return torch.stack(maps).detach().numpy()


def explain_occlusion(
    module: nn.Module, image: Tensor, target: int, *, patch: int, stride: int
) -> np.ndarray:
    """Computes how far a score falls where a patch is black, `[H, W]`.

    Args:
      module, image: see `explain_saliency`.
      target: the class.
      patch, stride: in pixels.
    """
    found = attr.Occlusion(module).attribute(
        image,
        sliding_window_shapes=(image.shape[1], patch, patch),
        strides=(image.shape[1], stride, stride),
        target=target,
        perturbations_per_eval=BATCH,
    )
    return found[0, 0].detach().numpy()


def explain_path(module: nn.Module, image: Tensor, target: int, *, steps: int) -> np.ndarray:
    """Computes integrated gradients from black, summed over channels, `[H, W]`.

    Args:
      module, image: see `explain_saliency`.
      target: the class.
      steps: points of the path.
    """
    method = attr.IntegratedGradients(module)
    found = method.attribute(image, target=target, n_steps=steps, internal_batch_size=BATCH)
    return found[0].sum(0).detach().numpy()


def explain_noise(
    module: nn.Module, image: Tensor, target: int, *, samples: int, sigma: float
) -> np.ndarray:
    """Computes SmoothGrad, the greatest channel of the mean |gradient| in noise, `[H, W]`.

    Args:
      module, image: see `explain_saliency`.
      target: the class.
      samples: noisy images.
      sigma: of the noise.
    """
    method = attr.NoiseTunnel(attr.Saliency(module))
    found = method.attribute(
        image,
        nt_type="smoothgrad",
        nt_samples=samples,
        nt_samples_batch_size=BATCH,
        stdevs=sigma,
        target=target,
        abs=False,
    )
    return found[0].abs().amax(0).detach().numpy()


def explain_masks(module: nn.Module, image: Tensor, target: int, masks: Tensor) -> np.ndarray:
    """Computes RISE from masks, `[H, W]`: the mean score of the masks that show a pixel.

    Args:
      module, image: see `explain_saliency`.
      target: the class.
      masks: `[samples, 1, H, W]` in [0, 1].
    """
    total, shown = torch.zeros(masks.shape[2:]), torch.zeros(masks.shape[2:])
    with torch.no_grad():
        for part in masks.split(BATCH):
            scores = module(image * part)[:, target]
            total += torch.einsum("n,nhw->hw", scores, part[:, 0])
            shown += part[:, 0].sum(0)
    return (total / shown).numpy()
