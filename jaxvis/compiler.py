"""The one way in which jaxvis compiles, and a check of XLA's compiler for CPUs.

Products of float32 are float32, unless something else is asked for: left to itself XLA
makes them of TF32 on a GPU, and of bfloat16 on a TPU.

Since jaxlib 0.10 XLA hands matrix products and sums on a CPU to the library YNNPACK, and
fuses them with what stands around them. Some of these fusions compute wrong numbers, by
factors up to 1e30 or NaN, without a word: gradient times input, relevance and energies of
Gram matrices are among them (issues 39103, 39257 and 40412 of jax-ml/jax). Without the
fusions the numbers are right.
"""

import functools
from collections.abc import Callable, MutableMapping
from typing import Any, Generic, TypeVar, overload

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

from jaxvis.jax_internals import is_tracing
from jaxvis.platform import place_of

FLAG = "xla_cpu_experimental_ynn_fusion_type"
"""XLA's flag that says what is handed to YNNPACK; when it is empty, nothing is."""
SOUND = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
"""Matrix products by themselves, fused with nothing: right, and 3-4 times faster than XLA's
own code where a few images go through a dense layer."""

UNSPLIT = {"xla_cpu_multi_thread_eigen": False}
"""The option of a program in which every device is one core: no operation is split."""

KNOWING = ("0.10.",)
"""Versions of jaxlib that are known to have the flag, and that jaxvis is tested with."""

Output = TypeVar("Output")


