"""What methods with a generator share: their chunks, starts, views and last steps."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, FunctionLoss, conv_net

from jaxvis.generators.deep import DeepGenerator
from jaxvis.generators.drawing import Driven, Learned, mean_levels
from jaxvis.generators.latent import Latent
from jaxvis.loss.views import Resize
from jaxvis.methods.coupled.run import choose_finish, choose_starts, choose_view
from jaxvis.optimize import Problem, chunk_size, memory
from jaxvis.optimize.chunk_size import Sweep
from jaxvis.optimize.rules import adam
from jaxvis.recipes.generators import GeneratorRecipe
from jaxvis.tuning import Tuning

TABLE = DeepGenerator(start=(2, 2, 3), stages=((4, 2),))


def build(canvas):
    return Problem(FunctionLoss(lambda *_: None), canvas, adam(0.1), 1)


def sweep_of(count):
    keys = jax.random.split(jax.random.key(0), count)
    return Sweep({}, None, np.zeros(count), keys, None, None)


@pytest.mark.parametrize(
    ("canvas", "platform", "size"),
    [
        (Learned(TABLE), "cpu", 1),
        (Learned(TABLE), "gpu", 20),
        (Driven(TABLE), "cpu", Tuning().cpu_items),
    ],
)
def test_generators_of_their_own_go_one_by_one_on_a_cpu(canvas, platform, size, monkeypatch):
    monkeypatch.setattr(chunk_size, "platform_of", lambda tree: platform)
    assert chunk_size.max_chunk(build(canvas), sweep_of(20)) == size


def test_generators_of_their_own_go_together_where_a_chunk_is_asked_for(monkeypatch):
    class Traced:
        jaxpr = SimpleNamespace(jaxpr=None)

        def lower(self):
            return self

        def compile(self):
            return None

    monkeypatch.setattr(chunk_size, "_trace", lambda *_: Traced())
    monkeypatch.setattr(memory, "step_bytes", lambda *_: 0)
    monkeypatch.setattr(memory, "peak_bytes", lambda *_: 0)
    problem = build(Learned(TABLE))
    assert chunk_size.chunk_size(problem, sweep_of(20), chunk=4) == 4
    assert chunk_size.chunk_size(problem, sweep_of(20)) == 1


def test_a_network_sees_pictures_in_the_size_that_it_takes():
    net, _ = conv_net()
    small = Latent(abs, (4,), (8, 8))
    assert choose_view(net, small) == Resize((SIDE, SIDE))
    assert choose_view(net, Latent(abs, (4,), (SIDE, SIDE))) is None


def test_pictures_are_stretched_as_asked_for(key):
    image = jnp.array([1.0, 5.0, 2.0]).reshape(1, 1, 3)
    assert choose_finish("none") is None
    shown = mean_levels(3) / 255 + image  # what a generator that puts out `image` draws
    np.testing.assert_allclose(choose_finish("linear")(key, shown).ravel(), [0, 1, 0.25], rtol=1e-5)
    np.testing.assert_allclose(choose_finish("root")(key, shown).ravel(), [0, 1, 0.5], rtol=1e-5)
    two = jnp.concatenate([shown, shown + 0.5 * jnp.arange(1, 4)])
    apart = choose_finish("channels")(key, two)
    np.testing.assert_allclose(apart, [[[0] * 3], [[1] * 3]], atol=1e-6)
    with pytest.raises(ValueError, match="one of none, linear, root, channels, not 'square'"):
        GeneratorRecipe(stretched="square")


def test_the_start_of_least_loss_is_chosen_for_every_item(key):
    def far(params, z, item, key):
        return jnp.sum((z - item) ** 2), {}

    canvas = Latent(abs, (3,), (8, 8))
    problem = Problem(FunctionLoss(far), canvas, adam(0.1), 1)
    items, keys = np.float32([0.0, 2.0]), jax.random.split(key, 2)
    assert choose_starts(problem, {}, None, items, keys, 1) is None
    few, many = (choose_starts(problem, {}, None, items, keys, count) for count in (2, 9))
    losses = [np.sum((z - items[:, None]) ** 2, axis=1) for z in (few, many)]
    assert np.all(losses[1] <= losses[0]) and np.any(losses[1] < losses[0])
