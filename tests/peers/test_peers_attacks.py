"""Attacks beside torchattacks, foolbox and AutoAttack's own code, on the same weights."""

import jax
import numpy as np
import pytest
from tiny_nets import conv_net

from jaxvis import attacks

torch = pytest.importorskip("torch")

from tests.peers.torch_pictures import build_torch, measure, to_numpy, to_torch  # noqa: E402

FLIPPED = 2e-3
"""The part of all values that may differ where an attack follows the sign of the gradient: the
signs of gradients that are zero but for rounding."""
IMAGES = 4


@pytest.fixture(scope="module")
def torchattacks():
    """Returns torchattacks, or skips."""
    return pytest.importorskip("torchattacks")


@pytest.fixture(scope="module")
def tiny():
    """Returns (net, params, module, images, labels) of a small network of random weights."""
    net, params = conv_net(16)
    module = build_torch(net, params)
    images = np.random.default_rng(0).uniform(0.1, 0.9, (IMAGES, 16, 16, 3)).astype(np.float32)
    labels = module(to_torch(images)).argmax(1).numpy()
    return net, params, module, images, labels


def assert_equal_but_for_signs(ours, theirs, step):
    """Compares pictures; the few that differ do so by whole steps of a sign."""
    difference = np.abs(np.asarray(ours) - theirs)
    wrong = difference > 1e-6
    assert wrong.mean() <= FLIPPED
    assert difference.max() <= 2 * step + 1e-6


@pytest.fixture
def quick_programs():
    """Compiles without most optimisations, which pay only where programs run for long."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def mark_slow(cases, *slow):
    """Returns the names of cases, some of which take long to compile."""
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in cases]


CLIMBS = {
    "fgsm": (attacks.fgsm, {}, lambda t, m: t.FGSM(m, eps=0.05), 0.05),
    "bim": (
        attacks.bim,
        {"steps": 5, "step_size": 0.25},
        lambda t, m: t.BIM(m, eps=0.05, alpha=0.0125, steps=5),
        0.05,
    ),
    "pgd": (
        attacks.pgd,
        {"steps": 6, "step_size": 0.2, "random_start": False},
        lambda t, m: t.PGD(m, eps=0.05, alpha=0.01, steps=6, random_start=False),
        0.05,
    ),
    "mi_fgsm": (
        attacks.mi_fgsm,
        {"steps": 5, "step_size": 0.3, "momentum": 0.9},
        lambda t, m: t.MIFGSM(m, eps=0.05, alpha=0.015, steps=5, decay=0.9),
        0.05,
    ),
}


@pytest.mark.usefixtures("quick_programs")
@pytest.mark.parametrize("name", mark_slow(CLIMBS, "bim", "mi_fgsm"))
def test_climbs_in_linf_are_those_of_torchattacks(torchattacks, tiny, name):
    net, params, module, images, labels = tiny
    attack, options, peer, epsilon = CLIMBS[name]
    theirs = peer(torchattacks, module)(to_torch(images), torch.tensor(labels))
    ours = attack(
        net, params, images, labels, epsilon=epsilon, keep="last", chunk=IMAGES, **options
    )
    assert_equal_but_for_signs(ours.image, to_numpy(theirs), epsilon)
    assert np.abs(ours.image - images).max() > 0.04


@pytest.mark.usefixtures("quick_programs")
@pytest.mark.parametrize("targeted", (False, True))
def test_pgd_in_l2_is_that_of_torchattacks(torchattacks, tiny, targeted):
    net, params, module, images, labels = tiny
    peer = torchattacks.PGDL2(module, eps=0.8, alpha=0.24, steps=6, random_start=False)
    wanted = (labels + 1) % 5
    if targeted:
        peer.set_mode_targeted_by_label(quiet=True)
    theirs = peer(to_torch(images), torch.tensor(wanted if targeted else labels))
    ours = attacks.pgd(
        net,
        params,
        images,
        labels,
        epsilon=0.8,
        norm="l2",
        steps=6,
        step_size=0.3,
        chunk=IMAGES,
        targets=wanted if targeted else None,
        random_start=False,
        keep="last",
    )
    np.testing.assert_allclose(ours.image, to_numpy(theirs), atol=2e-6)


FOOLBOX = {
    "fgsm-linf": ("fgsm", "linf", lambda a: a.LinfFastGradientAttack(), {}),
    "fgsm-l2": ("fgsm", "l2", lambda a: a.L2FastGradientAttack(), {}),
    "pgd-linf": (
        "pgd",
        "linf",
        lambda a: a.LinfPGD(rel_stepsize=0.2, steps=6, random_start=False),
        {"steps": 6, "step_size": 0.2, "random_start": False},
    ),
    "pgd-l2": (
        "pgd",
        "l2",
        lambda a: a.L2PGD(rel_stepsize=0.3, steps=6, random_start=False),
        {"steps": 6, "step_size": 0.3, "random_start": False},
    ),
    "bim-linf": (
        "bim",
        "linf",
        lambda a: a.LinfBasicIterativeAttack(rel_stepsize=0.2, steps=6, random_start=False),
        {"steps": 6, "step_size": 0.2},
    ),
}


@pytest.mark.usefixtures("quick_programs")
@pytest.mark.parametrize("case", mark_slow(FOOLBOX, "fgsm-l2", "bim-linf"))
def test_climbs_are_those_of_foolbox(foolbox, tiny, case):
    net, params, module, images, labels = tiny
    name, norm, make, options = FOOLBOX[case]
    epsilons = {"linf": [0.02, 0.06], "l2": [0.5, 1.5]}[norm]
    model = foolbox.PyTorchModel(module, bounds=(0, 1))
    _, clipped, success = make(foolbox.attacks)(
        model, to_torch(images), torch.tensor(labels), epsilons=epsilons
    )
    attack = getattr(attacks, name)
    options = {"norm": norm, "keep": "last", "chunk": IMAGES, **options}
    ours = attack(net, params, images, labels, epsilon=epsilons, **options)
    for at, epsilon in enumerate(epsilons):
        theirs = to_numpy(clipped[at])
        if norm == "linf":
            assert_equal_but_for_signs(ours.image[:, at], theirs, epsilon)
        else:
            np.testing.assert_allclose(ours.image[:, at], theirs, atol=2e-6)
        assert (ours.facts["success"][:, at] == success[at].numpy()).all()


SETS = {"mnist": (40, 0.1, 1.5), "cifar": (60, 2 / 255, 0.25)}
"""Pictures, and epsilons in Linf and in L2 at which a part of them is fooled."""


@pytest.fixture(scope="module", params=SETS)
def trained(request, data_file):
    """Returns (net, params, module, images, labels, epsilons) of pictures classified rightly."""
    from benchmarks.quality import robust

    for name in robust.FILES:
        path = data_file(name)
    task = robust.load_task(path.parents[1], request.param)
    count, *epsilons = SETS[request.param]
    module = build_torch(task.net, task.params)
    images = np.asarray(task.images[: 2 * count], np.float32) / 255
    labels = task.labels[: 2 * count].astype(np.int64)
    with torch.no_grad():
        right = module(to_torch(images)).argmax(1).numpy() == labels
    chosen = np.flatnonzero(right)[:count]
    return task.net, task.params, module, images[chosen], labels[chosen], epsilons


def count_fooled(module, images, labels):
    """Returns the part of torch's pictures that fool the module."""
    with torch.no_grad():
        return float((module(images).argmax(1) != labels).float().mean())


