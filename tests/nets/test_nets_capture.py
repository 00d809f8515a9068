"""Outputs inside modules are captured without changing anybody's classes."""

import gc
import threading

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from jaxvis.nets import from_nnx

SIZE = (6, 5)


class Child(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 3, (1, 1), rngs=rngs)
        self.seen = nnx.static([])

    def __call__(self, x):
        self.seen.append(type(self).__mro__[:2])
        return self.conv(x)


class Parent(nnx.Module, pytree=False):
    def __init__(self, rngs):
        self.child = Child(rngs)

    def __call__(self, x, *, fail=False, pause=None):
        x = self.child(x)
        if pause is not None:
            pause.wait()
        if fail:
            raise RuntimeError("the module failed")
        return x.mean((1, 2))


class Jitted(nnx.Module):
    def __init__(self, rngs):
        self.first, self.second = Child(rngs), Parent(rngs)

    @nnx.jit
    def __call__(self, x):
        return self.second(self.first(x))


CLASSES = (Child, Parent, Jitted, nnx.Conv, nnx.Module)


@pytest.fixture(autouse=True)
def untouched():
    """Fails where a class does not have the very attributes that it had before."""
    before = {cls: dict(vars(cls)) for cls in CLASSES}
    yield
    for cls in CLASSES:
        assert before[cls] == dict(vars(cls)), cls


def classes_are_untouched(before):
    return all(dict(vars(cls)) == attributes for cls, attributes in before.items())


def test_classes_stay_as_they_are_even_while_a_module_runs():
    before, seen = {cls: dict(vars(cls)) for cls in CLASSES}, []

    class Looks(nnx.Module):
        def __init__(self, rngs):
            self.child = Child(rngs)

        def __call__(self, x):
            seen.append(classes_are_untouched(before))
            return self.child(x)

    net, params = from_nnx(Looks(nnx.Rngs(0)), input_size=SIZE)
    net.apply(params, jnp.ones((*SIZE, 3)))
    assert len(seen) >= 2 and all(seen)
    assert net.taps == ("input", "child.conv", "child", "output")


def test_the_users_module_and_others_of_its_class_stay_what_they_are():
    module, other = Parent(nnx.Rngs(0)), Parent(nnx.Rngs(1))
    net, params = from_nnx(module, input_size=SIZE)
    net.apply(params, jnp.ones((*SIZE, 3)))
    for one in (module, other):
        assert type(one) is Parent and type(one.child) is Child
        one(jnp.ones((1, *SIZE, 3)))
        assert not [name for name in vars(one.child) if "captures" in name]
    assert other.child.seen == [(Child, nnx.Module)]


def test_a_failing_call_leaves_nothing_behind():
    module = Parent(nnx.Rngs(0))
    with pytest.raises(ValueError, match="It said: the module failed"):
        from_nnx(module, input_size=SIZE, arguments={"fail": True})
    assert type(module) is Parent
    net, _ = from_nnx(module, input_size=SIZE)
    assert net.taps == ("input", "child.conv", "child", "output")


def test_modules_run_in_two_threads_at_once():
    barrier, found, errors = threading.Barrier(2, timeout=60), [None, None], []

    def adapt(i):
        try:
            arguments = {"pause": barrier}
            net, params = from_nnx(Parent(nnx.Rngs(i)), input_size=SIZE, arguments=arguments)
            found[i] = (net.taps, net.apply(params, jnp.ones((*SIZE, 3))))
        except Exception as error:  # the thread would swallow it
            errors.append(error)

    threads = [threading.Thread(target=adapt, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for i, (taps, outputs) in enumerate(found):
        assert taps == ("input", "child.conv", "child", "output")
        expected = Parent(nnx.Rngs(i))(jnp.ones((1, *SIZE, 3)))[0]
        assert jnp.allclose(outputs["output"], expected, atol=1e-6)


def test_calls_inside_a_jitted_module_are_captured():
    net, params = from_nnx(Jitted(nnx.Rngs(0)), input_size=SIZE)
    assert net.taps == (
        "input",
        "first.conv",
        "first",
        "second.child.conv",
        "second.child",
        "second",
        "output",
    )
    image = jax.random.uniform(jax.random.key(0), (*SIZE, 3))
    for _ in range(2):  # the second time, the inner jit has its program already
        taps = net.apply(params, image)
        assert jnp.allclose(taps["second"], taps["second.child"].mean((0, 1)), atol=1e-6)
        assert jnp.allclose(taps["output"], taps["second"])


def test_no_more_classes_are_made_for_a_class_that_is_known():
    def adapt():
        from_nnx(Parent(nnx.Rngs(0)), input_size=SIZE)
        gc.collect()
        return len(Parent.__subclasses__()), len(Child.__subclasses__())

    assert adapt() == adapt() == (1, 1)
