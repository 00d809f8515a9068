"""Coupled generators: the loss by hand, what a step records, sweeps, bad input."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from tiny_nets import compilations, conv_net, fc_net

from jaxvis.generators.adapters import generator_from_linen, generator_from_nnx
from jaxvis.generators.deep import DeepGenerator
from jaxvis.generators.drawing import Driven, Learned, Noise, stretch
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.methods.coupled.generate import generate, plan_generate
from jaxvis.methods.coupled.latent import latent
from jaxvis.methods.coupled.objectives import Couple, Likelihood, group_targets, number_groups
from jaxvis.methods.coupled.run import choose_view
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.rules import adam, adamax, nesterov, transformation_of
from jaxvis.recipes import GENERATORS, GeneratorRecipe, LatentRecipe
from jaxvis.types import Status
from tests.pictures import check_same_picture

TINY = DeepGenerator(start=(4, 4, 3), stages=((4, 2),))  # draws 12 x 12
WIDE = DeepGenerator(True, True, False, (4, 4, 3), ((4, 2),))


def fill(generator, seed):
    """Gives {"params", "statistics"} as `generator.init` does, without compiling that."""
    rng = np.random.default_rng(seed)
    known = {"scale": 1.0, "var": 1.0, "bias": 0.0, "mean": 0.0}

    def draw(path, leaf):
        if path[-1].key in known:
            return jnp.full(leaf.shape, known[path[-1].key])
        spread = 1 / np.sqrt(max(np.prod(leaf.shape[:-1]), 9))
        return jnp.asarray(rng.normal(0, spread, leaf.shape), jnp.float32)

    shapes = jax.eval_shape(generator.init, jax.random.key(0))
    return jax.tree_util.tree_map_with_path(draw, shapes)


FROZEN = replace(GENERATORS["frozen"], generator=WIDE)
SMALL = GeneratorRecipe(TINY, gain=40.0, optimizer=adamax(0.02), steps=25)


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
def test_a_step_records_the_running_averages_and_the_loss_is_its_terms():
    net, params = conv_net()
    canvas = Learned(TINY)
    z = fill(TINY, 0)
    loss = compose(net, canvas, view=choose_view(net, canvas))
    item, key = Couple("fc", jnp.eye(5)[2]), jax.random.key(1)
    value, terms, state = jax.jit(loss)(params, z, item, key)
    assert list(terms) == ["objective", "regularizer"]
    np.testing.assert_allclose(value, sum(terms.values()), rtol=1e-6)
    np.testing.assert_allclose(terms["regularizer"], 0.01 * 3, rtol=1e-6)
    noisy = canvas.noise(jax.random.split(key)[0], jnp.ones(TINY.code))
    apply = jax.jit(lambda z, x: TINY.apply(z["params"], z["statistics"], x, train=True))
    _, own = apply(z, noisy)
    assert list(state) == ["statistics"]
    for name, old in z["statistics"].items():
        for part in ("mean", "var"):
            wanted = 0.99 * old[part] + 0.01 * own[name][part]
            np.testing.assert_allclose(state["statistics"][name][part], wanted, atol=1e-6)
    # The solver moves the parameters by the optimizer and takes the state as it is.
    problem = Problem(loss, canvas, adamax(0.002), 1)
    items = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], item)
    start = jax.tree.map(lambda leaf: leaf[None], z)
    run = solve(problem, params, items, key[None], start=start)
    moved = jax.tree.map(lambda new, old: np.abs(new[0] - old).max(), run.z["params"], z["params"])
    np.testing.assert_allclose(max(jax.tree.leaves(moved)), 0.002, rtol=1e-3)  # AdaMax's first
    fold = jax.random.fold_in(key, 0)
    _, _, state = jax.jit(loss)(params, z, item, fold)
    found = jax.tree.map(lambda leaf: leaf[0], run.z["statistics"])
    chex.assert_trees_all_close(found, state["statistics"], atol=1e-6)


def test_noise_is_added_or_multiplied_with_the_papers_spread():
    ones = jnp.ones(20_000)
    added = Noise(2.0)(jax.random.key(0), ones)
    factor = Noise(0.2294, multiplied=True)(jax.random.key(0), 3 * ones)
    np.testing.assert_allclose(jnp.std(added), 2.0, rtol=0.02)
    np.testing.assert_allclose(jnp.std(factor), 3 * 0.2294, rtol=0.02)
    np.testing.assert_allclose(jnp.mean(factor), 3.0, rtol=0.01)


def walk(canvas, shared, z, optimizer, steps):
    """Gives the final z of some steps, and the alpha that each of them saw."""
    optimizer = transformation_of(optimizer)
    state, seen = optimizer.init(z["params"]), []

    @jax.jit
    def move(z, state, key):
        learned, recorded = canvas.split(z)

        def value(learned):
            drawing = canvas.draw(shared, canvas.join(learned, recorded), key)
            return jnp.mean(drawing.image) + sum(drawing.terms.values()), drawing.state

        grad, recorded = jax.grad(value, has_aux=True)(learned)
        updates, state = optimizer.update(grad, state, learned)
        return canvas.join(optax.apply_updates(learned, updates), recorded), state

    for step in range(steps):
        seen.append(z["params"]["alpha"]["alpha"])
        z, state = move(z, state, jax.random.key(step))
    return z, seen


@pytest.mark.slow
def test_the_driven_canvas_keeps_the_codes_of_the_last_epochs():
    canvas = Driven(WIDE, keep=3)
    shared = fill(WIDE, 0)
    start = canvas.start(shared, steps=8, every=2)
    z, seen = walk(canvas, shared, start, nesterov(0.5, momentum=0.1), 8)
    assert z["left"] == 0
    np.testing.assert_allclose(z["past"], jnp.stack([seen[4], seen[6]]), rtol=1e-5)
    show = jax.jit(canvas.decode)
    last, key = z["params"]["alpha"]["alpha"], jax.random.key(0)
    pictures = [
        show(shared, {**z, "past": jnp.stack([a, a]), "params": {"alpha": {"alpha": a}}}, key)
        for a in (seen[4], seen[6], last)
    ]
    np.testing.assert_allclose(show(shared, z, key), np.median(pictures, axis=0), atol=1e-5)


def test_a_driven_canvas_averages_what_its_decoder_draws():
    canvas = Driven(WIDE, noise=Noise(0.0), keep=1, momentum=0.75)
    shared = fill(WIDE, 0)
    z = canvas.start(shared, steps=4, every=2)
    drawing = jax.jit(canvas.draw)(shared, z, jax.random.key(1))
    params = {**shared["params"], **z["params"]}
    ones = jnp.ones(WIDE.code)
    _, own = jax.jit(lambda p, s: WIDE.apply(p, s, ones, train=True))(params, z["statistics"])
    for name, old in z["statistics"].items():
        wanted = 0.75 * old["mean"] + 0.25 * own[name]["mean"]
        np.testing.assert_allclose(drawing.state["statistics"][name]["mean"], wanted, atol=1e-6)
    assert drawing.state["left"] == 3 and drawing.state["every"] == 2


def test_a_frozen_decoder_starts_at_its_mean_code_and_keeps_its_averages():
    canvas = Driven(WIDE, noise=Noise(0.0), penalty=2.0, keep=1, frozen=True)
    code = jnp.linspace(-1.0, 2.0, WIDE.code)
    shared = {**fill(WIDE, 0), "code": code}
    z = canvas.start(shared, steps=4, every=2)
    np.testing.assert_array_equal(z["params"]["alpha"]["alpha"], code)

    @jax.jit
    def look(z):
        learned, recorded = canvas.split(z)

        def value(learned):
            drawing = canvas.draw(shared, canvas.join(learned, recorded), jax.random.key(1))
            return jnp.mean(drawing.image) + drawing.terms["regularizer"], drawing

        (_, drawing), grad = jax.value_and_grad(value, has_aux=True)(learned)
        return drawing, grad, canvas.decode(shared, z, jax.random.key(2))

    drawing, grad, shown = look(z)
    assert drawing.terms["regularizer"] == 0
    kept = zip(jax.tree.leaves(drawing.state["statistics"]), jax.tree.leaves(z["statistics"]))
    assert all(np.array_equal(new, old) for new, old in kept)
    assert np.any(grad["alpha"]["alpha"])
    np.testing.assert_allclose(shown, drawing.image, atol=1e-5)
    double = {**z, "params": {"alpha": {"alpha": 2 * code}}}
    np.testing.assert_allclose(look(double)[0].terms["regularizer"], 2.0, rtol=1e-5)


GROUPS = ((2,), (0, 4))
SWEEP = {"index": GROUPS, "seeds": 2, "recipe": SMALL}


@pytest.fixture(scope="module")
def sweep():
    """Gives the run of one class and one compound, two seeds each."""
    net, params = conv_net()
    return generate(net, params, chunk=2, **SWEEP)


@pytest.mark.slow
def test_a_sweep_learns_a_generator_an_item(sweep):
    assert sweep.image.shape == (2, 2, 12, 12, 3) and sweep.z == ()
    loss = sweep.trace["objective"]
    assert loss.shape == (2, 2, 25) and np.all(sweep.status == Status.DONE)
    assert np.all(loss[..., -5:].mean(-1) < loss[..., :5].mean(-1))
    pictures = sweep.image.reshape(4, -1)
    assert min(np.abs(a - b).max() for i, a in enumerate(pictures) for b in pictures[:i]) > 0.01
    assert sweep.facts["chunk"].tolist() == [[2, 2], [2, 2]]


@pytest.mark.slow
def test_a_plan_makes_the_same_pictures_chunk_by_chunk(sweep):
    net, params = conv_net()
    job = plan_generate(net, params, GROUPS, SMALL, seeds=2)
    assert job.count == 4
    chunks = list(job.chunks(chunk=2))
    assert [where.tolist() for where, _ in chunks] == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(chunks[1][1].image, sweep.image[1])


@pytest.mark.slow
def test_what_is_left_of_a_sweep_comes_out_as_in_the_whole(sweep):
    net, params = conv_net()
    job = plan_generate(net, params, GROUPS, SMALL, seeds=2)
    run = job.run(chunk=2, skip=(0, 3))
    # Each keeps its place in its chunk, so that even its rounding is the same.
    np.testing.assert_array_equal(run.image[[0, 1], [1, 0]], sweep.image[[0, 1], [1, 0]])
    assert np.isnan(run.image[[0, 1], [0, 1]]).all()
    assert run.status.tolist() == [
        [Status.UNFINISHED, Status.DONE],
        [Status.DONE, Status.UNFINISHED],
    ]
    assert [where.tolist() for where, _ in job.chunks(chunk=2, skip=(0, 1, 3))] == [[2]]
    with pytest.raises(ValueError, match="all 4 items are done already"):
        job.run(skip=range(4))


@pytest.mark.slow
def test_a_picture_is_the_same_alone_and_among_others(sweep):
    """Its key comes from the class and the seed; only the rounding differs."""
    net, params = conv_net()
    options = {**SWEEP, "index": 2, "seeds": 1, "steps": 3}
    alone = generate(net, params, **options)
    among = generate(net, params, chunk=2, **{**options, "index": [1, 2], "seeds": 2})
    np.testing.assert_allclose(alone.trace["loss"][0, 0], among.trace["loss"][1, 0], rtol=1e-4)
    check_same_picture(alone.image[0, 0], among.image[1, 0])
    jobs = [
        plan_generate(net, params, groups, SMALL, seeds=2) for groups in (((2,),), ((1,), (2,)))
    ]
    keys = [np.asarray(jax.random.key_data(job.keys)) for job in jobs]
    np.testing.assert_array_equal(keys[0], keys[1][2:])


@pytest.mark.slow
def test_many_alphas_on_one_decoder_with_dropout():
    net, params = conv_net()
    decoder = fill(WIDE, 4)
    recipe = GeneratorRecipe(
        WIDE,
        steps=24,
        dropout=("relu1",),
        stretched="linear",
        others=0.0,
        penalty=0.0,
        optimizer=nesterov(5.0, momentum=0.1),
        gain=40.0,
    )
    run = generate(
        net,
        params,
        tap="relu2",
        index=[1, (2, 3)],
        decoder=decoder,
        recipe=recipe,
    )
    assert run.image.shape == (2, 1, 12, 12, 3)
    np.testing.assert_allclose(run.image.min((2, 3, 4)), 0, atol=1e-6)
    np.testing.assert_allclose(run.image.max((2, 3, 4)), 1, atol=1e-6)
    assert np.all(run.trace["loss"][..., -3:].mean(-1) < run.trace["loss"][..., 0])


@pytest.mark.slow
def test_numbers_and_steps_of_generated_pictures_never_compile_again():
    net, params = conv_net()

    def again(seed, steps):
        recipe = GeneratorRecipe(
            TINY,
            others=0.01 * (1 + seed),
            penalty=0.01 * (1 + seed),
            gain=40.0 + seed,
            optimizer=adamax(0.02 + 0.01 * seed),
        )
        generate(
            net,
            jax.tree.map(lambda leaf: (1 + 0.1 * seed) * leaf, params),
            index=[2 + seed, (0, 3 - seed)],
            key=seed,
            recipe=recipe,
            steps=steps,
        )

    again(0, 8)
    assert compilations(lambda: again(1, 9)) == 0


@pytest.mark.slow
def test_numbers_and_steps_of_a_driven_decoder_never_compile_again():
    net, params = conv_net()

    decoders = [{**fill(WIDE, i), "code": jnp.linspace(-1.0, 2.0 + i, WIDE.code)} for i in (0, 1)]

    def again(seed, steps):
        generate(
            net,
            params,
            index=[seed, 3],
            key=seed,
            decoder=decoders[seed],
            recipe=replace(FROZEN, penalty=0.1 * (1 + seed), gain=40.0 + seed),
            steps=steps,
        )

    again(0, 12)
    assert compilations(lambda: again(1, 13)) == 0


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


@pytest.mark.slow
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
        recipe=LatentRecipe(1, 0.5, radius=0.0, bound=0.5, others=0.01, optimizer=adam(0.1)),
        steps=9,
    )
    assert run.image.shape == (2, 1, 16, 16, 3) and run.z.shape == (2, 1, 4)
    assert np.abs(run.z).max() <= 0.5
    objective, prior = run.trace["objective"], run.trace["regularizer"]
    assert np.all(objective[..., -1] < objective[..., 1])
    assert np.all(prior[..., 1:] <= 0.5 * 0.25)
    drawn = jax.jit(generator)(shared, run.z[1, 0])
    np.testing.assert_allclose(drawn, run.image[1, 0], atol=1e-5)


@pytest.mark.slow
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
            recipe=LatentRecipe(starts, prior=0.0, optimizer=adam(1e-9), steps=1),
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
        recipe=LatentRecipe(1, radius=1.5, optimizer=adam(0.1), steps=60),
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
        ({"recipe": GeneratorRecipe(dropout=("x",))}, "no tap 'x'"),
        ({"recipe": "x"}, "recipe must be one of paper, decoder, frozen, or a GeneratorRecipe"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"recipe": "frozen"}, "pass decoder= too"),
        ({"recipe": GeneratorRecipe(optimizer=None)}, "which is of a trained decoder: name one"),
        ({"recipe": "frozen", "decoder": {"code": np.zeros(3)}}, "code is zero"),
        ({"decoder": {**fill(WIDE, 0), "code": np.ones(3)}}, "has another table than the recipe"),
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
    with pytest.raises(ValueError, match="recipe must be one of best_start, one_start, or a Lat"):
        latent(net, params, plain, jnp.zeros((4, 768)), shape=(4,), recipe="x")


def test_recipes_without_a_meaning_are_refused():
    with pytest.raises(ValueError, match="bound is the largest"):
        LatentRecipe(bound=0.0)
    with pytest.raises(ValueError, match="starts must be at least 1"):
        LatentRecipe(starts=0)
    with pytest.raises(ValueError, match="one of none, linear, root"):
        GeneratorRecipe(stretched="x")


def test_a_group_has_a_number_that_its_order_and_company_do_not_change():
    assert group_targets(3) == ((3,),)
    assert group_targets(range(2)) == ((0,), (1,))
    assert group_targets([3, (1, 2)]) == ((3,), (1, 2))
    assert number_groups(((3,), (1, 2))) == [3, number_groups(((2, 1),))[0]]
    assert number_groups(((1, 2),))[0] not in (1, 2, *number_groups(((1, 3),)))


COUPLED = LatentRecipe(2, others=0.01)


@pytest.mark.slow
def test_a_latent_sweep_compiles_once_for_all_its_numbers():
    net, params = fc_net()

    def again(seed, steps):
        shared = np.random.default_rng(seed).normal(size=(4, 768)).astype(np.float32)
        latent(
            net,
            params,
            plain,
            shared,
            index=[seed, 3],
            key=seed,
            shape=(4,),
            recipe=replace(
                COUPLED, prior=1.0 + seed, radius=1.0 + seed, optimizer=adam(0.1 + seed)
            ),
            steps=steps,
        )

    again(0, 8)
    assert compilations(lambda: again(1, 9)) == 0


def test_a_latent_picture_may_have_an_objective_of_ones_own():
    net, params = fc_net()
    shared = np.random.default_rng(0).normal(size=(4, 768)).astype(np.float32)
    options = {"shape": (4,), "recipe": LatentRecipe(2, steps=5), "seeds": 2}

    def darken(taps):
        return jnp.mean(taps["fc"][1])

    run = latent(net, params, plain, shared, objective=darken, **options)
    assert run.image.shape == (1, 2, 16, 16, 3)
    assert np.all(run.trace["objective"][..., -1] < run.trace["objective"][..., 0])
    named = latent(net, params, plain, shared, objective=-1.0 * Excite("fc", 1), **options)
    np.testing.assert_allclose(named.image, run.image, atol=1e-4)
    for other in ({"tap": "fc"}, {"index": 2}):
        with pytest.raises(ValueError, match="leave tap and index out"):
            latent(net, params, plain, shared, objective=darken, **other, **options)


@pytest.mark.slow
def test_latent_codes_are_the_same_alone_and_among_others():
    net, params = fc_net()
    shared = np.random.default_rng(0).normal(size=(4, 768)).astype(np.float32)
    options = {"shape": (4,), "recipe": COUPLED, "steps": 2}
    alone = latent(net, params, plain, shared, index=3, **options)
    among = latent(net, params, plain, shared, index=[1, 3], seeds=2, **options)
    np.testing.assert_allclose(alone.z[0, 0], among.z[1, 0], rtol=1e-4, atol=1e-5)
