"""The benchmark of heatmaps: captum's maps are ours, and what differs is seen."""

import pytest

from benchmarks.speed import heatmaps as benchmark

pytest.importorskip("captum")
TINY = benchmark.Setting("squeezenet1_1", "fire3/concat", 48, 2, 24, 12, 4, 2, 4, 1)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.slow
def test_all_maps_are_those_of_captum():
    rows = benchmark.measure_scene(TINY)
    assert len(rows) == 6
    assert all(row["agree"] for row in rows), [row["case"] for row in rows if not row["agree"]]


@pytest.mark.slow
def test_another_patch_is_noticed(monkeypatch):
    peer = pytest.importorskip("benchmarks.peers.captum_heatmaps")
    hide = peer.explain_occlusion

    def hide_more(module, image, target, *, patch, stride):
        return hide(module, image, target, patch=patch // 2, stride=stride)

    monkeypatch.setattr(peer, "explain_occlusion", hide_more)
    rows = {row["case"]: row["agree"] for row in benchmark.measure_scene(TINY)}
    assert [case for case, agree in rows.items() if not agree] == [
        case for case in rows if "occlusion" in case
    ]
