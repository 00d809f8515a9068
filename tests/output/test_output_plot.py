"""Figures: the images they show, and the lines they draw."""

import sys

import numpy as np
import pytest

from jaxvis.output.plot import grid, heatmaps, loss_curves, save_figure, training_curves
from jaxvis.types import Run, Status


def shown(figure) -> list[np.ndarray]:
    """Returns the pixels of a grid's images, in reading order."""
    axes = sorted(figure.axes, key=lambda a: (-a.get_position().y0, a.get_position().x0))
    return [np.asarray(a.images[0].get_array()) for a in axes]


def test_grid_shows_every_image_of_a_run_in_rows_of_seeds():
    run = np.random.default_rng(0).random((3, 2, 5, 4, 3), np.float32)
    figure = grid(run)
    for image, pixels in zip(run.reshape(-1, 5, 4, 3), shown(figure), strict=True):
        np.testing.assert_array_equal(pixels, image)
    assert len({round(axes.get_position().x0, 6) for axes in figure.axes}) == 2
    assert len({round(axes.get_position().y0, 6) for axes in figure.axes}) == 3


def columns_and_rows(figure) -> tuple[int, int]:
    places = [axes.get_position() for axes in figure.axes]
    return len({round(p.x0, 6) for p in places}), len({round(p.y0, 6) for p in places})


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (2, 2)), (10, (4, 3))])
def test_grid_of_one_seed_an_item_is_about_square(count, shape):
    assert columns_and_rows(grid(np.zeros((count, 1, 4, 4, 3)))) == shape
    assert columns_and_rows(grid(np.zeros((count, 4, 4, 3)))) == shape


def test_grid_of_a_run_says_under_a_picture_how_it_ended():
    status = np.array([[Status.DONE, Status.DEAD], [Status.FAILED, Status.UNFINISHED]], np.int8)
    run = Run(None, np.zeros((2, 2, 4, 4, 3)), {}, status, {})
    words = [axes.texts[0].get_text() for axes in grid(run, captions=["a", "b"]).axes]
    assert words == ["a", "a\ndead: no gradient", "b\nfailed: not finite", "b\nunfinished"]
    words = [axes.texts[0].get_text() for axes in grid(run).axes]
    assert words == ["", "dead: no gradient", "failed: not finite", "unfinished"]
    well = run._replace(status=np.full((2, 2), Status.CONVERGED, np.int8))
    assert not any(axes.texts for axes in grid(well).axes)


def test_grid_takes_bytes():
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    (pixels,) = shown(grid(image))
    np.testing.assert_allclose(pixels, image / 255, atol=1e-6)


@pytest.mark.parametrize(
    "images",
    [np.zeros((7, 4, 4, 3)), [np.zeros((4, 9, 3)), np.zeros((6, 2))], np.zeros((4, 4, 3))],
    ids=["stack", "mixed", "single"],
)
def test_grid_takes_stacks_lists_and_single_images(images):
    count = 1 if np.ndim(images[0]) == 2 and not isinstance(images, list) else len(images)
    assert len(grid(images).axes) == count


def test_grid_axes_lie_inside_the_figure_and_do_not_overlap():
    figure = grid(np.zeros((5, 4, 6, 3)), captions=list("abcde"), title="five")
    boxes = [axes.get_position() for axes in figure.axes]
    for i, box in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1
        for other in boxes[:i]:
            assert (
                box.x0 >= other.x1 - 1e-9
                or other.x0 >= box.x1 - 1e-9
                or box.y0 >= other.y1 - 1e-9
                or other.y0 >= box.y1 - 1e-9
            )


def test_grid_writes_its_captions_as_they_are():
    run = np.zeros((2, 2, 4, 4, 3))
    figure = grid(run, captions=["$not maths", "b"])
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert words == ["$not maths", "$not maths", "b", "b"]
    figure.canvas.draw()


def test_grid_shows_failures_in_magenta_and_clips():
    image = np.full((2, 2, 3), 2.0)
    image[0, 0, 0] = np.nan
    (pixels,) = shown(grid(image))
    np.testing.assert_array_equal(pixels[0, 0], [1, 0, 1])
    np.testing.assert_array_equal(pixels[1, 1], [1, 1, 1])


