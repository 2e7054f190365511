"""Which photographs go through a network together: on a CPU none, elsewhere those of one size, whatever the shards."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.datasets import batches, pictures
from wsss.datasets.manifest import Row
from wsss.runtime import machine

pytestmark = pytest.mark.usefixtures("on_the_cpu")

WIDE, HIGH = (2, 3), (3, 2)


def run(sizes, shard="1-of-1", *, together, scales=(1.0,), **options):
    """What comes of photographs of these sizes whose pixels are their numbers, what goes together, and what is read."""
    rows = [Row(str(number), "train", Path("x"), None, (), "") for number in range(len(sizes))]
    sent, read = [], []

    def photograph_of(row):
        read.append(int(row.id))
        return np.full((*sizes[int(row.id)], 3), int(row.id), np.uint8)

    def tens(photographs):
        sent.append(photographs[:, 0, 0, 0].tolist())
        return 10 * torch.from_numpy(photographs).float().mean((1, 2, 3))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "photograph_of", photograph_of)
        if together != 1:
            patch.setattr(machine, "batch_size", together if callable(together) else lambda pixels=1: together)
        found = list(batches.of_each(tens, rows, shard, scales=scales, **options))
    for row, photograph, result in found:
        assert photograph.shape[:2] == sizes[int(row.id)]
        assert (photograph == int(row.id)).all() and result == 10 * int(row.id)
    return [int(row.id) for row, _, _ in found], sent, read


def test_on_a_cpu_each_goes_alone_and_no_other_is_read():
    assert run([WIDE] * 5, "2-of-2", together=1) == ([2, 3, 4], [[2], [3], [4]], [2, 3, 4])


def test_those_of_one_size_go_together_and_come_in_their_order():
    came, sent, _ = run([WIDE, HIGH, WIDE, WIDE, HIGH, WIDE], together=3)
    assert sent == [[0, 2, 3], [5], [1, 4]]
    assert came == [0, 1, 2, 3, 4, 5]


def test_they_are_sought_in_a_window():
    _, sent, _ = run([WIDE, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, WIDE], together=2)
    assert [0, 8] not in sent and [0] in sent and [8] in sent


def test_all_that_are_warped_go_together():
    _, sent, _ = run([WIDE, HIGH, (5, 5)], together=3, warped_px=4)
    assert sent == [[0, 1, 2]]


def test_large_ones_go_alone_at_large_scales():
    asked = []

    def together(pixels=1):
        asked.append(pixels)
        return 1 if pixels > 100 else 3

    sizes = [(4, 4), (4, 4), (2, 2), (2, 2)]
    assert run(sizes, together=together, scales=(0.5, 2.0))[1] == [[0], [1], [2, 3]]
    assert asked == [1, 2 * 16 * 4, 2 * 4 * 4]  # each with its mirror image, at twice the side


@given(
    sizes=st.lists(st.sampled_from([WIDE, HIGH, (4, 4)]), max_size=40),
    shards=st.integers(1, 7),
    together=st.integers(1, 4),
)
@settings(deadline=None, max_examples=40)
def test_shards_send_the_batches_of_the_whole_list(sizes, shards, together):
    came, whole, _ = run(sizes, together=together)
    assert came == list(range(len(sizes)))
    parts = [run(sizes, f"{number}-of-{shards}", together=together) for number in range(1, shards + 1)]
    assert [number for part in parts for number in part[0]] == came
    for own, sent, _ in parts:
        assert [batch for batch in whole if set(batch) & set(own)] == sent
