"""A process that holds torch alone: a gradient step, or a picture of a class."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from benchmarks.harness import child
from benchmarks.peers import torch_steps
from benchmarks.peers.torch_net import Arrays, Net


def read_arrays(path: str) -> Arrays:
    """Reads the parameters in a file, by row.

    Args:
      path: a .safetensors file with names `row/leaf`.
    """
    out: dict[str, dict[str, np.ndarray]] = {}
    for name, array in load_file(path).items():
        row, _, leaf = name.rpartition("/")
        out.setdefault(row, {})[leaf] = array
    return out


def make_module(spec: dict, params: Arrays, *, inplace: bool = True) -> Net:
    """Makes the module that a spec describes, in channels_last.

    Args:
      spec: "rows", "tap" and "shapes".
      params: its parameters.
      inplace: see `Net`.
    """
    net = Net(spec["rows"], params, spec["tap"], spec["shapes"], inplace=inplace)
    return net.eval().to(memory_format=torch.channels_last)


def measure_memory(spec: dict) -> dict:
    """Measures the memory that a batch's gradient takes: see `child.measure_memory`.

    Args:
      spec: "weights", "images", "threads", "networks" (0, or how many) and what
        `make_module` and `child.measure_memory` need.
    """
    torch.set_num_threads(spec["threads"])
    images = torch.from_numpy(np.load(spec["images"])).permute(0, 3, 1, 2)
    images = images.contiguous(memory_format=torch.channels_last)
    index = torch.arange(len(images))

    def load() -> tuple:
        if spec["networks"]:
            return _stack_networks(spec)
        return (make_module(spec, read_arrays(spec["weights"])),)

    take = torch_steps.take_stacked_step if spec["networks"] else torch_steps.take_step

    def step(given: tuple) -> tuple:
        return torch_steps.to_arrays(take(*given, images, index))

    return child.measure_memory(load, step, spec)


def _stack_networks(spec: dict) -> tuple[torch.nn.Module, torch_steps.State]:
    params = read_arrays(spec["weights"])
    make = partial(make_module, spec, inplace=False)
    nets = [
        make(
            {
                row: {name: leaf[i] for name, leaf in leaves.items()}
                for row, leaves in params.items()
            }
        )
        for i in range(spec["networks"])
    ]
    return torch_steps.stack_modules(nets)


def draw_picture(spec: dict) -> dict:
    """Draws a picture of a class into a file: what `jaxvis maximize` does, in torch.

    Args:
      spec: "weights", "colour", "side", "seen", "steps", "index", "threads", "picture"
        (the file) and what `make_module` needs.
    """
    from PIL import Image

    from benchmarks.peers import torch_maximize

    torch.set_num_threads(spec["threads"])
    torch.manual_seed(0)
    module = make_module(spec, read_arrays(spec["weights"]))
    size = (spec["side"],) * 2
    canvas = torch_maximize.make_canvas(size, np.array(spec["colour"]), device="cpu")
    start = 0.01 * torch.randn(1, 2, size[0], size[1] // 2 + 1, 3).numpy()
    found = torch_maximize.maximize_batch(
        module,
        canvas,
        start,
        np.array([spec["index"]]),
        steps=spec["steps"],
        view=torch_maximize.make_robust_view((spec["seen"],) * 2),
    )
    pixels = np.round(255 * found.images[0]).astype(np.uint8)
    part = Path(spec["picture"]).with_suffix(".part")
    Image.fromarray(pixels).save(part, format="PNG")
    part.rename(spec["picture"])
    return {"loss": json.loads(json.dumps(found.losses[0].tolist()))}


if __name__ == "__main__":
    child.run_task({"memory": measure_memory, "picture": draw_picture})
