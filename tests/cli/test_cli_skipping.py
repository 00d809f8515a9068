"""What a command says of a folder in one line."""

import pytest

from jaxvis.cli.skipping import describe_images


@pytest.mark.parametrize(
    ("skipped", "line"),
    [
        ([], "1 image"),
        (["a.txt"], "1 image, 1 file skipped (a.txt)"),
        (["a\n.txt", "b"], "1 image, 2 files skipped (a\\n.txt, b)"),
        ([str(n) for n in range(9)], "1 image, 9 files skipped (0, 1, 2, 3, 4, 5 and 3 more)"),
    ],
)
def test_a_line_counts_and_names(skipped, line):
    assert describe_images(1, skipped) == line
    assert describe_images(20, skipped) == line.replace("1 image", "20 images")
