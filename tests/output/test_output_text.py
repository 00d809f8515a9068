"""Text: ink on an array."""

from jaxvis.output.text import draw_text


def test_text_is_ink_whose_height_depends_on_the_size_alone():
    low, tall = draw_text("ace", size=13), draw_text("Åg|", size=13)
    assert low.shape[0] == tall.shape[0] < draw_text("ace", size=26).shape[0]
    assert low.max() == 1 and low.min() == 0
    assert draw_text("mm").shape[1] > draw_text("m").shape[1]
    assert draw_text("").max() == 0
