import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest

from jaxvis.site.building import build_site
from jaxvis.site.rendering import POLICY
from tests.site.fabricate import NAMES, Fabric, describe_example, fabricate

EXAMPLES = (
    *(describe_example("invert", NAMES[0], None, name) for name in NAMES),
    *(describe_example("explain", None, 1, name) for name in NAMES),
    describe_example("attack", None, None, NAMES[1]),
)
HOSTILE = Fabric(taps=(*NAMES, "fc8"), units=4, labels=NAMES, network=NAMES[0], extra=EXAMPLES)
ADDRESSES = {"href", "src", "xlink:href", "action", "data", "poster", "srcset"}


class Page(HTMLParser):
    """What a page holds: its addresses, elements, attributes and ids."""

    def __init__(self, path):
        super().__init__()
        self.addresses, self.tags, self.attributes, self.policy = [], [], set(), None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        self.attributes |= set(found)
        self.addresses += [value for name, value in attrs if name in ADDRESSES]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = (found["content"], len(self.tags))
        if tag in ("script", "style"):
            assert "src" in found, "a script or style inside of the page"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Returns the site of a sweep in which every name is hostile, and its pages."""
    base = tmp_path_factory.mktemp("hostile")
    labels = base / "labels.csv"
    quoted = NAMES[1].replace('"', '""')
    labels.write_text(f'tap,index,label,score\n"{NAMES[2]}",0,"{quoted}",0.5\n')
    site = base / "site"
    build_site([fabricate(base / "sweep", HOSTILE)], site, labels=labels, title=NAMES[1])
    return site, {path: Page(path) for path in sorted(site.rglob("*.html"))}


def read_all(site):
    return {
        str(one.relative_to(site)): one.read_bytes() for one in site.rglob("*") if one.is_file()
    }


def test_every_page_forbids_what_is_not_of_the_site(hostile):
    _, pages = hostile
    assert len(pages) == 2 * 4 * 5 + 5 + 4
    for path, page in pages.items():
        policy, place = page.policy
        assert policy == POLICY and place <= 4, path
    assert "unsafe" not in POLICY and "http" not in POLICY


def test_hostile_names_are_text(hostile):
    _, pages = hostile
    for page in pages.values():
        assert "x" not in page.addresses
        assert not any(name.startswith("on") or name == "style" for name in page.attributes)
        assert page.tags.count("script") <= 7 and page.tags.count("title") >= 1


def test_control_characters_are_written_as_letters(hostile):
    site, pages = hostile
    for path in [*pages, *(site / "data").iterdir()]:
        text = path.read_text(encoding="utf-8")
        assert not re.search("[\u202a-\u202e\u2028\x1b]", text), path


def test_data_is_a_text_that_scripts_parse(hostile):
    site, _ = hostile
    for path in (site / "data").iterdir():
        call = re.fullmatch(r'jaxvis\.take\(("[^"]*"),(".*")\);\n', path.read_text())
        assert call and isinstance(json.loads(json.loads(call[2])), dict | list)


def test_every_link_leads_to_a_file_of_the_site(hostile):
    site, pages = hostile
    for path, page in pages.items():
        for address in page.addresses:
            file = unquote(address.partition("#")[0])
            assert not re.match(r"[a-z]+:|//|/", file), (path, address)
            target = (path.parent / file).resolve() if file else path
            assert target.is_file() and site.resolve() in target.parents, (path, address)


def test_nothing_names_another_computer(hostile):
    site, _ = hostile
    for name, data in read_all(site).items():
        if not name.endswith(".png"):
            text = data.decode().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|wss?://|@import|url\(", text), name


def test_addresses_are_stable(hostile, tmp_path):
    site, _ = hostile
    assert (site / "units/fc8/0003.html").is_file() and (
        site / "units/fc8/0003-card.html"
    ).is_file()
    more = replace(HOSTILE, units=7, seeds=1, measured=False)
    # Without the network's table the order is another one, so only clean names are looked at.
    build_site([fabricate(tmp_path / "sweep", more)], tmp_path / "site")
    assert (tmp_path / "site/units/fc8/0003.html").is_file()


def test_a_units_json_tells_everything(hostile):
    site, _ = hostile
    about = json.loads((site / "units/fc8/0001.json").read_text())
    assert about["tap"] == "fc8" and about["label"] == NAMES[1]
    assert len(about["pictures"]) == 2 + len(NAMES) and len(about["pictures"][0]["curve"]) == 64
    assert (site / "units/fc8" / about["pictures"][0]["file"]).is_file()
    assert (site / "units/fc8" / about["measures"]["top"]["file"]).is_file()
    assert about["pictures"][0]["command"].startswith("jaxvis maximize")


def test_a_units_page_shows_what_is_known(hostile):
    site, _ = hostile
    text = (site / "units/fc8/0001.html").read_text()
    for words in (
        "Feature visualization",
        "Patches that excite it most",
        "Patches where it matters most",
        "How it answers to photographs",
        "Tuning",
        "Nearest classes",
        "Fed by",
        "What other networks see in it",
        "What speaks for it in photographs",
        "Loss, seed 0",
        "jaxvis maximize",
        "0001-card.html",
        "vgg19",
    ):
        assert words in text, words
    assert "inert" not in text and text.count("<svg") >= 3 * 5 + 3


def test_the_same_input_gives_the_same_bytes(tmp_path):
    sweep = fabricate(tmp_path / "sweep", Fabric(units=3))
    first = build_site([sweep], tmp_path / "a")
    build_site([sweep], tmp_path / "b")
    assert read_all(tmp_path / "a") == read_all(tmp_path / "b")
    again = build_site([sweep], tmp_path / "a")
    assert first.written > 30 and again.written == 0
    assert read_all(tmp_path / "a") == read_all(tmp_path / "b")


def test_only_what_has_changed_is_built_again(tmp_path):
    sweep = fabricate(tmp_path / "sweep", Fabric(units=3, measured=False))
    build_site([sweep], tmp_path / "site")
    path = sweep / "records" / "shard_000.json"
    record = json.loads(path.read_text())
    record["rows"] = [one for one in record["rows"] if one["index"] < 2]
    path.write_text(json.dumps(record))
    built = build_site([sweep], tmp_path / "site")
    # The unit's neighbour, the layer's page and data, the network's page, index and status.
    assert built.units == 8 and 5 <= built.written <= 12
    assert not (tmp_path / "site/units/conv1_1/0002.html").exists()
    assert (tmp_path / "site/units/conv2_1/0002.html").exists()


def test_what_is_missing_is_a_quiet_note(tmp_path):
    sweep = fabricate(tmp_path / "sweep", Fabric(units=2, measured=False, total=100))
    (sweep / "shards/shard_000/l0_0000_0.png").unlink()
    (sweep / "shards/shard_000/l0_0000_1.png").unlink(missing_ok=True)
    built = build_site([sweep], tmp_path / "site")
    assert built.missing == ("shards/shard_000/l0_0000_0.png",) and built.total == 100
    text = (tmp_path / "site/units/conv1_1/0000.html").read_text()
    assert "No picture of this unit is finished yet" in text and "was not measured" in text
    index = (tmp_path / "site/index.html").read_text()
    assert "12 of 100 pictures" in index and "no diagram" in index


def test_pictures_outside_of_the_folder_are_not_taken(tmp_path):
    sweep = fabricate(tmp_path / "sweep", Fabric(units=2, measured=False))
    (tmp_path / "secret.png").write_bytes(b"secret")
    inside = sweep / "shards/shard_000/l0_0000_0.png"
    inside.unlink()
    inside.symlink_to(tmp_path / "secret.png")
    (sweep / "shards/shard_001").rename(tmp_path / "elsewhere")
    (sweep / "shards/shard_001").symlink_to(tmp_path / "elsewhere")
    assert len(build_site([sweep], tmp_path / "site").missing) == 4
    assert b"secret" not in read_all(tmp_path / "site").values()


def test_runs_are_parts_and_methods_are_joined(tmp_path):
    one = Fabric(taps=("conv1_1", "fc8"), units=2, seeds=1, measured=False)
    for name, fabric in (
        ("a", one),
        ("b", one),
        ("c", replace(one, method="generate")),
        ("d", replace(one, network="vgg19")),
    ):
        fabricate(tmp_path / name, fabric)
    built = build_site([tmp_path / name for name in "abcd"], tmp_path / "site")
    site = tmp_path / "site"
    assert sorted(one.name for one in (site / "runs").iterdir()) == ["demo_a", "demo_b", "vgg19"]
    assert built.units == 12 and "demo, b" in (site / "index.html").read_text()
    joined = (site / "runs/demo_a/units/fc8/0000.html").read_text()
    assert "Drawn by a generator" in joined
    assert (site / "runs/demo_a/pictures-2/shards/shard_000/l0_0000_0.png").is_file()
    for path in site.rglob("*.html"):
        for address in Page(path).addresses:
            file = unquote(address.partition("#")[0]) or path.name
            assert (path.parent / file).is_file(), (path, address)


def test_labels_are_shown_and_must_fit(tmp_path):
    sweep = fabricate(tmp_path / "sweep", Fabric(units=2, measured=False))
    labels = tmp_path / "labels.csv"
    labels.write_text("layer,unit,description,similarity\nconv2_1,1,curves,0.25\n")
    build_site([sweep], tmp_path / "site", labels=labels)
    assert "curves" in (tmp_path / "site/units/conv2_1/0001.html").read_text()
    assert "curves" in (tmp_path / "site/data/index.js").read_text()
    labels.write_text("tap,index,label\nlayer4,1,curves\n")
    with pytest.raises(ValueError, match="names no unit of these layers: conv1_1"):
        build_site([sweep], tmp_path / "other", labels=labels)
    assert not (tmp_path / "other").exists()


def test_a_folder_of_something_else_is_kept(tmp_path):
    sweep = fabricate(tmp_path / "sweep", Fabric(units=1, measured=False))
    for out in (sweep, tmp_path):
        with pytest.raises(ValueError, match="and no site"):
            build_site([sweep], out)
    with pytest.raises(ValueError, match="no folder to show"):
        build_site([], tmp_path / "site")
    assert PurePosixPath("site") not in [one.name for one in tmp_path.iterdir()]
