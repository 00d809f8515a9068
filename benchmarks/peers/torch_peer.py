"""The peer at its best: torch's gradient step in every configuration, the fastest kept.

torch is imported inside, so that what needs no torch runs without it.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import installed, threads
from jaxvis.network import Network
from jaxvis.types import Params

if TYPE_CHECKING:
    import torch

COMPILE_SECONDS = 150
"""A configuration that takes longer to compile is not used."""
TRIALS = 3  # timed runs of a configuration, the fastest counts


class Best(NamedTuple):
    """The fastest configuration of one step.

    Attributes:
      name: "torch 2.13.0 channels_last".
      run: takes the step and waits for it: (scores `[N]`, gradients `[N, 3, H, W]`).
      tried: configuration -> milliseconds, or why it was not used.
      module: images -> tap, in that configuration.
      channels_last: whether it wants its images so.
    """

    name: str
    run: Callable[[], tuple]
    tried: dict[str, Any]
    module: Callable
    channels_last: bool


def absent() -> str | None:
    """Returns why there is no peer, or None where there is one."""
    return None if installed("torch") else "torch is not installed"


def device() -> str:
    """Returns the device torch works on: the GPU where JAX has one too."""
    import jax
    import torch

    on_gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    return "cuda" if on_gpu else "cpu"


def prepare() -> None:
    """Gives torch as many threads as JAX has, and float32 products where it says so."""
    import torch

    torch.set_num_threads(threads())
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def network(
    net: Network, params: Params, tap: str, side: int, *, inplace: bool = True
) -> "torch.nn.Module":
    """Returns the torch module of a table network and its parameters, up to a tap.

    Args:
      net, params: the network.
      tap: where it stops.
      side: pixels of its images.
      inplace: see `benchmarks.peers.torch_net.Net`.
    """
    from benchmarks.peers.torch_net import Net

    module = Net(
        subjects.rows_of(net),
        subjects.plain(params),
        tap,
        subjects.shapes_of(net, side),
        inplace=inplace,
    )
    return module.eval().to(device())


def to_torch(images: np.ndarray) -> "torch.Tensor":
    """Returns images `[N, H, W, 3]` as torch has them, `[N, 3, H, W]`, contiguous.

    Args:
      images: float32.
    """
    import torch

    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(device())


def score(values: "torch.Tensor", index: "torch.Tensor") -> "torch.Tensor":
    """Returns the score of every image `[N]`: see `benchmarks.harness.subjects.gradient`.

    Args:
      values: the tap, `[N, d]` or `[N, C, h, w]`.
      index: `[N]`.
    """
    values = values.mean((2, 3)) if values.ndim == 4 else values
    return values.gather(1, index[:, None])[:, 0]


def step(module: Callable, images: "torch.Tensor", index: "torch.Tensor") -> Callable:
    """Returns a call that takes one gradient step and waits for it.

    Args:
      module: images -> tap, compiled or not.
      images: `[N, 3, H, W]`.
      index: `[N]`.
    """
    import torch

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        given = images.detach().requires_grad_()
        scores = score(module(given), index)
        (found,) = torch.autograd.grad(scores.sum(), given)
        if found.is_cuda:
            torch.cuda.synchronize()
        return scores.detach(), found

    return run


def as_ours(found: "tuple[torch.Tensor, torch.Tensor]") -> tuple:
    """Returns scores `[N]` and gradients `[N, H, W, 3]` as NumPy arrays.

    Args:
      found: what a step returns.
    """
    scores, gradients = found
    return scores.cpu().numpy(), gradients.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _fastest(run: Callable[[], Any]) -> float:
    run()
    times = []
    for _ in range(TRIALS):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


@contextmanager
def limited(limit: int) -> Iterator[None]:
    """Stops what runs inside after a while; in the main thread of Unix alone.

    Args:
      limit: seconds.

    Raises:
      TimeoutError: when they have passed.
    """

    def stop(*_: Any) -> None:
        raise TimeoutError(f"not compiled within {limit} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def best(
    module: "torch.nn.Module",
    images: np.ndarray,
    index: np.ndarray,
    *,
    compiled: bool = True,
) -> Best:
    """Returns the fastest of torch's configurations of one gradient step.

    Parameters are frozen, ReLUs work in place, oneDNN is on. Tried: contiguous and
    channels_last; then torch.compile of the faster.

    Args:
      module: as `network` returns it.
      images: `[N, H, W, 3]`.
      index: `[N]`.
      compiled: whether torch.compile is tried, which takes a minute or two a network.
    """
    import torch

    prepare()
    version = torch.__version__.partition("+")[0]
    given = to_torch(images)
    chosen = torch.tensor(index.tolist(), device=given.device)
    tried: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    formats = {
        "contiguous": torch.contiguous_format,
        "channels_last": torch.channels_last,
    }

    def configured(name: str) -> Callable:
        form = formats[name]
        return step(module.to(memory_format=form), given.to(memory_format=form), chosen)

    for name in formats:
        seconds[name] = _fastest(configured(name))
        tried[name] = round(1000 * seconds[name], 2)
    name = min(seconds, key=seconds.__getitem__)
    run = configured(name)
    key, last = f"torch.compile {name}", name == "channels_last"
    tried[key] = "not tried: --quick"
    if compiled:
        faster = torch.compile(module, dynamic=False)
        compiled_run = step(faster, given.to(memory_format=formats[name]), chosen)
        tried[key] = _compiled_ms(compiled_run)
        if isinstance(tried[key], float) and tried[key] < tried[name]:
            full_name = f"torch {version} compiled {name}"
            return Best(full_name, compiled_run, tried, faster, last)
    return Best(f"torch {version} {name}", run, tried, module, last)


def _compiled_ms(run: Callable[[], Any]) -> float | str:
    """Returns the milliseconds of a compiled step, or why it cannot be compiled."""
    try:
        with limited(COMPILE_SECONDS):
            run()
        return round(1000 * _fastest(run), 2)
    # Whatever the compiler stumbles over, the eager step is still there.
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return f"torch.compile not available: {words[:200]}"
