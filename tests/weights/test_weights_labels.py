"""Files of class labels: every way to write them, and every way to get them wrong."""

import json

import pytest

from jaxvis.weights.labels import find_duplicates, read_imagenet_labels, read_label_file

THREE = ("tench, Tinca tinca", "goldfish", "great white shark")


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a file of labels."""

    def write(content):
        path = tmp_path / "names.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "tench, Tinca tinca\ngoldfish\ngreat white shark",
        "tench, Tinca tinca\ngoldfish\ngreat white shark\n",
        "tench, Tinca tinca\ngoldfish\ngreat white shark\n\n",
        "tench, Tinca tinca\r\ngoldfish\r\ngreat white shark\r\n",
        "tench, Tinca tinca\rgoldfish\rgreat white shark\r",
        b"\xef\xbb\xbftench, Tinca tinca\ngoldfish\ngreat white shark\n",
        "n01440764 tench, Tinca tinca\nn01443537\tgoldfish\n great  white\u00a0shark \n",
        json.dumps(THREE),
        b"\xef\xbb\xbf" + json.dumps(THREE).encode(),
        json.dumps(dict(enumerate(THREE))),
        json.dumps({"2": THREE[2], "0": THREE[0], "1": THREE[1]}),
        json.dumps({label: i for i, label in enumerate(THREE)}),
        json.dumps({i: [f"n0144076{i}", label] for i, label in enumerate(THREE)}),
    ],
    ids=[
        *("plain", "end", "empty-end", "crlf", "cr", "bom", "wordnet", "list", "bom-list"),
        *("numbered", "unordered", "inverse", "keras"),
    ],
)
def test_every_way_to_write_labels_is_read(write, content):
    assert read_label_file(write(content), classes=3) == THREE


def test_a_file_that_counts_the_background_is_refused_with_the_cure(write):
    path = write("background\n" + "\n".join(THREE))
    with pytest.raises(ValueError) as caught:
        read_label_file(path, classes=3)
    message = str(caught.value)
    assert str(path) in message and "4 labels and the network has 3 classes" in message
    assert "'background'" in message and "--skip-first-label" in message
    assert read_label_file(path, classes=3, skip_first_label=True) == THREE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\nb", "has 2 labels and the network has 3 classes: name the labels of this network"),
        ("\n".join("abcdefg"), "has 7 labels and the network has 3 classes: name"),
        ("a\n\nb", r"labels that are empty \(line 2\)"),
        ("\na\nb", r"labels that are empty \(line 1\)"),
        ("a\nb\nc\n\n\n", r"labels that are empty \(line 4\)"),
        ("a\nb\x1b[31m\nc", r"labels that are not printable \(line 2\)"),
        ('["a", "", "c"]', r"labels that are empty \(class 1\)"),
        ('["a", 2, "c"]', "has 2 as the label of class 1: no text"),
        ('["a", {"x": []}, "c"]', "has a dict as the label of class 1: no text"),
        ('["a", [], "c"]', "has a list as the label of class 1: no text"),
        ('{"0": "a", "2": "b", "3": "c"}', "does not number its 3 labels from 0 to 2"),
        ('{"a": 0, "b": 0, "c": 1}', "does not number its 3 labels from 0 to 2"),
        ("{0: 'tench', 1: 'goldfish'}", "begins as JSON and cannot be read as that"),
        ("[" * 100_000, "begins as JSON and cannot be read as that"),
        ("[]", "holds no class labels"),
        ("{}", "no class labels"),
        ("\n", "holds no class labels"),
        (b"\xff\xfea\x00", "is no text in UTF-8"),
        (b"caf\xe9\nb\nc", "is no text in UTF-8"),
    ],
)
def test_every_mistake_names_the_file(write, content, message):
    path = write(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_label_file(path, classes=3)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\x1b" not in text and len(text) < 600


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="names.txt"):
        read_label_file(tmp_path / "names.txt")


def test_labels_that_several_classes_have_are_found():
    labels = ("crane", "maillot", "crane", "stork", "crane", "maillot")
    assert find_duplicates(labels) == {"crane": [0, 2, 4], "maillot": [1, 5]}
    assert find_duplicates(("a", "b")) == {}


def test_imagenets_labels_come_with_the_package():
    labels = read_imagenet_labels()
    assert len(labels) == 1000 and find_duplicates(labels) == {}
    assert (labels[0], labels[1], labels[281], labels[999]) == (
        "tench",
        "goldfish",
        "tabby",
        "toilet tissue",
    )
