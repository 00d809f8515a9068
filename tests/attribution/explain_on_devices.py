"""Explains in a process of its own, whose number of devices is an argument."""

import sys

import jaxvis

jaxvis.use_cores(count=int(sys.argv[1]))

import numpy as np  # noqa: E402
from tiny_nets import conv_net  # noqa: E402

net, params = conv_net()
photos = np.random.default_rng(0).random((5, 16, 16, 3)).astype(np.float32)
np.savez(
    sys.argv[2],
    images=jaxvis.saliency(net, params, photos, index=1),
    scores=jaxvis.saliency(net, params, photos[:1], index=range(5), chunk=1),
    samples=jaxvis.integrated_gradients(net, params, photos[0], index=[0, 3], steps=7, chunk=2),
    kept=jaxvis.occlusion(net, params, photos[0], index=[0, 3], patch=4, stride=4),
)
