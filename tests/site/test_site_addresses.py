from jaxvis.site.addresses import SAFE, picture_address, slug_names, unit_address
from tests.site.fabricate import NAMES


def test_slugs_are_unique_and_safe():
    slugs = slug_names(["conv1", "Conv1", "", "mixed/4a", "mixed 4a", *NAMES, "日本"])
    assert len(set(slugs.values())) == len(slugs)
    assert all(SAFE.fullmatch(one) for one in slugs.values())
    assert slugs["conv1"] == "conv1" and slugs["mixed/4a"] == "mixed_4a"


def test_a_slug_stays_when_more_names_follow():
    few, many = slug_names(["a", "A"]), slug_names(["a", "A", "a!"])
    assert few.items() <= many.items()


def test_pictures_have_safe_addresses():
    assert picture_address("shards/s1/a_0.png") == "shards/s1/a_0.png"
    odd = picture_address("shards/s1/a\"b'&.PNG")
    assert odd.startswith("_/") and odd.endswith(".png") and SAFE.fullmatch(f"pictures/{odd}")
    assert unit_address("conv1", 12345) == "units/conv1/12345"
