"""Our side of a step: images are shared among devices as the solver shares its items."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tiny_nets import conv_net

from benchmarks.harness import subjects
from jaxvis.tuning import Tuning

TESTS = Path(__file__).resolve().parents[1]
ON_CORES = """
import jax, numpy as np, jaxvis
from tiny_nets import conv_net
from benchmarks.harness import subjects
from jaxvis.optimize import memory
from jaxvis.tuning import Tuning
jaxvis.use_cores(count=3)
net, params = conv_net(16)
print(*(subjects.choose_share(net, params, count, (224, 224))[1] for count in (1, 3, 6, 8, 20)))
memory.find_tuning = lambda: Tuning(core_pixels=2 * 16 * 16)
for count in (1, 8):
    images, index = subjects.draw_images(count, 16), np.arange(count, dtype=np.int32) % 5
    step = subjects.SharedStep(net, params, "fc", images, index)
    ready = subjects.prepare_params(net, params, 16)
    alone = subjects.make_gradient(net, "fc")(ready, images, index)
    for ours, expected in zip(step.read(), alone):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    taken = [gradients for _, gradients in step.take()]
    print(count, *((len(part), len(part.devices())) for part in taken))
"""


def test_cores_share_the_images_of_a_step():
    env = {k: v for k, v in os.environ.items() if "XLA_FLAGS" not in k and "JAX_NUM" not in k}
    env["PYTHONPATH"] = os.pathsep.join((str(TESTS), str(TESTS.parent)))
    done = subprocess.run([sys.executable, "-c", ON_CORES], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "1 1 2 2 2",  # at 224 pixels a core takes two together
        "1 (1, 1)",
        "8 (6, 3) (6, 3)",  # the second part is two images and copies of the last
    ]


def test_one_device_takes_all_images_together():
    net, params = conv_net(16)
    images, index = subjects.draw_images(3, 16), np.array([4, 0, 2], np.int32)
    step = subjects.SharedStep(net, params, "fc", images, index)
    assert [len(scores) for scores, _ in step.take()] == [3]
    scores, gradients = step.read()
    for image, at, score in zip(images, index, scores):
        np.testing.assert_allclose(
            score, net.apply(params, image, stop="fc")["fc"][at], rtol=1e-4, atol=1e-5
        )
    assert gradients.shape == images.shape and np.abs(gradients).max() > 0


def test_one_device_takes_a_large_batch_in_parts():
    net, params = conv_net(16)
    count = Tuning().cpu_items + 1
    images, index = subjects.draw_images(count, 16), np.arange(count, dtype=np.int32) % 5
    step = subjects.SharedStep(net, params, "fc", images, index)
    assert [len(scores) for scores, _ in step.take()] == [Tuning().cpu_items] * 2
    scores, gradients = step.read()
    assert scores.shape == (count,) and gradients.shape == images.shape
    single = subjects.SharedStep(net, params, "fc", images[-1:], index[-1:]).read()
    np.testing.assert_allclose(scores[-1:], single[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[-1:], single[1], rtol=1e-4, atol=1e-5)