def test_grid_draws_itself_for_a_notebook_without_pyplot():
    before = "matplotlib.pyplot" in sys.modules
    assert grid(np.zeros((2, 4, 4, 3)))._repr_png_().startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_loss_curves_draws_the_loss_first_and_one_line_for_each_item():
    rng = np.random.default_rng(0)
    trace = {
        "tv": rng.random((2, 3, 7)),
        "loss": rng.random((2, 3, 7)),
        "error": np.ones((2, 3)),
    }
    figure = loss_curves(trace, labels=list("abcdef"))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "tv"]
    lines = figure.axes[1].lines
    assert len(lines) == 6
    np.testing.assert_array_equal(lines[4].get_ydata(), trace["tv"][1, 1])


def test_loss_curves_leaves_gaps_and_counts_what_did_not_finish():
    loss = np.array([[3.0, np.nan, 1.0], [2.0, np.inf, -1.0]])
    run = Run(None, None, {"loss": loss}, np.array([1, 0], np.int8), {})
    figure = loss_curves(run, log=True)
    gaps = [np.isnan(line.get_ydata()).tolist() for line in figure.axes[0].lines]
    assert gaps == [[False, True, False], [False, True, True]]
    assert figure.get_suptitle() == "1 of 2 failed"
    figure.canvas.draw()


def test_loss_curves_of_a_run_count_every_way_to_end_badly():
    status = np.array([[0, 1, 5], [5, 2, 3]], np.int8)
    run = Run(None, None, {"loss": np.ones((2, 3, 4))}, status, {})
    figure = loss_curves(run)
    assert figure.get_suptitle() == "1 of 6 failed, 1 of 6 unfinished, 2 of 6 dead"
    assert not loss_curves(run._replace(status=np.full((2, 3), 3, np.int8))).get_suptitle()


def test_loss_curves_refuses_unknown_terms_and_wrong_labels():
    trace = {"loss": np.zeros((2, 3)), "tv": np.zeros((2, 3))}
    with pytest.raises(ValueError, match="the terms loss, tv, not"):
        loss_curves(trace, terms=["l2"])
    with pytest.raises(ValueError, match="3 labels came for 2 lines"):
        loss_curves(trace, labels=["a", "b", "c"])


def test_training_curves_draw_held_out_losses_in_the_panel_of_their_term():
    curves = {
        "loss": np.array([[1, 3.0], [2, 2.0], [3, 1.0]]),
        "validation loss": np.array([[2, 2.5]]),
        "content": np.array([[1, 0.5], [2, 0.25], [3, 0.125]]),
    }
    figure = training_curves(curves)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "content"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["trained on", "held out"]
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_ydata(), [0.5, 0.25, 0.125])
    with pytest.raises(ValueError, match="no loss to show"):
        training_curves({"validation loss": np.zeros((1, 2))})


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_save_figure_gives_the_same_file_for_the_same_figure(tmp_path, ending):
    paths = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for path in paths:
        save_figure(path, grid(np.zeros((2, 4, 4, 3)), captions=["a", "b"]))
    assert paths[0].read_bytes() == paths[1].read_bytes() != b""
    assert len(list(tmp_path.iterdir())) == 2


def test_save_figure_keeps_the_old_file_and_refuses_other_endings(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")
    figure = grid(np.zeros((4, 4, 3)))

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        save_figure(tmp_path / "a.png", figure)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    with pytest.raises(ValueError, match="must end in .png, .pdf or .svg"):
        save_figure(tmp_path / "a.gif", figure)


def test_heatmaps_stand_beside_their_photograph():
    photo, heat = np.full((8, 6, 3), 0.5, np.float32), np.ones((2, 4, 3))
    page = heatmaps(photo, heat, captions=["cat", "dog"])
    texts = [text.get_text() for axes in page.axes for text in axes.texts]
    assert texts[0] == "the image" and texts[1].startswith("cat\nclipped at percentile")
    assert len(page.axes) == 3
    with pytest.raises(ValueError, match="2 heatmaps and 1 captions"):
        heatmaps(photo, heat, captions=["cat"])
