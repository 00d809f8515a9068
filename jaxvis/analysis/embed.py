"""Codes in few dimensions: principal components, t-SNE and UMAP."""

import importlib
import importlib.util
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.analysis.codes import Codes
from jaxvis.analysis.neighbours import as_values
from jaxvis.compiler import jit
from jaxvis.types import Array, ArrayLike, Key, as_key

Plane = Literal["pca", "tsne", "umap"]
"""How codes are placed in a plane."""


class Components(NamedTuple):
    """The principal components of codes, the largest first.

    Attributes:
      points: `[N, m]`, the codes along the components.
      directions: `[m, d]`, of length 1; the largest entry of each is positive.
      variance: `[m]`, of the points, divided by N - 1.
      share: `[m]`, of the variance of all entries.
      mean: `[d]`, of the codes.
    """

    points: np.ndarray
    directions: np.ndarray
    variance: np.ndarray
    share: np.ndarray
    mean: np.ndarray

    def project(self, codes: Codes | ArrayLike) -> np.ndarray:
        """Gives other codes along the components, `[n, m]`.

        Args:
          codes: `[n, d]`.
        """
        values = as_values(codes, width=len(self.mean))
        return (values - self.mean) @ self.directions.T


def pca(codes: Codes | ArrayLike, *, components: int = 2) -> Components:
    """Computes the principal components of codes, compiled.

    The longer side is first made as short as the other one by a QR decomposition, which
    loses no precision, as products of the codes with themselves would.

    Args:
      codes: `[N, d]`.
      components: m, how many.

    Raises:
      ValueError: for what are no codes, or more components than N or d.

    Source: Lecture 21, 21.2; Pearson (1901).

    >>> import numpy as np
    >>> import jaxvis
    >>> codes = np.array([[0.0, 1.0], [3.0, 5.0], [-3.0, -3.0]])
    >>> jaxvis.pca(codes, components=1).directions.round(3)
    array([[0.6, 0.8]], dtype=float32)
    """
    values = as_values(codes)
    most = min(values.shape)
    if not 1 <= components <= most:
        raise ValueError(
            f"codes {list(values.shape)} have 1 to {most} components, not {components}"
        )
    found = _decompose(components, jnp.asarray(values))
    return Components(*(np.asarray(one) for one in found))


def tsne(
    codes: Codes | ArrayLike,
    *,
    perplexity: float = 30.0,
    components: int = 50,
    key: Key | int = 0,
) -> np.ndarray:
    """Places codes in a plane so that near ones stay near: t-SNE, `[N, 2]`.

    openTSNE computes it where it is installed, and scikit-learn elsewhere.

    Args:
      codes: `[N, d]`.
      perplexity: about how many neighbours each code has; at most (N - 1) / 3 is used.
      components: principal components that the codes are reduced to first.
      key: a typed random key, or an integer seed.

    Raises:
      ValueError: for what are no codes, fewer than 4 of them, or where both packages are
        missing.

    Source: Lecture 21, 21.2; van der Maaten & Hinton (2008).

    >>> import numpy as np
    >>> import jaxvis
    >>> codes = np.random.default_rng(0).normal(size=(16, 8))
    >>> jaxvis.tsne(codes).shape
    (16, 2)
    """
    values = _reduce(codes, components)
    options = {"perplexity": min(perplexity, (len(values) - 1) / 3), "random_state": _draw(key)}
    try:
        method = importlib.import_module("openTSNE").TSNE(n_jobs=1, **options)
        return np.asarray(method.fit(values), np.float32)
    except ImportError:
        method = _import("sklearn.manifold", "t-SNE").TSNE(init="pca", **options)
        return np.asarray(method.fit_transform(values), np.float32)


def umap(
    codes: Codes | ArrayLike,
    *,
    near: int = 15,
    distance: float = 0.1,
    components: int = 50,
    key: Key | int = 0,
) -> np.ndarray:
    """Places codes in a plane so that near ones stay near: UMAP, `[N, 2]`.

    Args:
      codes: `[N, d]`.
      near: how many neighbours each code has; at most N - 1 are used.
      distance: how near points may come to each other in the plane.
      components: principal components that the codes are reduced to first.
      key: a typed random key, or an integer seed.

    Raises:
      ValueError: for what are no codes, fewer than 4 of them, or where umap-learn is missing.

    Source: McInnes, Healy & Melville (2018).

    >>> import numpy as np
    >>> import jaxvis
    >>> codes = np.random.default_rng(0).normal(size=(16, 8))
    >>> jaxvis.umap(codes, near=5).shape
    (16, 2)
    """
    values = _reduce(codes, components)
    package = _import("umap", "UMAP")
    # One worker, which a seed asks for anyway, with a warning.
    method = package.UMAP(
        n_neighbors=min(near, len(values) - 1),
        min_dist=distance,
        random_state=_draw(key),
        n_jobs=1,
    )
    return np.asarray(method.fit_transform(values), np.float32)


def check_plane(plane: str) -> None:
    """Checks that there is a way to place codes in a plane, before any are computed.

    Args:
      plane: see `place_codes`.

    Raises:
      ValueError: for an unknown way, or where its package is missing.
    """
    if plane not in get_args(Plane):
        raise ValueError(f"plane is {', '.join(get_args(Plane))}, not {plane!r}")
    if plane == "umap":
        _import("umap", "UMAP")
    if plane == "tsne" and importlib.util.find_spec("openTSNE") is None:
        _import("sklearn.manifold", "t-SNE")


def place_codes(codes: Codes | ArrayLike, plane: Plane, *, key: Key | int = 0) -> np.ndarray:
    """Places codes in a plane, `[N, 2]`.

    Args:
      codes: `[N, d]`.
      plane: "pca", "tsne" or "umap".
      key: of the last two; a typed random key, or an integer seed.

    Raises:
      ValueError: as `check_plane`, `pca`, `tsne` and `umap`.
    """
    check_plane(plane)
    if plane == "pca":
        return pca(codes).points
    return (tsne if plane == "tsne" else umap)(codes, key=key)


def _reduce(codes: Codes | ArrayLike, components: int) -> np.ndarray:
    values = as_values(codes)
    if len(values) < 4:
        raise ValueError(f"at least 4 codes can be placed in a plane, not {len(values)}")
    return pca(values, components=min(components, *values.shape)).points


def _draw(key: Key | int) -> int:
    """Draws the seed of a package that has no keys."""
    return int(jax.random.randint(as_key(key), (), 0, 2**31 - 1))


def _import(module: str, what: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(
            f"{what} needs the package of {module}, which is not installed: pip install "
            "jaxvis[analysis], or take jaxvis.pca, which needs nothing else"
        ) from None


@jit(static_argnums=0)
def _decompose(components: int, values: Array) -> tuple[Array, ...]:
    mean = jnp.mean(values, axis=0)
    left = values - mean
    wide = left.shape[0] < left.shape[1]
    q, r = jnp.linalg.qr(left.T if wide else left)
    u, size, v = jnp.linalg.svd(r, full_matrices=False)
    # left is q u size v, or its transpose where it is wide.
    directions = (q @ u).T if wide else v
    directions = directions[:components]
    at = jnp.argmax(jnp.abs(directions), axis=1)[:, None]
    directions = directions * jnp.sign(jnp.take_along_axis(directions, at, axis=1))
    variance = size**2 / max(len(values) - 1, 1)
    total = jnp.sum(variance)
    share = variance / jnp.where(total > 0, total, 1)
    return left @ directions.T, directions, variance[:components], share[:components], mean
