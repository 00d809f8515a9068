"""A process that holds torch alone: a gradient step, or a picture of a class."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from benchmarks.harness import child
from benchmarks.peers.torch_net import Arrays, Net


def arrays(path: str) -> Arrays:
    """Returns the parameters in a file, by row.

    Args:
      path: a .safetensors file with names `row/leaf`.
    """
    out: dict[str, dict[str, np.ndarray]] = {}
    for name, array in load_file(path).items():
        row, _, leaf = name.rpartition("/")
        out.setdefault(row, {})[leaf] = array
    return out


def network(spec: dict, params: Arrays, *, inplace: bool = True) -> Net:
    """Returns the module that a spec describes, in channels_last.

    Args:
      spec: "rows", "tap" and "shapes".
      params: its parameters.
      inplace: see `Net`.
    """
    net = Net(spec["rows"], params, spec["tap"], spec["shapes"], inplace=inplace)
    return net.eval().to(memory_format=torch.channels_last)


def score(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Returns the score of every image `[N]`: see `benchmarks.harness.subjects.gradient`.

    Args:
      values: the tap, `[N, d]` or `[N, C, h, w]`.
      index: `[N]`.
    """
    values = values.mean((2, 3)) if values.ndim == 4 else values
    return values.gather(1, index[:, None])[:, 0]


def _given(spec: dict) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.from_numpy(np.load(spec["images"])).permute(0, 3, 1, 2)
    images = images.contiguous(memory_format=torch.channels_last)
    return images, torch.arange(len(images))


def memory(spec: dict) -> dict:
    """Returns the memory that a batch's gradient takes: see `child.measured`.

    Args:
      spec: "weights", "images", "threads", "networks" (0, or how many) and what
        `network` and `child.measured` need.
    """
    torch.set_num_threads(spec["threads"])
    images, index = _given(spec)

    def step(net: Net) -> tuple:
        given = images.detach().requires_grad_()
        scores = score(net(given), index)
        (found,) = torch.autograd.grad(scores.sum(), given)
        return scores.detach().numpy(), found.permute(0, 2, 3, 1).numpy()

    if spec["networks"]:
        return child.measured(lambda: _many(spec), _step_of_many(images, index), spec)
    return child.measured(lambda: network(spec, arrays(spec["weights"])), step, spec)


def _many(spec: dict) -> tuple:
    params = arrays(spec["weights"])
    nets = [
        network(
            spec,
            {
                row: {name: leaf[i] for name, leaf in leaves.items()}
                for row, leaves in params.items()
            },
            inplace=False,
        )
        for i in range(spec["networks"])
    ]
    state, _ = torch.func.stack_module_state(nets)
    return nets[0], state


def _step_of_many(images: torch.Tensor, index: torch.Tensor):
    def step(given: tuple) -> tuple:
        net, state = given

        def value(image, own, at):
            values = torch.func.functional_call(net, own, (image[None],))
            return score(values, at[None])[0]

        every = torch.func.vmap(torch.func.grad_and_value(value))
        gradients, scores = every(images, state, index)
        return scores.detach().numpy(), gradients.permute(0, 2, 3, 1).numpy()

    return step


def picture(spec: dict) -> dict:
    """Writes a picture of a class: what `jaxvis maximize` does, in torch.

    Args:
      spec: "weights", "colour", "side", "seen", "steps", "index", "threads", "picture"
        (the file) and what `network` needs.
    """
    from PIL import Image

    from benchmarks.peers import torch_maximize

    torch.set_num_threads(spec["threads"])
    torch.manual_seed(0)
    net = network(spec, arrays(spec["weights"]))
    size = (spec["side"],) * 2
    canvas = torch_maximize.fourier(size, np.array(spec["colour"]), device="cpu")
    start = 0.01 * torch.randn(1, 2, size[0], size[1] // 2 + 1, 3).numpy()
    found = torch_maximize.batched(
        net,
        canvas,
        start,
        np.array([spec["index"]]),
        steps=spec["steps"],
        view=torch_maximize.robust_view((spec["seen"],) * 2),
    )
    pixels = np.round(255 * found.images[0]).astype(np.uint8)
    part = Path(spec["picture"]).with_suffix(".part")
    Image.fromarray(pixels).save(part, format="PNG")
    part.rename(spec["picture"])
    return {"loss": json.loads(json.dumps(found.losses[0].tolist()))}


if __name__ == "__main__":
    child.main({"memory": memory, "picture": picture})
