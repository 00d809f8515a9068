import pytest

from jaxvis.site.labels import read_labels


def test_both_kinds_of_tables_are_read(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text('tap,index,label,score\nconv1_1,3,"a, b",0.5\nconv1_1,3,better,0.9\n')
    assert read_labels(path) == {("conv1_1", 3): ("better", 0.9)}
    path.write_bytes(b"\xef\xbb\xbflayer,unit,description,similarity\r\nlayer4,7,dogs,\r\n")
    assert read_labels(path) == {("layer4", 7): ("dogs", None)}
    path.write_text("tap,index,label\nfc8,0,<script>\n")
    assert read_labels(path) == {("fc8", 0): ("<script>", None)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,value\na,1\n", "needs the columns"),
        ("", "needs the columns"),
        ("tap,index,label\nfc8,first,a\n", "line 2: index is 'first'"),
        ("tap,index,label,score\nfc8,1,a,high\n", "score is 'high' and no number"),
        ('tap,index,label\nfc8,1,"a\n', "is no CSV file"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, said):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_labels(path)
