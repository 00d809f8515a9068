"""The peer at its best: torch's gradient step in every configuration, the fastest kept.

torch is imported inside functions, so that everything else runs where it is missing.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.machine import package_version, thread_count
from benchmarks.harness.timing import time_call
from jaxvis.network import Network
from jaxvis.types import Params

if TYPE_CHECKING:
    import torch

COMPILE_SECONDS = 150
"""A configuration that takes longer to compile is not used."""
TRIALS = 3
"""Timed runs of a configuration; the fastest counts."""


FORMATS = {"contiguous": "contiguous_format", "channels_last": "channels_last"}
"""Memory format -> its name in torch."""


class Fastest(NamedTuple):
    """The fastest configuration of one step.

    Attributes:
      name: "torch 2.13.0 channels_last".
      run: takes the step and waits for it: (scores `[N]`, gradients `[N, 3, H, W]`).
      tried: configuration -> milliseconds, or why it was not used.
      module: images -> tap, in that configuration.
      form: the memory format of its images, of `FORMATS`.
    """

    name: str
    run: Callable[[], tuple]
    tried: dict[str, Any]
    module: Callable
    form: str


def why_absent() -> str | None:
    """Tells why there is no peer, or returns None where there is one.

    Where JAX computes on an accelerator that torch does not find, torch would take a CPU:
    that is no peer.
    """
    if not package_version("torch"):
        return "torch is not installed"
    import jax

    platform = jax.default_backend()
    if platform != "cpu" and choose_device() == "cpu":
        return f"torch finds no {platform} here"
    return None


def choose_device() -> str:
    """Chooses the device torch works on: the GPU where JAX has one too."""
    import jax
    import torch

    on_gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    return "cuda" if on_gpu else "cpu"


def configure() -> None:
    """Gives torch as many threads as JAX has, and true float32 products on a GPU."""
    import torch

    torch.set_num_threads(thread_count())
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def make_module(
    net: Network, params: Params, tap: str, side: int, *, inplace: bool = True
) -> "torch.nn.Module":
    """Makes the torch module of a table network and its parameters, up to a tap.

    Args:
      net, params: the network.
      tap: where it stops.
      side: pixels of its images.
      inplace: see `benchmarks.peers.torch_net.Net`.
    """
    from benchmarks.peers.torch_net import Net

    arrays, shapes = subjects.to_arrays(params), subjects.shapes_of(net, side)
    module = Net(subjects.rows_of(net), arrays, tap, shapes, inplace=inplace)
    return module.eval().to(choose_device())


def to_torch(images: np.ndarray) -> "torch.Tensor":
    """Converts images `[N, H, W, 3]` to torch's layout, `[N, 3, H, W]`, contiguous.

    Args:
      images: float32.
    """
    import torch

    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(choose_device())


def format_of(name: str) -> "torch.memory_format":
    """Gives torch's object for a memory format.

    Args:
      name: of `FORMATS`.
    """
    import torch

    return getattr(torch, FORMATS[name])


def time_formats(make_run: Callable[[Any], Callable]) -> tuple[str, dict[str, float]]:
    """Finds the memory format in which a run is fastest.

    Args:
      make_run: torch's memory format -> a call that computes in it and waits.

    Returns:
      The fastest of `FORMATS`, and format -> milliseconds.
    """
    tried = {name: _time_fastest(make_run(format_of(name))) for name in FORMATS}
    return min(tried, key=tried.__getitem__), tried


def _time_fastest(run: Callable[[], Any]) -> float:
    """Measures the milliseconds of the fastest of a few runs."""
    run()
    return 1000 * min(time_call(run) for _ in range(TRIALS))


@contextmanager
def limit_time(limit: int) -> Iterator[None]:
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


def find_fastest(
    module: "torch.nn.Module",
    images: np.ndarray,
    index: np.ndarray,
    *,
    compiled: bool = True,
) -> Fastest:
    """Finds the fastest of torch's configurations of one gradient step.

    Parameters are frozen, ReLUs work in place, oneDNN is on. Tried: contiguous and
    channels_last; then torch.compile of the faster.

    Args:
      module: as `make_module` returns it.
      images: `[N, H, W, 3]`.
      index: `[N]`.
      compiled: whether torch.compile is tried, which takes a minute or two a network.
    """
    import torch

    from benchmarks.peers.torch_steps import take_step

    configure()
    version = torch.__version__.partition("+")[0]
    given = to_torch(images)
    numbers = torch.tensor(index.tolist(), device=given.device)

    def make_step(form: torch.memory_format) -> partial:
        return partial(
            take_step, module.to(memory_format=form), given.to(memory_format=form), numbers
        )

    form, times = time_formats(make_step)
    step = make_step(format_of(form))
    tried: dict[str, Any] = {name: round(time, 2) for name, time in times.items()}
    fastest = Fastest(f"torch {version} {form}", step, tried, module, form)
    key = f"torch.compile {form}"
    tried[key] = "not tried: --quick"
    if compiled:
        faster = torch.compile(module, dynamic=False)
        run = partial(take_step, faster, *step.args[1:])
        tried[key] = _time_compiled(run)
        if isinstance(tried[key], float) and tried[key] < tried[form]:
            name = f"torch {version} compiled {form}"
            return fastest._replace(name=name, run=run, module=faster)
    return fastest


def _time_compiled(run: Callable[[], Any]) -> float | str:
    """Measures the milliseconds of a compiled step, or tells why it cannot be compiled."""
    try:
        with limit_time(COMPILE_SECONDS):
            run()
        return round(_time_fastest(run), 2)
    # Whatever the compiler stumbles over, the eager step is still there.
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return f"torch.compile not available: {words[:200]}"
