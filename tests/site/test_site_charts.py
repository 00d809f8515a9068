from jaxvis.site.charts import POINTS, draw_bars, draw_curve, format_number


def test_a_curve_fills_the_drawing_area():
    chart = draw_curve([4.0, 2.0, 0.0], about="Loss")
    assert chart.path == "M0.0 0.0L160.0 60.0L320.0 120.0"
    assert (chart.across, chart.upwards) == (("0", "2"), ("0", "4"))
    assert chart.about == "Loss, from 4 to 0."


def test_a_curve_has_gaps_and_may_be_flat():
    assert draw_curve([1.0, None, 2.0, 3.0], about="a").path.count("M") == 2
    assert "60.0" in draw_curve([5.0, 5.0], about="a").path
    assert draw_curve([1.0, None], about="a") is None
    assert draw_curve([1e308, -1e308], about="a").path.startswith("M")


def test_a_long_curve_is_thinned_out_and_keeps_its_end():
    chart = draw_curve([float(i) for i in range(10_000)], about="a")
    assert chart.path.count("L") <= POINTS + 1
    assert chart.path.endswith("L320.0 0.0")


def test_bars_are_as_high_as_counts():
    chart = draw_bars([0.0, 1.0, 2.0], [2.0, 4.0], about="a")
    assert chart.filled and "v-60.0" in chart.path and "v-120.0" in chart.path
    assert draw_bars([0.0, 1.0], [0.0], about="a").path == ""


def test_numbers_are_short():
    assert [format_number(x) for x in (-0.0, 1234567.0, 0.00012)] == ["0", "1.235e+06", "0.00012"]
