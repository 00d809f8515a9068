"""Masking methods and judges of heatmaps against captum's and torchcam's, on equal networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
attr = pytest.importorskip("captum.attr")
metrics = pytest.importorskip("captum.metrics")

import jaxvis  # noqa: E402
from jaxvis.attribution.masks.lime import WIDTH  # noqa: E402
from jaxvis.evaluate.heatmaps.fidelity import draw_change, split_key  # noqa: E402
from jaxvis.nets.adapters import from_function  # noqa: E402

SIDE = 12
TOLERANCE = 1e-5


def draw_params():
    rng = np.random.default_rng(3)
    kernel = rng.normal(size=(3, 3, 3, 6)).astype(np.float32)
    return {"conv": {"kernel": kernel}, "fc": {"kernel": rng.normal(size=(6, 4)) / 3}}


def compute(params, image):
    dimensions = ("NHWC", "HWIO", "NHWC")
    kernel = params["conv"]["kernel"]
    maps = jax.lax.conv_general_dilated(
        image[None], kernel, (2, 2), "VALID", dimension_numbers=dimensions
    )
    mean = jnp.mean(jax.nn.relu(maps[0]), axis=(0, 1))
    return {"scores": mean @ params["fc"]["kernel"]}


class Peer(torch.nn.Module):
    """The same network in torch."""

    def __init__(self, params):
        super().__init__()
        self.kernel = torch.tensor(params["conv"]["kernel"].transpose(3, 2, 0, 1).copy())
        self.fc = torch.tensor(params["fc"]["kernel"], dtype=torch.float32)

    def forward(self, x):
        maps = torch.relu(torch.nn.functional.conv2d(x, self.kernel, stride=2))
        return maps.mean((2, 3)) @ self.fc


@pytest.fixture(scope="module")
def both():
    """Returns (net, params), torch's module, and an image of each."""
    params = draw_params()
    peer = Peer(params)
    ours = from_function(
        compute, jax.tree.map(jnp.asarray, params), input_size=(SIDE, SIDE), scores="scores"
    )
    image = np.random.default_rng(1).random((SIDE, SIDE, 3)).astype(np.float32)
    return ours, peer, image, torch.tensor(image.transpose(2, 0, 1)[None].copy())


def assert_close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())


@pytest.mark.parametrize(("patch", "stride"), [(4, 2), (5, 3), (3, 3)])
def test_occlusion_is_captums(both, patch, stride):
    ours, peer, image, x = both
    found = jaxvis.occlusion(
        *ours, image, index=[0, 2], patch=patch, stride=stride, baseline="zero"
    )
    for place, target in enumerate((0, 2)):
        wanted = attr.Occlusion(peer).attribute(
            x,
            target=target,
            sliding_window_shapes=(3, patch, patch),
            strides=(3, stride, stride),
        )
        assert_close(found[place], wanted[0, 0].numpy())


@pytest.mark.slow
def test_lime_is_captums_where_both_see_every_mask_often(both):
    ours, peer, image, x = both
    segments = np.arange(SIDE)[:, None] // 6 * 2 + np.arange(SIDE) // 6
    found = jaxvis.lime(*ours, image, index=1, segments=segments, samples=4000, baseline="zero")
    linear = pytest.importorskip("captum._utils.models.linear_model")
    pytest.importorskip("sklearn")
    torch.manual_seed(0)

    def weigh(original, perturbed, bits, **options):
        distance = 1 - bits.float().mean().sqrt()
        return torch.exp(-(distance**2) / (2 * WIDTH**2))

    model = linear.SkLearnRidge(alpha=1.0)
    lime = attr.Lime(peer, interpretable_model=model, similarity_func=weigh)
    mask = torch.tensor(segments)[None, None]
    wanted = lime.attribute(x, target=1, feature_mask=mask, n_samples=2000)[0, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("change", ["square", "noise"])
def test_infidelity_is_captums_for_the_same_changes(both, change, normalise):
    ours, peer, image, x = both
    heat = np.random.default_rng(2).normal(size=(SIDE, SIDE)).astype(np.float32)
    found = jaxvis.infidelity(
        *ours, image, heat, index=2, change=change, samples=6, normalise=normalise
    )
    keys = split_key(jax.random.key(0), 6)
    draw = jaxvis.jit(jax.vmap(lambda key: draw_change(change, key, (SIDE, SIDE))))
    taken = torch.tensor(np.array(draw(keys)))[:, None]

    def perturb(inputs):
        # A heatmap has one value a pixel, which stands here in the first of three channels.
        return taken.expand_as(inputs), inputs * (1 - taken)

    maps = torch.zeros_like(x)
    maps[0, 0] = torch.tensor(heat)
    wanted = metrics.infidelity(
        peer, perturb, x, maps, target=2, n_perturb_samples=6, normalize=normalise
    )
    np.testing.assert_allclose(found, wanted.item(), rtol=1e-4)


def test_max_sensitivity_is_captums_for_the_same_noise(both):
    _, _, image, x = both
    seen = []

    def explain(images):
        seen.append(np.asarray(images))
        return (np.asarray(images) ** 2).mean(-1)

    found = jaxvis.max_sensitivity(explain, image, radius=0.05, samples=4)
    noisy = torch.tensor(np.concatenate(seen[1:]).transpose(0, 3, 1, 2).copy())

    def square(inputs):
        # Captum hands in a tuple first, and then a tensor.
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        return tuple(one.square().mean(1) for one in given)

    wanted = metrics.sensitivity_max(
        square,
        x,
        perturb_func=lambda inputs: noisy,
        n_perturb_samples=4,
    )
    np.testing.assert_allclose(found, wanted.item(), rtol=TOLERANCE)


def test_deletion_and_insertion_are_torchcams(both):
    torchcam = pytest.importorskip("torchcam.metrics")
    ours, peer, image, x = both
    heat = np.random.default_rng(5).permutation(SIDE**2).reshape(SIDE, SIDE)
    heat = (heat / (SIDE**2 - 1)).astype(np.float32)

    class Extractor:
        model = peer

        def __call__(self, class_idx, scores, **options):
            return [torch.tensor(heat)[None]]

        def fuse_cams(self, cams):
            return cams[0]

        def _hooks_off(self):
            return torch.no_grad()

    soft = torch.nn.Softmax(dim=-1)
    curves = torchcam.DeletionInsertionMetric(Extractor(), soft, steps=12)
    curves.update(x, 1)
    options = {"index": 1, "steps": 12, "baseline": "zero"}
    down = jaxvis.deletion(*ours, image, heat, **options)
    up = jaxvis.insertion(*ours, image, heat, **options)
    np.testing.assert_allclose(down.area, curves.deletion, rtol=TOLERANCE)
    np.testing.assert_allclose(up.area, curves.insertion, rtol=TOLERANCE)
    confidence = torchcam.ClassificationMetric(Extractor(), soft)
    confidence.update(x, 1)
    drop = jaxvis.average_drop(*ours, image, heat, index=1, baseline="zero")
    increase = jaxvis.average_increase(*ours, image, heat, index=1, baseline="zero")
    np.testing.assert_allclose(drop, confidence.drop, rtol=1e-4, atol=1e-6)
    assert float(increase) == confidence.increase
