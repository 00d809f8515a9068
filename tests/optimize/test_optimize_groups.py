"""Groups of chunks: every missing item once, always among the same others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxvis.optimize.groups import choose_group


def test_chunks_with_nothing_missing_are_left_out():
    # Chunks of two: (0 1) (2 3) (4 5) (6 7) (8), of which the second and third are done.
    first = choose_group(np.array([1, 6, 7, 8]), 2, 2, 9)
    assert first.places.tolist() == [0, 1, 6, 7]
    assert first.where.tolist() == [1, 6, 7] and first.rows.tolist() == [1, 2, 3]
    assert first.chunks_left == 3
    last = choose_group(np.array([8]), 2, 2, 9)
    assert last.places.tolist() == [8, 8, 8, 8]  # copies fill what one item leaves
    assert last.where.tolist() == [8] and last.rows.tolist() == [0]
    assert last.chunks_left == 1


@given(
    length=st.integers(1, 40),
    chunk=st.integers(1, 9),
    devices=st.integers(1, 5),
    done=st.sets(st.integers(0, 39)),
)
def test_every_missing_item_is_made_once_in_its_own_chunk(length, chunk, devices, done):
    missing = np.array([i for i in range(length) if i not in done], int)
    made, groups = [], 0
    while len(missing):
        group = choose_group(missing, chunk, devices, length)
        assert len(group.places) == devices * chunk
        assert (group.places[group.rows] == group.where).all()
        for part in group.places.reshape(devices, chunk):
            first = part[0] // chunk * chunk
            assert (part == np.minimum(first + np.arange(chunk), length - 1)).all()
        assert group.chunks_left == len({i // chunk for i in missing})
        made += group.where.tolist()
        missing, groups = np.setdiff1d(missing, group.where), groups + 1
    assert sorted(made) == [i for i in range(length) if i not in done]
    assert groups == -(-len({i // chunk for i in made}) // devices)
