"""Codes, neighbours and indices against plain loops."""

import importlib.util

import numpy as np
import pytest

import jaxvis
from jaxvis.analysis.codes import collect_codes
from jaxvis.analysis.index import index_folder, read_index
from jaxvis.analysis.neighbours import BLOCK, neighbours
from tests.tiny_nets import conv_net


def draw_images(count, seed=0):
    return np.random.default_rng(seed).random((count, 16, 16, 3), np.float32)


def write_folder(folder, images, first=0):
    for i, image in enumerate(images, first):
        jaxvis.write_image(folder / f"{i:02}.png", image)


@pytest.fixture(scope="module")
def net():
    return conv_net()


def test_codes_are_those_of_each_image_whatever_the_chunk(net):
    images = draw_images(5)
    for pool, shape in (("mean", (5, 8)), ("flatten", (5, 512))):
        codes = collect_codes(*net, images, "relu2", pool=pool, chunk=2)
        assert codes.values.shape == shape
        for one, image in zip(codes.values, images):
            whole = np.asarray(net[0].code(net[1], image, "relu2"))
            wanted = whole.mean((0, 1)) if pool == "mean" else whole.reshape(-1)
            np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-5)
    assert codes.names == tuple("01234")
    pixels = collect_codes(*net, images, "pixels")
    np.testing.assert_array_equal(pixels.values, images.reshape(5, -1))
    with pytest.raises(ValueError, match="no tap 'conv9'"):
        collect_codes(*net, images, "conv9")
    with pytest.raises(ValueError, match="mean or flatten"):
        collect_codes(*net, images, "relu2", pool="max")
    with pytest.raises(ValueError, match="chunk"):
        collect_codes(*net, images, "relu2", chunk=0)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_neighbours_are_those_of_a_plain_search(metric):
    draw = np.random.default_rng(1)
    # A large mean beside small differences, and several blocks.
    codes = (100 + draw.normal(size=(BLOCK + 50, 6))).astype(np.float32)
    query = codes[[3, BLOCK + 7]] + draw.normal(size=(2, 6)).astype(np.float32) / 10
    found = neighbours(codes, query, 4, metric=metric)
    a, b = codes.astype(float)[None], query.astype(float)[:, None]
    distance = np.linalg.norm(a - b, axis=-1)
    if metric == "cosine":
        distance = 1 - np.sum(a * b, -1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    if metric == "l2":
        np.testing.assert_array_equal(found.numbers, np.argsort(distance, axis=1)[:, :4])
    # 1 - cos is near 1e-5 here, and float32 knows it to 1e-7: the candidates may differ.
    np.testing.assert_allclose(found.distance, np.sort(distance, 1)[:, :4], rtol=1e-5, atol=2e-7)


def test_a_code_is_no_neighbour_of_itself_and_zeros_are_defined():
    codes = np.array([[0, 0], [3, 4], [1, 0], [0, 0]], np.float32)
    found = neighbours(codes, None, 2)
    np.testing.assert_array_equal(found.numbers, [[3, 2], [2, 0], [0, 3], [0, 2]])
    np.testing.assert_allclose(found.distance[0], [0, 1])
    near = neighbours(codes, codes[1], 4, metric="cosine")
    np.testing.assert_array_equal(near.numbers, [1, 2, 0, 3])
    np.testing.assert_allclose(near.distance, [0, 0.4, 1, 1], atol=1e-6)
    with pytest.raises(ValueError, match="k is from 1 to 3"):
        neighbours(codes, None, 4)
    with pytest.raises(ValueError, match="metric is l2 or cosine"):
        neighbours(codes, codes, 1, metric="l1")
    with pytest.raises(ValueError, match="have 3 entries"):
        neighbours(codes, np.zeros(3), 1)
    with pytest.raises(ValueError, match="NaN"):
        neighbours(codes, np.full(2, np.nan), 1)


def test_an_index_is_saved_extended_with_new_files_only_and_asked(net, tmp_path, monkeypatch):
    folder, images = tmp_path / "folder", draw_images(6)
    folder.mkdir()
    write_folder(folder, images[:4])
    (folder / "broken.png").write_bytes(b"nothing")
    index = index_folder(*net, folder, "relu2", size=(16, 16))
    assert list(index.skipped) == ["broken.png"]
    index.save(tmp_path / "index.npz")
    again = read_index(tmp_path / "index.npz")
    assert again.codes.names == index.codes.names == ("00.png", "01.png", "02.png", "03.png")
    assert (again.sums, again.net, again.weights) == (index.sums, index.net, index.weights)
    np.testing.assert_array_equal(again.codes.values, index.codes.values)

    write_folder(folder, images[4:], first=4)
    write_folder(folder, images[5:])  # 00.png has another content now
    opened = []
    stream = jaxvis.analysis.index.stream
    monkeypatch.setattr(
        "jaxvis.analysis.index.stream",
        lambda look, params, shown, **rest: (
            opened.extend(shown.names) or stream(look, params, shown, **rest)
        ),
    )
    more = again.extend(*net, folder)
    assert opened == ["00.png", "04.png", "05.png"]
    assert more.codes.names == ("01.png", "02.png", "03.png", "00.png", "04.png", "05.png")
    whole = index_folder(*net, folder, "relu2", size=(16, 16))
    order = np.argsort(more.codes.names)
    np.testing.assert_allclose(more.codes.values[order], whole.codes.values, rtol=1e-5)
    (folder / "notes.txt").write_text("not an image")
    same = more.extend(*net, folder)
    assert same.codes is more.codes and list(same.skipped) == ["broken.png", "notes.txt"]

    found = more.query(*net, [images[2]], 2)
    assert found.names[0][0] == "02.png" and found.distance[0, 0] < 0.01
    assert {more.query(*net, [images[5]], 2).names[0][i] for i in (0, 1)} == {"00.png", "05.png"}
    net_, params = net
    other = {**params, "conv1": {**params["conv1"], "bias": params["conv1"]["bias"] + 1}}
    with pytest.raises(ValueError, match="make a new index"):
        more.extend(net_, other, folder)
    with pytest.raises(ValueError, match="exact or graph"):
        more.query(*net, [images[2]], 2, way="tree")
    with pytest.raises(ValueError, match=".npz"):
        more.save(tmp_path / "index")
    with pytest.raises(ValueError, match="no index"):
        np.savez(tmp_path / "other.npz", codes=np.zeros(3))
        read_index(tmp_path / "other.npz")


def test_a_graph_finds_the_same_or_says_what_is_missing(net, tmp_path):
    write_folder(tmp_path, draw_images(40))
    index = index_folder(*net, tmp_path, "relu2", size=(16, 16))
    if importlib.util.find_spec("usearch") is None:
        with pytest.raises(ValueError, match=r"jaxvis\[analysis\]"):
            index.query_codes(index.codes, 3, way="graph")
        return
    for metric in ("l2", "cosine"):
        found = index.query_codes(index.codes, 3, way="graph", metric=metric)
        wanted = index.query_codes(index.codes, 3, way="exact", metric=metric)
        assert np.mean(found.numbers == wanted.numbers) > 0.95
