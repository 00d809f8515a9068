"""Every method on small random networks, with as many steps as an accelerator scans."""

import functools
from dataclasses import replace

import jax
import numpy as np
from flax import nnx
from tiny_nets import conv_net

import jaxvis
from jaxvis.generators.deep import DeepGenerator
from jaxvis.methods.coupled.generate import generate
from jaxvis.methods.coupled.latent import latent
from jaxvis.methods.dream import dream
from jaxvis.methods.facets.find import Facets
from jaxvis.methods.facets.visualize import visualize_facets
from jaxvis.methods.preimage.caricature import caricature
from jaxvis.methods.preimage.invert import invert
from jaxvis.methods.ranvgg.stack import StackRecipe, stack
from jaxvis.methods.style.feature_maps import feature_maps
from jaxvis.methods.style.style import style
from jaxvis.methods.style.texture import texture
from jaxvis.nets import build, from_nnx, parameter_shapes
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.optimize.step_programs import SCAN
from jaxvis.recipes import GENERATORS
from jaxvis.recipes.dreams import DREAMS
from jaxvis.recipes.styles import StyleRecipe, TextureRecipe

SIDE = 32
ITEMS = 4
"""Pictures of every method: two for each of two devices."""
INDEX = range(ITEMS)
TAPS = ("relu1", "relu2")
LEARNED = DeepGenerator(start=(4, 4, 3), stages=((4, 2),))
DRIVEN = DeepGenerator(True, True, False, (4, 4, 3), ((4, 2),))


def fill(net):
    """Returns (net, params) where all that counts is the shapes of the parameters."""
    shapes = parameter_shapes(net)
    is_shape = lambda node: isinstance(node, tuple)  # noqa: E731
    return net, jax.tree.map(lambda one: np.ones(one, np.float32), shapes, is_leaf=is_shape)


@functools.cache
def wide_net():
    """Returns (net, params) whose second convolution a CPU computes by Winograd's algorithm."""
    rows = (
        Layer("conv1", "conv", 128, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("conv2", "conv", 128, 3, pad=1),
        Layer("relu2", "relu"),
        Layer("gap", "gap"),
        Layer("fc", "fc", 5),
    )
    return fill(build_network("wide", rows, input_size=(SIDE, SIDE), scores="fc"))


@functools.cache
def squeezenet():
    """Returns (net, params) of SqueezeNet 1.1 for 64 x 64 pixels."""
    return fill(build("squeezenet1_1", input_size=(64, 64)))


@functools.cache
def adapted_net():
    """Returns (net, params) of a user's own two convolutions."""

    class Own(nnx.Module):
        def __init__(self, rngs):
            self.conv1 = nnx.Conv(3, 6, (3, 3), rngs=rngs)
            self.conv2 = nnx.Conv(6, 8, (3, 3), rngs=rngs)

        def __call__(self, x):
            return jax.nn.relu(self.conv2(jax.nn.relu(self.conv1(x))))

    return from_nnx(Own(nnx.Rngs(0)), input_size=(SIDE, SIDE))


def draw_by_matrix(shared, z):
    """Makes an image of a code: a generator of one matrix."""
    return jax.nn.sigmoid((shared @ z).reshape(SIDE, SIDE, 3))


def fill_decoder():
    shapes = jax.eval_shape(DRIVEN.init, jax.random.key(0))
    decoder = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)
    return {**decoder, "code": np.ones(DRIVEN.code, np.float32)}


def call(method, *arguments, net=None, **options):
    """Calls a method with a network, by default of two convolutions."""
    return method(*(net or conv_net(SIDE)), *arguments, **{"steps": SCAN, **options})


def maximize(recipe="robust", tap="relu2", **options):
    return call(jaxvis.maximize, tap=tap, index=INDEX, recipe=recipe, **options)


def draw_texture(weights="relative", **options):
    recipe = TextureRecipe(TAPS, weights, **options)
    return call(texture, PHOTO, recipe=recipe, seeds=ITEMS)


def paint(**options):
    return call(style, PHOTO, PHOTO[:24], recipe=replace(STYLE, **options), seeds=ITEMS)


def draw_latent():
    matrix = np.ones((SIDE * SIDE * 3, 7), np.float32)
    options = {"shape": (7,), "recipe": "one_start", "index": INDEX}
    return call(latent, draw_by_matrix, matrix, **options)


def generate_with_decoder():
    recipe = replace(GENERATORS["decoder"], generator=DRIVEN)
    return call(generate, index=INDEX, decoder=fill_decoder(), recipe=recipe)


def show_facets():
    means = np.stack([PHOTO] * ITEMS)
    found = Facets(np.arange(2), np.ones(2, np.float32), np.arange(2), means)
    return call(visualize_facets, found, index=2)


def stack_networks():
    recipe = StackRecipe(candidates=2, steps=SCAN)
    return stack(conv_net(SIDE)[0], PHOTO, networks=2, stop="relu2", recipe=recipe)


PHOTO = np.random.default_rng(0).uniform(size=(SIDE, SIDE, 3)).astype(np.float32)
STYLE = StyleRecipe(("relu2",), TAPS, gamma=0.1)
DREAM = replace(DREAMS["deepdream"], octaves=2)
PAPER = replace(GENERATORS["paper"], generator=LEARNED)

METHODS = {
    "maximize": lambda: call(jaxvis.maximize, index=range(2), seeds=2),
    "dream": lambda: call(dream, PHOTO, tap="relu2", seeds=ITEMS, recipe=DREAM),
    "invert": lambda: call(invert, PHOTO, tap="relu2", seeds=ITEMS, recipe="mahendran"),
    "caricature": lambda: call(caricature, PHOTO, tap="relu2", seeds=ITEMS),
    "texture": draw_texture,
    "style": paint,
    "feature_maps": lambda: call(feature_maps, PHOTO, tap="relu2", index=INDEX),
    "generate": lambda: call(generate, index=INDEX, recipe=PAPER),
    "latent": draw_latent,
    "facets": show_facets,
    "stack": stack_networks,
}
"""Name of a method -> what calls it for `ITEMS` pictures."""

VARIANTS = {
    "maximize, lucid": lambda: maximize("lucid"),
    "maximize, plain": lambda: maximize("plain"),
    "maximize, maco": lambda: maximize("maco"),
    "maximize, mahendran": lambda: maximize("mahendran"),
    "maximize, wide": lambda: maximize(net=wide_net()),
    "maximize, squeezenet1_1": lambda: maximize(tap=None, net=squeezenet()),
    "maximize, own network": lambda: maximize(tap="conv2", net=adapted_net()),
    "texture, tileable": lambda: draw_texture("balanced", tileable=True),
    "style, adam": lambda: paint(optimizer="adam"),
    "generate, decoder": generate_with_decoder,
}
"""The same with other recipes, networks and generators."""
