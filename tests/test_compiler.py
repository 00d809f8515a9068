"""Compilation: right numbers on a CPU, whatever the installed jaxlib's compiler does.

A new objective, statistic, prior, canvas or quotient of gradients needs a row in
`PROGRAMS`; it is then compared compiled, not compiled, and in float64.
"""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net

import jaxvis
from jaxvis import compiler
from jaxvis.compiler import FLAG, SOUND, extend_flags, measure_errors
from jaxvis.images import MEAN
from jaxvis.loss.canvas import Fourier, Phase, Pixels, Tanh
from jaxvis.loss.chambolle import Chambolle
from jaxvis.loss.matching.statistics import (
    Code,
    EnergyMatch,
    GramMatch,
    MomentMatch,
    energy,
    gram,
    moments,
)
from jaxvis.loss.objectives import (
    Align,
    Amplify,
    CrossEntropy,
    Custom,
    Direction,
    Excite,
    Margin,
    Match,
)
from jaxvis.loss.priors import L2, BoundedRange, TotalVariation

ROUNDING = 2e-4
"""Relative to the largest value. Sums of 10^4 float32 products of both signs are good to
about 10^-5; the compiler's faults are 0.1 to 10^30."""

draw = np.random.default_rng(0)
FEATURES = draw.normal(size=(14, 14, 64))
SCORES = draw.normal(size=(60,))
IMAGE = draw.uniform(0.2, 0.8, size=(20, 18, 3))
SQUARE = draw.normal(size=(5, 60, 60))
OTHER = draw.normal(size=(14, 14, 64))
KERNEL = draw.normal(size=(60, 60)) / 8
MASK = draw.uniform(size=(14, 14))
KEY = jax.random.key(0)


def _of(objective):
    """Makes a function of features and scores of an objective; its leaves are arrays."""

    def program(features, scores):
        return jax.tree.map(jnp.asarray, objective(features))({"map": features, "scores": scores})

    return program, (FEATURES, SCORES)


def _as(values, like):
    return jnp.asarray(values, like.dtype)


def _shown(canvas):
    """Makes a function of z that is the shown image's overlap with a fixed one."""
    z = np.asarray(canvas.init(KEY), np.float64)
    weights = draw.normal(size=(*canvas.size, 3))
    return lambda z: jnp.sum(canvas.decode(None, z, KEY) * _as(weights, z)), (z,)


def _relevance(x, weights):
    """Layer-wise relevance of a dense layer, as the epsilon rule of Bach et al. (2015)."""
    outputs = x @ weights
    shares = outputs / (outputs + 0.1 * jnp.where(outputs >= 0, 1.0, -1.0))
    return jnp.sum((shares @ weights.T) * x)


def _integrate_gradients(x, weights):
    steps = (jnp.arange(8) + 0.5) / 8
    slopes = jax.vmap(lambda a: jax.grad(lambda x: jnp.sum(jnp.tanh(x @ weights) ** 2))(a * x))
    return jnp.sum(jnp.mean(slopes(steps), 0) * x)


def _grad_cam(features, weights):
    slope = jax.grad(lambda a: jnp.sum((jnp.mean(a, (0, 1)) @ weights) ** 2))(features)
    return jnp.sum(jax.nn.relu(jnp.sum(jnp.mean(slope, (0, 1)) * features, axis=-1)))


def _curvature(x, weights):
    loss = lambda x: jnp.sum(jnp.logaddexp(x @ weights, 0.0))  # noqa: E731
    return jnp.sum(x * jax.jvp(jax.grad(loss), (x,), (x,))[1])


