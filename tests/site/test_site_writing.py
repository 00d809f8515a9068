import os

import pytest

from jaxvis.site.writing import MANIFEST, Writer, check_site, read_manifest


def test_only_changes_are_written_and_old_files_removed(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    first = Writer(site, None)
    first.put("a/b.html", b"1", key="k")
    first.put("c.html", b"2")
    first.finish()
    assert first.written == 2 and read_manifest(site) == {"a/b.html": "k", "c.html": ""}
    second = Writer(site, read_manifest(site))
    assert second.keep({"a/b.html": "k"}) and not second.keep({"c.html": "other"})
    second.finish()
    assert second.written == 0
    assert sorted(one.name for one in site.rglob("*")) == ["a", "b.html", MANIFEST]
    third = Writer(site, read_manifest(site))
    third.finish()
    assert [one.name for one in site.rglob("*")] == [MANIFEST]


def test_pictures_are_linked_and_replaced(tmp_path):
    picture, site = tmp_path / "a.png", tmp_path / "site"
    site.mkdir()
    picture.write_bytes(b"1")
    writer = Writer(site, None)
    writer.link("pictures/a.png", picture)
    assert (site / "pictures/a.png").read_bytes() == b"1"
    writer.finish()
    fresh = tmp_path / "b.png"
    fresh.write_bytes(b"22")
    os.replace(fresh, picture)
    again = Writer(site, read_manifest(site))
    again.link("pictures/a.png", picture)
    assert (site / "pictures/a.png").read_bytes() == b"22" and again.written == 1


def test_a_folder_of_something_else_is_refused(tmp_path):
    check_site(tmp_path / "new")
    check_site(tmp_path)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="holds thesis.tex and no site"):
        check_site(tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        check_site(tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no manifest"),
        ('{"schema": 1, "files": {"../../home/thesis.tex": ""}}', "no manifest"),
        ('{"schema": 1, "files": ["a"]}', "no manifest"),
        ('{"schema": 2, "files": {}}', "later jaxvis"),
    ],
)
def test_a_hostile_manifest_removes_nothing(tmp_path, text, said):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=said):
        check_site(tmp_path)
