"""Figures: the images they show, and the lines they draw."""

import sys

import numpy as np
import pytest

from jaxvis.output.plot import convergence, grid, layer_means, loss_curves, spreads


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
        "status": np.zeros((2, 3), np.int8),
        "error": np.ones((2, 3)),
    }
    figure = loss_curves(trace, labels=list("abcdef"))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "tv"]
    lines = figure.axes[1].lines
    assert len(lines) == 6
    np.testing.assert_array_equal(lines[4].get_ydata(), trace["tv"][1, 1])


def test_loss_curves_leaves_gaps_and_counts_what_did_not_finish():
    loss = np.array([[3.0, np.nan, 1.0], [2.0, np.inf, -1.0]])
    trace = {"loss": loss, "status": np.array([1, 0], np.int8)}
    figure = loss_curves(trace, log=True)
    gaps = [np.isnan(line.get_ydata()).tolist() for line in figure.axes[0].lines]
    assert gaps == [[False, True, False], [False, True, True]]
    assert figure.get_suptitle() == "1 of 2 not finished"
    figure.canvas.draw()


def test_loss_curves_refuses_unknown_terms_and_wrong_labels():
    trace = {"loss": np.zeros((2, 3)), "tv": np.zeros((2, 3))}
    with pytest.raises(ValueError, match="the terms loss, tv: not"):
        loss_curves(trace, terms=["l2"])
    with pytest.raises(ValueError, match="3 labels came for 2 lines"):
        loss_curves(trace, labels=["a", "b", "c"])


def test_convergence_draws_a_median_of_every_kind_in_every_panel():
    losses = np.array([[[4.0, 2.0, 1.0], [8.0, 4.0, 0.0], [2.0, 1.0, 0.5]]])
    figure = convergence({"random": losses, "trained": 2 * losses}, panels=["pool1"])
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [4.0, 2.0, 0.5])
    np.testing.assert_array_equal(axes.lines[1].get_xdata(), [1, 2, 3])
    assert [line.get_label() for line in axes.lines] == ["random", "trained"]
    figure.canvas.draw()


def test_spreads_draw_boxes_from_the_least_to_the_greatest_value():
    values = {"random": np.array([[1.0, 2.0, 9.0]]), "one": np.array([[3.0]])}
    figure = spreads(values, panels=["pool1"], ylabel="distance")
    (axes,) = figure.axes
    ends = [line.get_ydata() for line in axes.lines]
    assert max(np.max(y) for y in ends if len(y)) == 9
    assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "distance"
    figure.canvas.draw()


def test_layer_means_are_means_over_seeds():
    values = {"random": np.array([[1.0, 3.0], [4.0, 4.0]])}
    figure = layer_means({"distance": values}, taps=["pool1", "pool2"])
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [2.0, 4.0])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == [
        "pool1",
        "pool2",
    ]
    with pytest.raises(ValueError, match="3 names came for 2"):
        layer_means({"distance": values}, taps=["a", "b", "c"])
    with pytest.raises(ValueError, match="1 names came for 2"):
        spreads(values, panels=["a"], ylabel="")