WIDE = draw.normal(size=(64, 64)) / 8
PROGRAMS = {
    "excite class": _of(lambda f: Excite("scores", 3)),
    "excite channel": _of(lambda f: Excite("map", 3)),
    "excite neuron": _of(lambda f: Excite("map", 3, position="centre")),
    "direction": _of(lambda f: Direction("map", _as(OTHER[0, 0], f))),
    "direction cosine": _of(lambda f: Direction("map", _as(OTHER[0, 0], f), cosine_power=2)),
    "match": _of(lambda f: Match("map", _as(OTHER, f))),
    "match masked": _of(lambda f: Match("map", _as(OTHER, f), mask=_as(MASK, f)[..., None])),
    "align": _of(lambda f: Align("map", _as(OTHER, f))),
    "margin": _of(lambda f: Margin("scores", 3)),
    "margin of a map": _of(lambda f: Margin("map", 3)),
    "cross entropy": _of(lambda f: CrossEntropy("scores", 3)),
    "amplify": _of(lambda f: Amplify("map")),
    "custom": _of(lambda f: Custom(lambda taps: jnp.var(taps["map"]) - jnp.sum(taps["scores"]))),
    "sum of objectives": _of(lambda f: Excite("scores", 3) + 0.5 * Amplify("map")),
    "gram match": _of(lambda f: GramMatch("map", gram(_as(OTHER, f)))),
    "energy match": _of(lambda f: EnergyMatch("map", energy(_as(OTHER, f)))),
    "moment match": _of(lambda f: MomentMatch("map", *moments(_as(OTHER, f)))),
    "code": _of(lambda f: Code("map", _as(OTHER, f))),
    "gram": (lambda f: jnp.sum(gram(f) ** 2), (FEATURES,)),
    "gram masked": (lambda f: jnp.sum(gram(f, mask=_as(MASK, f)) ** 2), (FEATURES,)),
    "gram sum": (lambda f: jnp.sum(gram(f)), (FEATURES,)),
    "energy": (lambda f: jnp.sum(energy(f) * _as(SCORES[0], f)), (FEATURES,)),
    "moments": (lambda f: sum(jnp.sum(m) for m in moments(f)), (FEATURES,)),
    "bounded range": (BoundedRange(), (IMAGE,)),
    "total variation": (TotalVariation(), (IMAGE,)),
    "total variation, beta 1": (TotalVariation(beta=1.0), (IMAGE,)),
    "squares": (L2(), (IMAGE,)),
    "pixels": _shown(Pixels((20, 18), noise=0.1)),
    "tanh": _shown(Tanh((20, 18))),
    "fourier": _shown(Fourier((20, 18))),
    "phase": _shown(Phase((20, 18))),
    "relevance": (lambda x: _relevance(x, _as(KERNEL, x)), (SQUARE,)),
    "integrated gradients": (lambda x: _integrate_gradients(x, _as(KERNEL, x)), (SQUARE,)),
    "grad cam": (lambda f: _grad_cam(f, _as(WIDE, f)), (FEATURES,)),
    "curvature": (lambda x: _curvature(x, _as(KERNEL, x)), (SQUARE,)),
    "mean subtracted": (
        lambda x: jnp.sum((x @ jnp.full((60, 60), 1 / 60, x.dtype)) * x),
        (SQUARE,),
    ),
    "cosine of two": (
        lambda f: jnp.sum(f * _as(OTHER, f)) / (jnp.linalg.norm(f) * jnp.linalg.norm(OTHER)),
        (FEATURES,),
    ),
    "covariance": (
        lambda f: jnp.sum(jnp.cov(f.reshape(-1, 64), rowvar=False) * _as(WIDE, f)),
        (FEATURES,),
    ),
}


def _share(program, *inputs):
    """Gives gradient times input, summed as relevance is; alone, so that it can be fused."""
    slopes = jax.grad(program, tuple(range(len(inputs))))(*inputs)
    return [jnp.sum(jnp.real(slope * x)) for slope, x in zip(slopes, inputs)]


