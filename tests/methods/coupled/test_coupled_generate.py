"""Coupled generators: the loss by hand, what a step records, sweeps, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from tiny_nets import conv_net, fc_net

from jaxvis.generators.adapters import generator_from_linen, generator_from_nnx
from jaxvis.generators.deep import DeepGenerator
from jaxvis.generators.drawing import Driven, Learned, Noise, learning, stretch
from jaxvis.methods.coupled.generate import generate
from jaxvis.methods.coupled.latent import latent
from jaxvis.methods.coupled.objectives import Couple, CoupledLoss, Likelihood
from jaxvis.optimize.rules.first_order import adamax, nesterov
from jaxvis.types import Status

TINY = DeepGenerator(start=(4, 4, 3), stages=((4, 2),))  # draws 12 x 12
WIDE = DeepGenerator(True, True, False, (4, 4, 3), ((4, 2),))
SETTINGS = {"generator": TINY, "gain": 40.0, "optimizer": adamax(0.02)}


def test_the_loss_is_equation_2():
    taps = {"s": jnp.array([3.0, -2.0, 1.0, 5.0])}
    one = Couple("s", jnp.array([1.0, 0, 0, 0]))
    np.testing.assert_allclose(one(taps), 1 - 3 + 0.01 * 6, rtol=1e-6)
    two = Couple("s", jnp.array([1.0, 0, 0, 1.0]), others=0.1)
    np.testing.assert_allclose(two(taps), 1 - 4 + 0.1 * 1, rtol=1e-6)
    negative = Couple("s", jnp.array([0, 1.0, 0, 0]), others=0.0)
    assert negative(taps) == 3 and jax.grad(negative)(taps)["s"][1] == -1
    strict = Couple("s", jnp.array([0, 1.0, 0, 0]), others=0.0, rectified=True)
    assert strict(taps) == 1 and not np.any(jax.grad(strict)(taps)["s"])
    maps = {"s": jnp.stack([jnp.array([[2.0, -4.0]]), jnp.array([[1.0, 3.0]])], -1)}
    filters = Couple("s", jnp.array([1.0, 0]), others=0.5)
    np.testing.assert_allclose(filters(maps), 1 + 1 + 0.5 * 2, rtol=1e-6)


@pytest.mark.slow
def test_a_step_moves_the_running_averages_and_the_loss_is_its_terms():
    net, params = conv_net()
    canvas = Learned(TINY)
    z = jax.jit(canvas.init)(jax.random.key(0))
    loss = CoupledLoss(net, canvas)
    item = Couple("fc", jnp.eye(5)[2])
    given = {"net": params, "generator": None}
    (value, terms), grad = jax.jit(jax.value_and_grad(loss, 1, has_aux=True))(
        given, z, item, jax.random.key(1)
    )
    np.testing.assert_allclose(value, sum(terms.values()), rtol=1e-6)
    np.testing.assert_allclose(terms["regularizer"], 0.01 * 3, rtol=1e-6)
    optimizer = learning(adamax(0.002))
    updates = jax.jit(lambda g, z: optimizer.update(g, optimizer.init(z), z)[0])(grad, z)
    noisy = canvas.noise(jax.random.split(jax.random.key(1))[0], jnp.ones(TINY.code))
    apply = jax.jit(lambda z, x: TINY.apply(z["params"], z["statistics"], x, train=True))
    _, own = apply(z, noisy)
    for name, old in z["statistics"].items():
        moved = old["mean"] + updates["statistics"][name]["mean"]
        wanted = 0.99 * old["mean"] + 0.01 * own[name]["mean"]
        np.testing.assert_allclose(moved, wanted, atol=1e-6)
    largest = max(float(jnp.abs(u).max()) for u in jax.tree.leaves(updates["params"]))
    np.testing.assert_allclose(largest, 0.002, rtol=1e-3)  # AdaMax's first step


def test_noise_is_added_or_multiplied_with_the_papers_spread():
    ones = jnp.ones(20_000)
    added = Noise(2.0)(jax.random.key(0), ones)
    factor = Noise(0.2294, multiplied=True)(jax.random.key(0), 3 * ones)
    np.testing.assert_allclose(jnp.std(added), 2.0, rtol=0.02)
    np.testing.assert_allclose(jnp.std(factor), 3 * 0.2294, rtol=0.02)
    np.testing.assert_allclose(jnp.mean(factor), 3.0, rtol=0.01)


@pytest.mark.slow
def test_the_driven_canvas_keeps_the_codes_of_the_last_epochs():
    canvas = Driven(WIDE, every=2, keep=3, steps=8)
    shared = jax.jit(WIDE.init)(jax.random.key(0))
    z = canvas.start(shared)
    optimizer = learning(nesterov(0.5, momentum=0.1))
    state, seen = optimizer.init(z), []

    def value(z, key):
        drawing = canvas.draw(shared, z, key)
        return jnp.mean(drawing.image) + drawing.regularizer + drawing.record

    @jax.jit
    def move(z, state, key):
        updates, state = optimizer.update(jax.grad(value)(z, key), state, z)
        return jax.tree.map(jnp.add, z, updates), state

    for step in range(8):
        seen.append(z["params"]["alpha"]["alpha"])
        z, state = move(z, state, jax.random.key(step))
    assert z["step"] == 8
    np.testing.assert_allclose(z["past"], jnp.stack([seen[4], seen[6]]), rtol=1e-5)
    show = jax.jit(canvas.show)
    last = z["params"]["alpha"]["alpha"]
    pictures = [
        show(shared, {**z, "past": jnp.stack([a, a]), "params": {"alpha": {"alpha": a}}})
        for a in (seen[4], seen[6], last)
    ]
    np.testing.assert_allclose(show(shared, z), np.median(pictures, axis=0), atol=1e-5)


def test_a_frozen_decoder_starts_at_its_mean_code_and_keeps_its_averages():
    canvas = Driven(WIDE, noise=Noise(0.0), penalty=2.0, keep=1, steps=4, frozen=True)
    code = jnp.linspace(-1.0, 2.0, WIDE.code)
    shared = {**jax.jit(WIDE.init)(jax.random.key(0)), "code": code}
    z = canvas.start(shared)
    np.testing.assert_array_equal(z["params"]["alpha"]["alpha"], code)

    @jax.jit
    def look(z):
        def value(z):
            drawing = canvas.draw(shared, z, jax.random.key(1))
            total = jnp.mean(drawing.image) + drawing.regularizer + drawing.record
            return total, drawing

        (_, drawing), grad = jax.value_and_grad(value, has_aux=True)(z)
        return drawing, grad, canvas.show(shared, z)

    drawing, grad, shown = look(z)
    assert drawing.regularizer == 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(grad["statistics"]))
    assert np.any(grad["params"]["alpha"]["alpha"])
    np.testing.assert_allclose(shown, drawing.image, atol=1e-5)
    double = {**z, "params": {"alpha": {"alpha": 2 * code}}}
    np.testing.assert_allclose(look(double)[0].regularizer, 2.0, rtol=1e-5)


@pytest.fixture(scope="module")
def sweep():
    """Returns (run, chunks) of one class and one compound, two seeds each."""
    net, params = conv_net()
    chunks = []
    run = generate(
        net,
        params,
        index=[2, (0, 4)],
        seeds=2,
        steps=25,
        chunk=2,
        on_chunk=lambda where, run: chunks.append((where, run.image)),
        **SETTINGS,
    )
    return run, chunks


def test_a_sweep_learns_a_generator_an_item(sweep):
    run, chunks = sweep
    assert run.image.shape == (2, 2, 12, 12, 3) and run.z == ()
    loss = run.trace["objective"]
    assert loss.shape == (2, 2, 25) and np.all(run.trace["status"] == Status.DONE)
    assert np.all(loss[..., -5:].mean(-1) < loss[..., :5].mean(-1))
    pictures = run.image.reshape(4, -1)
    assert min(np.abs(a - b).max() for i, a in enumerate(pictures) for b in pictures[:i]) > 0.01
    assert [where for where, _ in chunks] == [range(0, 2), range(2, 4)]
    np.testing.assert_array_equal(chunks[1][1], run.image[1])


def test_what_is_left_of_a_sweep_comes_out_as_in_the_whole(sweep):
    net, params = conv_net()
    chunks = []
    options = {"index": [2, (0, 4)], "seeds": 2, "steps": 25, "chunk": 2, **SETTINGS}
    run = generate(net, params, done=(0, 3), on_chunk=lambda *seen: chunks.append(seen), **options)
    np.testing.assert_array_equal(run.image[[0, 1], [1, 0]], sweep[0].image[[0, 1], [1, 0]])
    assert np.isnan(run.image[[0, 1], [0, 1]]).all()
    assert run.trace["status"].tolist() == [
        [Status.UNFINISHED, Status.DONE],
        [Status.DONE, Status.UNFINISHED],
    ]
    assert [where for where, _ in chunks] == [(1, 2)]
    with pytest.raises(ValueError, match="all 4 pictures are done"):
        generate(net, params, done=range(4), **options)


@pytest.mark.slow
def test_many_alphas_on_one_decoder_with_dropout():
    net, params = conv_net()
    decoder = jax.jit(WIDE.init)(jax.random.key(3))
    run = generate(
        net,
        params,
        tap="relu2",
        index=[1, (2, 3)],
        decoder=decoder,
        generator=WIDE,
        steps=12,
        dropout=("relu1",),
        stretched="linear",
        others=0.0,
        penalty=0.0,
        optimizer=nesterov(5.0, momentum=0.1),
        gain=40.0,
    )
    assert run.image.shape == (2, 1, 12, 12, 3)
    np.testing.assert_allclose(run.image.min((2, 3, 4)), 0, atol=1e-6)
    np.testing.assert_allclose(run.image.max((2, 3, 4)), 1, atol=1e-6)
    assert np.all(run.trace["loss"][..., -3:].mean(-1) < run.trace["loss"][..., 0])


def test_stretching_is_the_authors():
    image = jnp.array([1.0, 5.0, 2.0]).reshape(1, 1, 3)
    np.testing.assert_allclose(stretch(image).ravel(), [0, 1, 0.25], rtol=1e-6)
    np.testing.assert_allclose(stretch(image, root=True).ravel(), [0, 1, 0.5], rtol=1e-6)


class Painter(nnx.Module):
    def __init__(self):
        self.out = nnx.Linear(4, 16 * 16, rngs=nnx.Rngs(0))

    def __call__(self, z):
        return jnp.tanh(self.out(z)).reshape(-1, 16, 16, 1)


class LinenPainter(linen.Module):
    @linen.compact
    def __call__(self, z):
        return jnp.tanh(linen.Dense(8 * 8 * 3)(z)).reshape(-1, 8, 8, 3)


def plain(shared, z):
    return jax.nn.sigmoid(z @ shared).reshape(16, 16, 3)


@pytest.mark.parametrize("kind", ["nnx", "linen", "function"])
def test_any_generator_can_be_driven_and_its_code_stays_in_bounds(kind):
    net, params = fc_net()
    if kind == "nnx":
        generator, shared = generator_from_nnx(Painter(), low=-1.0)
    elif kind == "linen":
        variables = LinenPainter().init(jax.random.key(0), jnp.zeros((1, 4)))
        generator, shared = generator_from_linen(LinenPainter(), variables, low=-1.0, size=(16, 16))
    else:
        generator = plain
        shared = np.random.default_rng(0).normal(size=(4, 768)).astype(np.float32)
    run = latent(
        net,
        params,
        generator,
        shared,
        shape=(4,),
        index=[0, 3],
        bound=0.5,
        steps=9,
        prior=0.5,
        radius=0.0,
        starts=1,
        others=0.01,
        learning_rate=0.1,
    )
    assert run.image.shape == (2, 1, 16, 16, 3) and run.z.shape == (2, 1, 4)
    assert np.abs(run.z).max() <= 0.5
    objective, prior = run.trace["objective"], run.trace["regularizer"]
    assert np.all(objective[..., -1] < objective[..., 1])
    assert np.all(prior[..., 1:] <= 0.5 * 0.25)
    drawn = jax.jit(generator)(shared, run.z[1, 0])
    np.testing.assert_allclose(drawn, run.image[1, 0], atol=1e-5)


def test_the_best_of_many_starts_is_moved_and_seeds_stay_their_own():
    net, params = fc_net()
    shared = np.random.default_rng(0).normal(size=(4, 768)).astype(np.float32)
    runs = [
        latent(
            net,
            params,
            plain,
            shared,
            shape=(4,),
            index=[1, 4],
            seeds=3,
            steps=1,
            starts=starts,
            learning_rate=1e-9,
            prior=0.0,
        )
        for starts in (1, 12)
    ]
    one, many = (run.trace["objective"][..., 0] for run in runs)
    assert np.all(many <= one) and np.any(many < one)
    assert len({float(value) for value in many.ravel()}) == 6
    scores = jax.vmap(lambda x: net.apply(params, x, stop="fc")["fc"])(runs[1].image[0])
    wanted = -jax.nn.log_softmax(scores)[:, 1]
    np.testing.assert_allclose(many[0], wanted, rtol=1e-4)


def test_the_prior_draws_codes_to_their_radius():
    net, params = fc_net()
    shared = jnp.zeros((4, 768))
    run = latent(
        net,
        params,
        plain,
        shared,
        shape=(4,),
        radius=1.5,
        steps=60,
        starts=1,
        learning_rate=0.1,
    )
    np.testing.assert_allclose(np.sqrt((run.z**2).mean()), 1.5, atol=0.05)


def test_likelihood_is_minus_log_softmax_averaged_over_what_is_wanted():
    values = jnp.array([1.0, 2.0, -1.0])
    found = Likelihood("s", jnp.array([1.0, 0, 1.0]))({"s": values})
    normal = np.log(np.exp(values).sum())
    np.testing.assert_allclose(found, normal - (1.0 - 1.0) / 2, rtol=1e-6)
    maps = jnp.stack([values - 1, values + 1])[None]
    np.testing.assert_allclose(
        Likelihood("s", jnp.array([1.0, 0, 1.0]))({"s": maps}), found, rtol=1e-6
    )


def grey_vector(shared, z):
    return z


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": [7]}, "has 5 channels, 0..4"),
        ({"index": [(0, 9)]}, "has 5 channels"),
        ({"index": []}, "has 5 channels"),
        ({"tap": "conv9"}, "no tap 'conv9'"),
        ({"dropout": ("x",)}, "no tap 'x'"),
        ({"stretched": "x"}, "one of none, linear, root"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"frozen": True}, "pass decoder= too"),
        ({"frozen": True, "decoder": {"code": np.zeros(3)}}, "code is zero"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    net, params = conv_net()
    with pytest.raises(ValueError, match=message):
        generate(net, params, **options)


def test_a_generator_of_something_else_than_an_image_is_refused():
    net, params = fc_net()
    with pytest.raises(ValueError, match=r"draws \(4,\), not an image"):
        latent(net, params, grey_vector, None, shape=(4,))
    with pytest.raises(ValueError, match="bound is the largest"):
        latent(net, params, plain, jnp.zeros((4, 768)), shape=(4,), bound=0.0)
    with pytest.raises(ValueError, match="starts must be at least 1"):
        latent(net, params, plain, jnp.zeros((4, 768)), shape=(4,), starts=0)