@pytest.mark.slow
@pytest.mark.parametrize("norm", ("linf", "l2"))
@pytest.mark.parametrize("loss", ("cross_entropy", "dlr"))
def test_apgd_fools_as_many(torchattacks, trained, norm, loss):
    net, params, module, images, labels, epsilons = trained
    epsilon = epsilons[norm == "l2"]
    ours = attacks.apgd(
        net, params, images, labels, epsilon=epsilon, norm=norm, loss=loss, steps=50
    )
    peer = torchattacks.APGD(
        module,
        norm=norm.title(),
        eps=epsilon,
        steps=50,
        loss="ce" if loss == "cross_entropy" else "dlr",
    )
    y = torch.tensor(labels)
    theirs = count_fooled(module, peer(to_torch(images), y), y)
    assert 0.1 < theirs < 1 and abs(ours.facts["success"].mean() - theirs) <= 0.051


@pytest.mark.slow
@pytest.mark.parametrize("norm", ("linf", "l2"))
def test_square_fools_as_many(torchattacks, trained, norm):
    net, params, module, images, labels, epsilons = trained
    epsilon = epsilons[norm == "l2"]
    ours = attacks.square(net, params, images, labels, epsilon=epsilon, norm=norm, steps=500)
    peer = torchattacks.Square(module, norm=norm.title(), eps=epsilon, n_queries=500)
    y = torch.tensor(labels)
    theirs = count_fooled(module, peer(to_torch(images), y), y)
    assert abs(ours.facts["success"].mean() - theirs) <= 0.101


@pytest.mark.slow
@pytest.mark.parametrize("norm", ("linf", "l2"))
def test_fab_finds_as_small_perturbations(torchattacks, trained, norm):
    net, params, module, images, labels, _ = trained
    peer = torchattacks.FAB(module, norm=norm.title(), eps=None, steps=20)
    images, labels = images[:12], labels[:12]
    delta = to_numpy(peer(to_torch(images), torch.tensor(labels))) - images
    theirs = measure(delta, norm)
    ours = attacks.fab(net, params, images, labels, norm=norm, steps=20)
    found = (theirs > 0) & ours.facts["success"]
    assert found.mean() > 0.8
    assert np.median(ours.facts["distance"][found] / theirs[found]) < 1.05


def run_torchattacks(module, images, labels, norm, epsilon):
    torchattacks = pytest.importorskip("torchattacks")
    peer = torchattacks.AutoAttack(module, norm=norm.title(), eps=epsilon, seed=0)
    return peer(images, labels)


def run_authors_code(module, images, labels, norm, epsilon):
    autoattack = pytest.importorskip("autoattack")
    peer = autoattack.AutoAttack(
        module, norm=norm.title(), eps=epsilon, seed=0, device="cpu", verbose=False
    )
    return peer.run_standard_evaluation(images, labels)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("norm", ("linf", "l2"))
@pytest.mark.parametrize("peer", (run_torchattacks, run_authors_code))
def test_robust_accuracy_is_that_of_autoattack(trained, peer, norm):
    net, params, module, images, labels, epsilons = trained
    epsilon = epsilons[norm == "l2"]
    y = torch.tensor(labels)
    theirs = count_fooled(module, peer(module, to_torch(images), y, norm, epsilon), y)
    ours = attacks.autoattack(net, params, images, labels, epsilon=epsilon, norm=norm)
    assert abs(ours.facts["success"].mean() - theirs) <= 0.01