class Program(Generic[Output]):
    """A function that is compiled when it is called, exactly and without the faulty fusions.

    Inside another function that JAX traces (`jax.jit`, `jax.grad`, `jax.vmap`) it becomes
    part of that function, whose own compilation decides.

    Attributes:
      __wrapped__: the function itself.
    """

    def __init__(self, function: Callable[..., Output], **options: Any) -> None:
        """Keeps the function for compilation.

        Args:
          function: a pure function of pytrees of arrays.
          **options: as `jax.jit` takes them.
        """
        functools.update_wrapper(self, function)
        function = _make_exact(function)
        self._whole: Any = jax.jit(function, **options)
        self._careful: Any = jax.jit(function, compiler_options={FLAG: SOUND}, **options)
        unsplit = {FLAG: SOUND, **UNSPLIT}
        self._unsplit: Any = jax.jit(function, compiler_options=unsplit, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Output:
        """Calls the compiled function.

        Args:
          *args, **kwargs: as the function takes them; NumPy arrays will do.
        """
        return self._choose(args, kwargs)(*args, **kwargs)

    def trace(self, *args: Any, **kwargs: Any) -> jax.stages.Traced:
        """Traces the function for arguments; see `jax.jit(f).trace`.

        Args:
          *args, **kwargs: arrays, or `jax.ShapeDtypeStruct` in their places.
        """
        return self._choose(args, kwargs).trace(*args, **kwargs)

    def lower(self, *args: Any, **kwargs: Any) -> jax.stages.Lowered:
        """Lowers the function for arguments; see `jax.jit(f).lower`.

        Args:
          *args, **kwargs: arrays, or `jax.ShapeDtypeStruct` in their places.
        """
        return self.trace(*args, **kwargs).lower()

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Gives the shapes and types of the results; see `jax.eval_shape`.

        Args:
          *args, **kwargs: arrays, or `jax.ShapeDtypeStruct` in their places.
        """
        return self._whole.eval_shape(*args, **kwargs)

    def count_compilations(self) -> int:
        """Counts the kinds of arguments (shapes, types, static values) it was compiled for."""
        return sum(f._cache_size() for f in (self._whole, self._careful, self._unsplit))

    def _choose(self, args: Any, kwargs: Any) -> Any:
        # Only the outermost function may have options. Other devices have no such flag.
        if is_tracing():
            return self._whole
        platform, devices = place_of((args, kwargs))
        if platform != "cpu" or not _knows_flag():
            return self._whole
        return self._careful if devices == 1 else self._unsplit


def _make_exact(function: Callable[..., Output]) -> Callable[..., Output]:
    """Makes a function whose products of float32 are float32, where none names a precision."""

    @functools.wraps(function)
    def exact(*args: Any, **kwargs: Any) -> Output:
        # JAX adds its options to the class at run time, where no type checker sees them.
        named = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
        with jax.default_matmul_precision(named or "highest"):
            return function(*args, **kwargs)

    return exact


@overload
def jit(function: Callable[..., Output], /, **options: Any) -> Program[Output]: ...


@overload
def jit(
    **options: Any,
) -> Callable[[Callable[..., Output]], Program[Output]]: ...


def jit(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compiles a function as `jax.jit` does, but without XLA's faulty fusions on a CPU.

    Products of float32 are float32 on a GPU and TPU too, unless they or
    `jax.default_matmul_precision` name another precision.

    Every program of jaxvis goes through it. Use it in place of `jax.jit` for code of your
    own, around the whole computation: `jaxvis.jit(jax.grad(f))`, not
    `jax.grad(jaxvis.jit(f))`. Where jaxlib does not know the fusions, and on other
    devices, nothing else differs from `jax.jit`.

    Args:
      function: a pure function of pytrees of arrays; without it, this gives a decorator.
      **options: as `jax.jit` takes them: static_argnums, static_argnames,
        donate_argnums, donate_argnames...

    Returns:
      Program: the function, compiled when it is called.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> relevance = jaxvis.jit(lambda e, c: jnp.sum(jnp.matmul(e, c) * e, axis=(1, 2)))
    >>> relevance(jnp.ones((5, 60, 60)), jnp.ones((5, 60, 1))).tolist()
    [216000.0, 216000.0, 216000.0, 216000.0, 216000.0]
    """
    if function is None:
        return functools.partial(jit, **options)
    return Program(function, **options)


@functools.cache
def _knows_flag() -> bool:
    """Says whether the installed jaxlib knows the flag; it refuses unknown ones."""
    with jax.default_device(jax.devices("cpu")[0]):
        try:
            jax.jit(lambda: 0.0, compiler_options={FLAG: SOUND}).lower().compile()
        except jax.errors.JaxRuntimeError:
            return False
    return True


def compiles_wrongly(*, rounding: float = 1e-3) -> bool:
    """Says whether `jax.jit` computes wrong numbers on the CPU, as this process is set up.

    It compiles a few small programs that XLA is known to get wrong, and compares them with
    NumPy in float64. What goes through `jaxvis.jit` is right in any case. To cure
    everything else in a process, set an environment variable before it starts:
    `XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT`.

    Args:
      rounding: relative difference that still counts as right.

    >>> import jaxvis
    >>> jaxvis.compiles_wrongly() in (True, False)
    True
    """
    return any(error > rounding for error in measure_errors(jax.jit).values())


def measure_errors(
    compile_: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> dict[str, float]:
    """Measures the relative errors of programs that XLA is known to get wrong.

    Args:
      compile_: makes a compiled function from a function, such as `jax.jit`.

    Returns:
      Name of the program -> largest difference from float64, relative to the largest
      value; infinity where the program gives NaN.
    """
    draw = np.random.default_rng(0)
    square, scale = draw.normal(size=(5, 60, 60)), draw.normal(size=(5, 1, 1))
    features = draw.normal(size=(4, 196, 64))
    total = np.sum(np.einsum("npc,npd->ncd", features, features))
    cases: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...], np.ndarray]] = {
        "relevance": (
            lambda e, c: jnp.sum(jnp.matmul(e, jnp.broadcast_to(c, e.shape)) * e, axis=(1, 2)),
            (square, scale),
            np.sum(np.matmul(square, np.broadcast_to(scale, square.shape)) * square, axis=(1, 2)),
        ),
        "mean times value": (
            lambda e: jnp.sum((e @ jnp.full((60, 60), 1 / 60)) * e, axis=-1),
            (square,),
            np.sum((square @ np.full((60, 60), 1 / 60)) * square, axis=-1),
        ),
        "Gram energy": (
            lambda f: jnp.sum(f * jax.grad(_sum_gram)(f)),
            (features,),
            2 * total,
        ),
        "Hessian energy": (
            lambda f: jnp.sum(f * jax.jvp(jax.grad(_sum_gram), (f,), (f,))[1]),
            (features,),
            2 * total,
        ),
    }
    return {
        name: _compare(compile_(program), inputs, expected)
        for name, (program, inputs, expected) in cases.items()
    }


def _sum_gram(features: jax.Array) -> jax.Array:
    return jnp.sum(jnp.einsum("npc,npd->ncd", features, features))


def _compare(
    program: Callable[..., Any], inputs: tuple[np.ndarray, ...], expected: np.ndarray
) -> float:
    with jax.default_device(jax.devices("cpu")[0]):
        found = np.asarray(program(*(jnp.asarray(value, jnp.float32) for value in inputs)), float)
    error = np.max(np.abs(found - expected)) / np.max(np.abs(expected))
    return float(np.nan_to_num(error, nan=np.inf))


def extend_flags(environment: MutableMapping[str, str]) -> None:
    """Adds the flag to XLA_FLAGS, so that all programs of a process are compiled rightly.

    It has an effect before JAX first computes. A flag that the user has set stays. XLA
    stops the process at a flag that it does not know, so this is done only with a jaxlib
    that is known to have it.

    Args:
      environment: such as `os.environ`.
    """
    flags = environment.get("XLA_FLAGS", "")
    if FLAG not in flags and jaxlib.__version__.startswith(KNOWING):
        environment["XLA_FLAGS"] = f"{flags} --{FLAG}={SOUND}".strip()
