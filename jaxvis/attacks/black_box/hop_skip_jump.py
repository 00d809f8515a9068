"""HopSkipJump: the smallest perturbation by asking for labels alone."""

from collections.abc import Sequence

from jaxvis.attacks.black_box import search as line
from jaxvis.attacks.black_box.hops import HopSkipJump, count_batches
from jaxvis.attacks.minimal.smallest import check_above
from jaxvis.attacks.norms import Norm, check_norm
from jaxvis.attacks.rows import Classes, Epsilons, check_starts, choose_victims
from jaxvis.attacks.run import search_smallest
from jaxvis.network import Network
from jaxvis.types import ImageLike, Key, Params, Run


def hop_skip_jump(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons | None = None,
    norm: Norm = "l2",
    steps: int = 64,
    directions: int = 100,
    budget: int | None = None,
    batch: int = line.BATCH,
    starts: ImageLike | Sequence[ImageLike] | None = None,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Looks for the smallest perturbation, and is told nothing but labels.

    From a point x on the boundary it asks about `directions * sqrt(t + 1)` random directions
    u of length 1, and votes: g = mean of (said - mean said) u, where said is 1 if
    x + r u fools the network and else -1. It jumps x <- x + (distance / sqrt(t + 1)) g / |g|,
    or half, a quarter... of that, and goes back to the boundary on the way to the image.

    Args:
      net, params: the network; of its scores only which one is largest is used.
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      labels: the true classes, by number or name; None takes what the network says.
      epsilon: the largest norm that counts as a success, or several of a curve, which share
        one search; None takes any.
      norm: "l2" or "linf".
      steps: how many jumps there are.
      directions: of the first estimate.
      budget: queries of one image at most; None for no limit but `steps`. What is found
        until then is given.
      batch: pictures that are asked about together.
      starts: pictures that fool the network already, one each or one for all. None mixes the
        images with noise; where none of 1024 mixtures fools the network it ends
        without success. Noise is rarely of one given class: a targeted attack wants starts.
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run: see `jaxvis.attacks.run.count_within`. `trace["loss"]` is minus the distance of
      the best picture, minus infinity as long as there is none.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` and `check_starts` refuse,
        another norm, and numbers below 1.

    Source: Chen, Jordan & Wainwright, HopSkipJumpAttack (S&P 2020), algorithm 2.
    Departures: a line is divided in 16 instead of in 2; float32 sets a least radius r; the
    nearest picture is kept; and starts are mixed with noise of several scales.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.hop_skip_jump(net, params, photo, budget=300)
    >>> bool(run.facts["success"]), int(run.facts["queries"]) <= 300
    (True, True)
    """
    check_norm(norm, known=("l2", "linf"))
    limit = line.UNLIMITED if budget is None else budget
    check_above(0, steps=steps, directions=directions, batch=batch, budget=limit)
    batches = count_batches(steps, directions, batch)
    attack = HopSkipJump(norm, batches, steps, directions, limit, batch)
    victims = choose_victims(
        net, params, images, labels, norm=norm, epsilon=epsilon, targets=targets, names=names
    )
    begun = check_starts(net, params, victims, starts)
    return search_smallest(
        attack, net, params, victims, key=key, starts=begun, chunk=chunk, progress=progress
    )
