"""Figures that compare: medians, boxes, means over seeds."""

import numpy as np
import pytest

from jaxvis.output.comparisons import convergence, layer_means, spreads


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
