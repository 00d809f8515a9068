"""Total variation denoising against scikit-image."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.restoration import denoise_tv_chambolle
from tiny_nets import photograph

from jaxvis.compiler import jit
from jaxvis.loss.chambolle import Chambolle, build_filter


@pytest.mark.parametrize(("weight", "steps"), [(0.2, 200), (0.05, 7)])
def test_chambolle_is_scikit_images(weight, steps):
    noise = np.random.default_rng(5).random((24, 24, 3)).astype(np.float32)
    image = np.clip(np.asarray(photograph(24)) + 0.1 * noise, 0, 1)
    expected = denoise_tv_chambolle(image, weight=weight, max_num_iter=steps, channel_axis=-1)
    found = Chambolle(weight, steps=steps)(None, jnp.asarray(image))
    # In single precision a channel may stop one step sooner or later.
    np.testing.assert_allclose(found, expected, atol=1e-3 if steps == 200 else 1e-5)


def test_chambolle_leaves_a_flat_image_and_refuses_no_weight():
    flat = jnp.full((6, 8, 3), 0.3)
    np.testing.assert_allclose(Chambolle(0.2)(None, flat), flat, atol=1e-6)
    with pytest.raises(ValueError, match="weight must be above 0"):
        Chambolle(0.0)


def test_another_weight_compiles_nothing():
    run = jit(lambda smooth, image: smooth(None, image))
    image = jnp.asarray(photograph(12))
    weak, strong = run(Chambolle(0.01), image), run(Chambolle(0.5), image)
    assert run.count_compilations() == 1
    assert np.std(strong) < 0.9 * np.std(weak)


def test_a_built_filter_smooths_the_same_part_of_a_picture_of_any_size():
    assert build_filter(0.0, (24, 32)) is None
    sizes = [(24, 32), (48, 64), (384, 512)]
    weights = [build_filter(0.2, size).weight for size in sizes]
    np.testing.assert_allclose(weights, [0.2 / 32, 0.2 / 16, 0.1])