def _measure(program, *inputs):
    return *jax.value_and_grad(program, tuple(range(len(inputs))))(*inputs), _share(
        program, *inputs
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_numbers_are_those_of_float64(name):
    program, inputs = PROGRAMS[name]
    singles = [jnp.asarray(x, jnp.complex64 if np.iscomplexobj(x) else jnp.float32) for x in inputs]
    with jax.enable_x64(True):
        exact = _measure(program, *(jnp.asarray(x) for x in inputs))
        exact = jax.tree.map(np.asarray, exact)
    _compare(_measure(program, *singles), exact)
    value_and_slopes = jax.value_and_grad(program, tuple(range(len(inputs))))
    _compare(jaxvis.jit(value_and_slopes)(*singles), exact[:2])
    _compare(jaxvis.jit(partial(_share, program))(*singles), exact[2])


def _compare(found, exact):
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
        assert np.isfinite(ours).all()
        # A sum of gradient times input may cancel: it is good to its terms' precision.
        scale = max(np.max(np.abs(theirs)), 1e-2)
        assert np.max(np.abs(np.asarray(ours) - theirs)) <= ROUNDING * scale


def test_there_are_thirty_programs_and_every_objective_is_among_them():
    from jaxvis.loss import canvas, objectives, priors
    from jaxvis.loss.matching import statistics
    from jaxvis.types import Canvas

    words = []
    for module in (objectives, statistics, priors, canvas):
        words += [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
    bases = {"OneTap", "SizedCanvas", "Objective", Canvas.__name__}
    covered = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in words if name not in bases and f"{name}(" not in covered] == []
    assert len(PROGRAMS) >= 30


@pytest.mark.slow
def test_the_gradient_of_a_network_times_its_image_is_that_of_float64():
    net, params = conv_net(16)
    image = draw.uniform(size=(16, 16, 3))

    def relevance(params, image):
        slope = jax.grad(lambda x: jnp.sum(net.apply(params, x, stop="fc")["fc"] ** 2))(image)
        return jnp.sum(slope * (image - _as(MEAN, image)))

    found = jaxvis.jit(relevance)(params, jnp.asarray(image, jnp.float32))
    with jax.enable_x64(True):
        exact = relevance(jax.tree.map(lambda w: np.asarray(w, np.float64), params), image)
    np.testing.assert_allclose(found, exact, rtol=1e-4)


def test_total_variation_filter_is_the_same_compiled():
    image = jnp.asarray(IMAGE, jnp.float32)
    np.testing.assert_allclose(
        jaxvis.jit(Chambolle(0.1))(KEY, image), Chambolle(0.1)(KEY, image), atol=1e-5
    )


def test_programs_that_xla_gets_wrong_are_right():
    errors = measure_errors(jaxvis.jit)
    assert len(errors) == 4 and max(errors.values()) < 1e-5


def test_the_check_says_what_plain_compilation_does():
    assert jaxvis.compiles_wrongly() == (max(measure_errors(jax.jit).values()) > 1e-3)


def test_a_program_that_gives_nan_counts_as_wrong():
    errors = measure_errors(lambda program: lambda *inputs: jnp.nan * program(*inputs))
    assert set(errors.values()) == {np.inf}
    halves = measure_errors(lambda program: lambda *inputs: 0.5 * program(*inputs))
    np.testing.assert_allclose(list(halves.values()), 0.5, rtol=1e-4)


CHECK = "import jaxvis; print(jaxvis.compiles_wrongly())"
COMMAND = """
import os
from jaxvis.cli._setup import prepare_process
prepare_process()
import jaxvis
print(jaxvis.compiles_wrongly(), os.environ["XLA_FLAGS"])
"""


def _run(program, home, **changes):
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    env |= {"JAXVIS_HOME": str(home), **changes}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_flag_of_the_readme_cures_a_whole_process(tmp_path):
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    (flags,) = re.findall(r"`XLA_FLAGS=(\S+)`", readme)
    assert f"`XLA_FLAGS={flags}`" in jaxvis.compiles_wrongly.__doc__
    assert _run(CHECK, tmp_path, XLA_FLAGS=flags) == ["False"]


def test_commands_set_the_flag_before_jax_computes(tmp_path):
    assert _run(COMMAND, tmp_path, XLA_FLAGS="--xla_cpu_max_isa=AVX2") == [
        "False",
        "--xla_cpu_max_isa=AVX2",
        f"--{FLAG}={SOUND}",
    ]


def test_flags_of_the_user_stay(monkeypatch):
    own = {"XLA_FLAGS": f"--{FLAG}=LIBRARY_FUSION_TYPE_DOT"}
    extend_flags(own)
    assert own == {"XLA_FLAGS": f"--{FLAG}=LIBRARY_FUSION_TYPE_DOT"}
    monkeypatch.setattr(compiler.jaxlib, "__version__", "9.9.9")
    unknown = {}
    extend_flags(unknown)
    assert unknown == {}


def test_a_jaxlib_without_the_flag_compiles_all_the_same(monkeypatch):
    monkeypatch.setattr(compiler, "FLAG", "xla_cpu_a_flag_that_nobody_knows")
    compiler._knows_flag.cache_clear()
    try:
        assert not compiler._knows_flag()
        assert jaxvis.jit(lambda x: x + 1)(jnp.ones(())) == 2
    finally:
        compiler._knows_flag.cache_clear()


def test_it_takes_the_options_of_jax_jit_and_compiles_once():
    traced = []

    @jaxvis.jit(static_argnames="power", donate_argnums=0)
    def raise_to(x, *, power):
        """Raises x to a power."""
        traced.append(power)
        return x**power

    assert raise_to.__doc__ == "Raises x to a power." and raise_to.__name__ == "raise_to"
    x = jnp.full((3,), 2.0)
    assert raise_to(x, power=3).tolist() == [8.0, 8.0, 8.0] and x.is_deleted()
    assert raise_to(jnp.full(3, 3.0), power=3).tolist() == [27.0, 27.0, 27.0]
    assert traced == [3] and raise_to.count_compilations() == 1
    assert raise_to.eval_shape(jnp.ones(3), power=3).shape == (3,)
    assert FLAG not in raise_to.lower(jnp.ones(3), power=3).as_text()


def test_it_works_inside_other_transformations():
    square = jaxvis.jit(lambda x: jnp.sum(x**2))
    x = jnp.arange(3.0)
    assert jax.grad(square)(x).tolist() == [0.0, 2.0, 4.0]
    assert jax.vmap(square)(jnp.stack([x, x])).tolist() == [5.0, 5.0]
    assert jax.jit(lambda x: square(x) + 1)(x) == 6
    assert jax.eval_shape(square, x).shape == ()


@pytest.mark.parametrize(
    ("named", "asked"), [(None, "HIGHEST"), ("tensorfloat32", "HIGH"), ("bfloat16", "DEFAULT")]
)
def test_products_are_exact_unless_a_precision_is_named(named, asked):
    def program(x):
        own = jnp.matmul(x, x, precision=jax.lax.Precision.HIGH)
        return jax.grad(lambda x: jnp.sum((x @ x) ** 2))(x), own

    with jax.default_matmul_precision(named):
        traced = jaxvis.jit(program).trace(jnp.ones((3, 3)))
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    found = re.findall(r"dot_general.*precision = \[(\w+), (\w+)\]", text)
    assert sorted(found) == sorted([(asked, asked)] * 3 + [("HIGH", "HIGH")])
    assert jax.config.jax_default_matmul_precision is None
