"""Merge puts parts of one plan together, and refuses what differs."""

import pytest

from jaxvis.cli import main
from jaxvis.sweep.merge import merge_stores
from jaxvis.sweep.store import open_store
from jaxvis.sweep.verify import verify_store
from tests.sweep.stores import change_seeds, commit, make_store, plan_shards
from tests.sweep.sweeps import read_files


def test_parts_become_the_whole(tmp_path):
    plan = plan_shards(5)
    make_store(tmp_path / "whole", plan)
    first, _ = make_store(tmp_path / "a", plan, which={0, 2, 4})
    second, _ = make_store(tmp_path / "b", plan, which={1, 2, 3})
    told = []
    found = merge_stores(open_store(tmp_path / "all"), [first, second], tell=told.append)
    assert (found.copied, found.equal, found.kept) == (5, 1, 0)
    assert (found.shards, found.planned) == (5, 5)
    assert told == [shard.name for shard in plan.shards]
    assert read_files(tmp_path / "all") == read_files(tmp_path / "whole")
    assert verify_store(open_store(tmp_path / "all")).faults == ()
    # Again, into what is there: nothing is new.
    again = merge_stores(open_store(tmp_path / "all"), [second])
    assert (again.copied, again.equal) == (0, 3)


def test_a_store_in_memory_is_merged_into_a_folder(tmp_path):
    pytest.importorskip("fsspec")
    plan = plan_shards(2)
    store, _ = make_store("memory://merged", plan)
    merge_stores(open_store(tmp_path / "all"), [store])
    make_store(tmp_path / "whole", plan)
    assert read_files(tmp_path / "all") == read_files(tmp_path / "whole")


def test_another_plan_is_refused_and_the_difference_named(tmp_path):
    plan = plan_shards()
    first, _ = make_store(tmp_path / "a", plan)
    second, _ = make_store(tmp_path / "b", change_seeds(plan), which=set())
    with pytest.raises(ValueError, match=r"b is of another plan than .*a \(seeds: 2, now 3\)"):
        merge_stores(open_store(tmp_path / "all"), [first, second])
    with pytest.raises(ValueError, match=r"begun with another plan \(seeds: 3, now 2\)"):
        merge_stores(second, [first])
    with pytest.raises(ValueError, match="is merged into itself"):
        merge_stores(first, [open_store(f"{tmp_path}/x/../a")])


def test_a_shard_that_differs_is_refused_with_its_file_or_the_first_is_kept(tmp_path):
    plan = plan_shards()
    first, _ = make_store(tmp_path / "a", plan, which={0, 1})
    second, _ = make_store(tmp_path / "b", plan, which={1, 2}, note="other")
    out = open_store(tmp_path / "all")
    name = plan.shards[1].name
    with pytest.raises(ValueError, match=rf"shards/{name}/conv1_1_0002_0.png differs between"):
        merge_stores(out, [first, second])
    assert out.list_done() == []  # nothing was written before all were compared
    found = merge_stores(out, [first, second], keep="first")
    assert (found.copied, found.equal, found.kept) == (3, 0, 1)
    path = f"shards/{name}/conv1_1_0002_0.png"
    assert out.files.read(path) == first.files.read(path) != second.files.read(path)


def test_rows_that_differ_are_refused(tmp_path):
    plan = plan_shards()
    first, _ = make_store(tmp_path / "a", plan)
    second, _ = make_store(tmp_path / "b", plan)
    path = f"records/{plan.shards[0].name}.json"
    second.files.write(path, second.files.read(path).replace(b"2.0", b"2.5", 1))
    with pytest.raises(ValueError, match=rf"{path} differs between"):
        merge_stores(open_store(tmp_path / "all"), [first, second])


@pytest.mark.parametrize("which", [{0}, {0, 1, 2}])
def test_damage_is_refused(tmp_path, which):
    plan = plan_shards()
    first, _ = make_store(tmp_path / "a", plan)
    second, _ = make_store(tmp_path / "b", plan, which=which)
    path = f"shards/{plan.shards[1].name}/conv1_1_0003_1.png"
    first.files.write(path, b"x")
    with pytest.raises(ValueError, match=rf"a/{path} is damaged: jaxvis sweep verify .* --mend"):
        merge_stores(open_store(tmp_path / "all"), [second, first][::-1])
    first.files.remove(path)
    with pytest.raises(ValueError, match=rf"a/{path} is missing"):
        merge_stores(open_store(tmp_path / "all"), [first])
    name = plan.shards[1].name
    first.files.write(f"records/{name}.json", b"{}")
    with pytest.raises(ValueError, match=rf"a/records/{name}.json is damaged"):
        merge_stores(open_store(tmp_path / "all"), [first])
    commit(first, plan, plan.shards[1])
    merge_stores(open_store(tmp_path / "all"), [first])


def test_the_command(tmp_path, capsys):
    plan = plan_shards()
    make_store(tmp_path / "a", plan, which={0, 1})
    make_store(tmp_path / "b", plan, which={1, 2})
    words = ["sweep", "merge", *(str(tmp_path / name) for name in ("all", "a", "b"))]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "3 of 3 shards, 3 of them new" in said and "1 shard in several of them" in said
    make_store(tmp_path / "c", plan, which={0}, note="other")
    words[-1] = str(tmp_path / "c")
    assert main(words) == 2 and "--keep first" in capsys.readouterr().err
    assert main([*words, "--keep", "first"]) == 0
    assert "the first was kept" in capsys.readouterr().out
