"""The attacks for the smallest perturbation beside foolbox's, on the same weights."""

from functools import cache

import numpy as np
import pytest
from tiny_nets import conv_net, fc_net

from jaxvis import attacks

torch = pytest.importorskip("torch")

from tests.peers.torch_pictures import build_torch, measure, to_torch  # noqa: E402

IMAGES = 50


@cache
def subjects(which):
    """Returns (net, params, module, images, labels) of a small network of random weights."""
    net, params = fc_net() if which == "fc" else conv_net(16)
    module = build_torch(net, params)
    images = np.random.default_rng(0).uniform(0.1, 0.9, (IMAGES, 16, 16, 3)).astype(np.float32)
    labels = module(to_torch(images)).argmax(1).numpy()
    return net, params, module, images, labels


def run_foolbox(foolbox, attack, which, norm):
    """Returns the distances of a peer's pictures, infinite where they do not fool."""
    _, _, module, images, labels = subjects(which)
    model = foolbox.PyTorchModel(module, bounds=(0, 1))
    x, y = to_torch(images), torch.tensor(labels)
    found, _, _ = attack(model, x, y, epsilons=None)
    fooled = (module(found).argmax(1) != y).numpy()
    delta = (found.detach().numpy() - x.numpy()).astype(np.float64)
    return np.where(fooled, measure(delta, norm), np.inf)


RUNS = {"steps": 100, "runs": 9}
CASES = {
    "carlini_wagner": (
        attacks.carlini_wagner,
        "l2",
        {**RUNS, "step_size": 0.02},
        lambda a: a.L2CarliniWagnerAttack(binary_search_steps=9, steps=100, stepsize=0.02),
    ),
    "elastic": (
        attacks.elastic_net,
        "l1",
        RUNS,
        lambda a: a.EADAttack(binary_search_steps=9, steps=100),
    ),
    "elastic_l1": (
        attacks.elastic_net,
        "l1",
        {**RUNS, "rule": "l1"},
        lambda a: a.EADAttack(binary_search_steps=9, steps=100, decision_rule="L1"),
    ),
    "ddn": (attacks.ddn, "l2", {}, lambda a: a.DDNAttack()),
    "deepfool_l2": (attacks.deepfool, "l2", {}, lambda a: a.L2DeepFoolAttack()),
    "deepfool_linf": (attacks.deepfool, "linf", {}, lambda a: a.LinfDeepFoolAttack()),
    "fmn_l2": (attacks.fmn, "l2", {}, lambda a: a.L2FMNAttack()),
    "fmn_linf": (attacks.fmn, "linf", {}, lambda a: a.LInfFMNAttack()),
    "fmn_l1": (attacks.fmn, "l1", {}, lambda a: a.L1FMNAttack()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("which", ["fc", "conv"])
def test_distances_are_foolbox_s_or_smaller(foolbox, name, which):
    call, norm, options, make = CASES[name]
    net, params, _, images, labels = subjects(which)
    run = call(net, params, images, labels, norm=norm, **options)
    theirs = run_foolbox(foolbox, make(foolbox.attacks), which, norm)
    ours = np.where(run.facts["success"], run.facts["distance"], np.inf)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert np.isfinite(ours).mean() >= np.isfinite(theirs).mean() - 0.02
    assert both.mean() > 0.5
    assert ours[both].mean() <= 1.1 * theirs[both].mean()
    assert np.median(ours[both] / theirs[both]) <= 1.05


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_makes_foolbox_s_pictures(foolbox, norm):
    make = CASES[f"deepfool_{norm}"][3]
    theirs = run_foolbox(foolbox, make(foolbox.attacks), "fc", norm)
    net, params, _, images, labels = subjects("fc")
    run = attacks.deepfool(net, params, images, labels, norm=norm)
    # foolbox adds 1e-4 to every step.
    np.testing.assert_allclose(run.facts["distance"], theirs, rtol=0.02, atol=2e-3)
