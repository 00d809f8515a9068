"""Attacks that see labels alone beside foolbox, and the universal perturbation beside ART."""

import numpy as np
import pytest

from benchmarks.quality.robust import FILES, load_task
from jaxvis import attacks
from jaxvis.attacks.rows import score_images

torch = pytest.importorskip("torch")

from tests.peers.torch_pictures import build_torch, measure, to_numpy, to_torch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

IMAGES = 50
STEPS = 8


@pytest.fixture(scope="module", params=["cifar", "mnist"])
def real(request, data_file):
    """Returns (net, params, module, images, labels) that a trained network classifies rightly."""
    for name in FILES:
        path = data_file(name)
    task = load_task(path.parents[1], request.param)
    images = task.images[: 2 * IMAGES].astype(np.float32) / 255
    said = score_images(task.net, task.params, images).argmax(-1)
    right = np.flatnonzero(said == task.labels[: 2 * IMAGES])[:IMAGES]
    assert len(right) == IMAGES
    module = build_torch(task.net, task.params)
    return task.net, task.params, module, images[right], task.labels[right]


def find_starts(images, labels):
    """Returns an image of another class for every image."""
    others = [np.flatnonzero(labels != label)[i % 7] for i, label in enumerate(labels)]
    return images[others]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_hop_skip_jump_comes_as_near_as_foolbox(foolbox, real, norm):
    net, params, module, images, labels = real
    starts = find_starts(images, labels)
    peer = foolbox.attacks.HopSkipJumpAttack(steps=STEPS, constraint=norm)
    model = foolbox.PyTorchModel(module, bounds=(0, 1))
    wrong = foolbox.criteria.Misclassification(torch.tensor(labels.astype(np.int64)))
    torch.manual_seed(0)
    theirs = to_numpy(peer.run(model, to_torch(images), wrong, starting_points=to_torch(starts)))
    distance = measure(theirs - images, norm)
    run = attacks.hop_skip_jump(net, params, images, labels, norm=norm, steps=STEPS, starts=starts)
    assert run.facts["success"].all()
    assert np.median(run.facts["distance"]) <= 1.1 * np.median(distance)
    if net.channels > 1:
        return  # one network says enough of starts from noise
    with_noise = attacks.hop_skip_jump(net, params, images, labels, norm=norm, steps=STEPS)
    assert np.median(with_noise.facts["distance"]) <= 1.1 * np.median(distance)


@pytest.mark.slow
def test_the_boundary_attack_comes_as_near_as_foolbox(foolbox, real):
    net, params, module, images, labels = (one if i < 3 else one[:16] for i, one in enumerate(real))
    starts = find_starts(images, labels)
    peer = foolbox.attacks.BoundaryAttack(steps=2000)
    model = foolbox.PyTorchModel(module, bounds=(0, 1))
    wrong = foolbox.criteria.Misclassification(torch.tensor(labels.astype(np.int64)))
    torch.manual_seed(0)
    theirs = to_numpy(peer.run(model, to_torch(images), wrong, starting_points=to_torch(starts)))
    distance = measure(theirs - images, "l2")
    # As many queries: 2000 of theirs, and every tenth one looks aside too.
    run = attacks.boundary(net, params, images, labels, steps=10_000, budget=2200, starts=starts)
    assert np.median(run.facts["distance"]) <= 1.1 * np.median(distance)


@pytest.mark.slow
def test_the_universal_perturbation_fools_as_many_as_arts(real):
    evasion = pytest.importorskip("art.attacks.evasion")
    classifiers = pytest.importorskip("art.estimators.classification")
    net, params, module, images, labels = real
    epsilon = 0.2 if net.channels == 1 else 10 / 255
    classifier = classifiers.PyTorchClassifier(
        module,
        torch.nn.CrossEntropyLoss(),
        input_shape=images.shape[:0:-1],
        nb_classes=10,
        clip_values=(0.0, 1.0),
    )
    np.random.seed(0)
    peer = evasion.UniversalPerturbation(
        classifier, attacker="fgsm", eps=epsilon, max_iter=5, delta=0.01, verbose=False
    )
    peer.generate(np.ascontiguousarray(np.transpose(images, (0, 3, 1, 2))))
    run = attacks.universal(net, params, images, epsilon=epsilon, steps=100)
    assert run.facts["fooling_rate"] >= peer.fooling_rate - 0.05
