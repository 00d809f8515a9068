"""Activation maximisation in torch: jaxvis's default recipe, and lucent's loop.

`maximize_batch` takes the steps of `jaxvis.maximize` (Fourier canvas, random windows, scales,
light and colour, Adam) for a batch of classes at once; `maximize_one_by_one` is the usual
torch program: one image at a time, a hook on the layer, pad, jitter, scale, rotate,
jitter.
Neither JAX nor jaxvis is imported here.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

RATE = 0.05


class Canvas(NamedTuple):
    """The Fourier canvas, which turns z into an image: `sigmoid(irfft2(gain * z) @ colour)`.

    Attributes:
      gain: `[H, W // 2 + 1]`, of every frequency.
      colour: `[3, 3]`, decorrelated axes to RGB.
      size: (H, W) in pixels.
    """

    gain: Tensor
    colour: Tensor
    size: tuple[int, int]

    def decode(self, z: Tensor) -> Tensor:
        """Returns the images `[N, 3, H, W]` of z `[N, 2, H, W // 2 + 1, 3]`."""
        spectrum = torch.complex(z[:, 0], z[:, 1]) * self.gain[..., None]
        axes = torch.fft.irfft2(spectrum, s=self.size, dim=(1, 2), norm="backward")
        return torch.sigmoid(axes @ self.colour).permute(0, 3, 1, 2)


def make_canvas(size: tuple[int, int], colour: np.ndarray, *, device: str) -> Canvas:
    """Makes the canvas of `jaxvis.loss.canvas.Fourier`.

    Args:
      size: (H, W) in pixels.
      colour: `[3, 3]`, decorrelated axes to RGB.
      device: torch's.
    """
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    fall = np.maximum(np.sqrt(fy * fy + fx * fx), 1 / max(size)) ** -1.0
    gain = fall * np.sqrt(size[0] * size[1]) / 4
    gain, colour = (torch.from_numpy(x.astype(np.float32)).to(device) for x in (gain, colour))
    return Canvas(gain, colour, size)


def zoom(images: Tensor, factor: Tensor, move: Tensor, seen: tuple[int, int]) -> Tensor:
    """Scales images about their centres, `[N, 3, *seen]`, grey outside.

    Args:
      images: `[N, 3, H, W]`.
      factor: `[N]`, of scaling.
      move: `[N, 2]`, displacement along y and x in pixels of the result.
      seen: (H', W') of the result.
    """
    count = len(images)
    # The affine grid is in halves of a side: a window shows seen / factor pixels.
    turn = torch.zeros(count, 2, 3, device=images.device)
    for axis in (0, 1):  # x, then y
        side = images.shape[3 - axis]
        turn[:, axis, axis] = seen[1 - axis] / (factor * side)
        turn[:, axis, 2] = -2 * move[:, 1 - axis] / (factor * side)
    grid = functional.affine_grid(turn, (count, 3, *seen), align_corners=False)
    return functional.grid_sample(images - 0.5, grid, align_corners=False) + 0.5


def make_robust_view(seen: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    """Makes the default recipe's view: random window and scale, light and colour.

    Args:
      seen: (H, W) in pixels of what the network is shown.
    """

    def view(images: Tensor) -> Tensor:
        count, kind = len(images), {"device": images.device}
        ratio = seen[0] / images.shape[2]
        low, high = np.log(0.82 * ratio), np.log(1.28 * ratio)
        factor = torch.exp(torch.empty(count, **kind).uniform_(low, high))
        move = torch.empty(count, 2, **kind).uniform_(-0.1, 0.1) * seen[0]
        shown = zoom(images, factor, move, seen) - 0.5
        gain = torch.exp(0.2 * torch.randn(count, 3, 1, 1, **kind))
        lit = shown * gain + 0.5 + 0.1 * torch.randn(count, 3, 1, 1, **kind)
        fade = torch.rand(count, 1, 1, 1, **kind)
        return (1 - fade) * lit + fade * lit.mean(1, keepdim=True)

    return view


def make_lucent_view(seen: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    """Makes lucid's and lucent's transforms, one draw for the whole batch.

    They pad 12 pixels in grey, jitter by 8, scale by 0.9 to 1.1, rotate by up to 10
    degrees, jitter by 4, then resize to what the network takes.

    Args:
      seen: (H, W) in pixels of what the network is shown.
    """

    def jitter(images: Tensor, pixels: int) -> Tensor:
        y, x = np.random.randint(0, pixels + 1, 2)
        height, width = images.shape[2] - pixels, images.shape[3] - pixels
        return images[:, :, y : y + height, x : x + width]

    def view(images: Tensor) -> Tensor:
        images = jitter(functional.pad(images, (12,) * 4, value=0.5), 8)
        scale = np.random.choice([1 + (i - 5) / 50 for i in range(11)])
        size = [int(np.ceil(scale * side)) for side in images.shape[2:]]
        images = functional.interpolate(images, size, mode="bilinear", align_corners=True)
        angle = np.deg2rad(np.random.choice([*range(-10, 11), *[0] * 5]))
        turn = torch.tensor(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]],
            dtype=images.dtype,
            device=images.device,
        )
        grid = functional.affine_grid(
            turn.expand(len(images), 2, 3), images.shape, align_corners=False
        )
        images = jitter(functional.grid_sample(images, grid, align_corners=False), 4)
        return functional.interpolate(images, seen, mode="bilinear", align_corners=True)

    return view


def compute_objective(values: Tensor, index: Tensor) -> Tensor:
    """Computes -s_c - log softmax(s)_c of every image, `[N]`: smaller is better.

    Args:
      values: the class scores s, `[N, d]`, or maps `[N, C, h, w]`, whose means count.
      index: the classes c, `[N]`.
    """
    scores = values.float()
    scores = scores.mean((2, 3)) if scores.ndim == 4 else scores
    own = scores.gather(1, index[:, None])[:, 0]
    return torch.logsumexp(scores, 1) - 2 * own


class Found(NamedTuple):
    """The outcome of a run: z, images `[N, H, W, 3]` and losses `[N, steps]`."""

    z: np.ndarray
    images: np.ndarray
    losses: np.ndarray


def maximize_batch(
    module: nn.Module,
    canvas: Canvas,
    start: np.ndarray,
    index: np.ndarray,
    *,
    steps: int,
    view: Callable[[Tensor], Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
    form: torch.memory_format = torch.channels_last,
) -> Found:
    """Optimises the images of one batch of classes.

    Args:
      module: images `[N, 3, h, w]` -> class scores.
      canvas: what is painted on.
      start: the first z, `[N, 2, H, W // 2 + 1, 3]`.
      index: classes `[N]`.
      steps: updates.
      view: what the network sees; None shows the images as they are.
      dtype: what the network computes in; canvas, loss and Adam stay float32.
      form: memory format of what the network is shown.
    """
    device = canvas.gain.device
    z = torch.from_numpy(np.array(start, np.float32)).to(device).requires_grad_()
    numbers = torch.tensor(np.asarray(index).tolist(), device=device)
    adam = torch.optim.Adam([z], lr=RATE, fused=True)
    losses = []
    for _ in range(steps):
        images = canvas.decode(z)
        seen = images if view is None else view(images)
        values = module(seen.to(dtype).contiguous(memory_format=form))
        each = compute_objective(values, numbers)
        (z.grad,) = torch.autograd.grad(each.sum(), z)
        adam.step()
        losses.append(each.detach())
    with torch.no_grad():
        images = canvas.decode(z).permute(0, 2, 3, 1)
    trace = torch.stack(losses, 1).cpu().numpy()
    return Found(z.detach().cpu().numpy(), images.cpu().numpy(), trace)


def maximize_one_by_one(
    module: nn.Module,
    layer: nn.Module,
    canvas: Canvas,
    start: np.ndarray,
    index: np.ndarray,
    *,
    steps: int,
    view: Callable[[Tensor], Tensor] | None = None,
) -> Found:
    """Optimises the images of classes one after another, as lucent's loop does.

    Args:
      module: images `[1, 3, h, w]` -> anything.
      layer: the module inside whose output a hook keeps.
      canvas: what is painted on.
      start: the first z, `[N, 2, H, W // 2 + 1, 3]`.
      index: classes `[N]`.
      steps: updates of each.
      view: what the network sees; None shows the image as it is.
    """
    kept: dict[str, Tensor] = {}
    hook = layer.register_forward_hook(lambda _, __, out: kept.update(out=out))
    device, parts = canvas.gain.device, []
    try:
        for first, number in zip(start, np.asarray(index).tolist()):
            z = torch.from_numpy(np.array(first[None], np.float32)).to(device)
            numbers = torch.tensor([number], device=device)
            adam, losses = torch.optim.Adam([z.requires_grad_()], lr=RATE), []
            for _ in range(steps):
                adam.zero_grad()
                image = canvas.decode(z)
                module(image if view is None else view(image))
                loss = compute_objective(kept["out"], numbers).sum()
                loss.backward()
                adam.step()
                losses.append(loss.detach())
            image = canvas.decode(z.detach()).permute(0, 2, 3, 1)
            parts.append((z.detach(), image, torch.stack(losses)[None]))
    finally:
        hook.remove()
    return Found(*(torch.cat(part).cpu().numpy() for part in zip(*parts)))
