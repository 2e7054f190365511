"""SEC's cues: median filter, the least salient cells, seeds of a class, one label map of them all, masks of classes."""

import statistics

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.labels import VOID
from wsss.sec import seeds


def maps_like(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def masks_like(seed, *shape):
    """Masks of unequal sizes, some of them empty."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator) < torch.rand(*shape[:-2], 1, 1, generator=generator) - 0.1


def classes_like(seed, number):
    """Different classes, in no order."""
    return (1 + torch.randperm(20, generator=torch.Generator().manual_seed(seed))[:number]).to(torch.uint8)


def slow_median(saliency, side):
    """The median over a square whose cells outside the grid are moved to the nearest one inside."""
    height, width, reach = len(saliency), len(saliency[0]), side // 2

    def around(y, x):
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                yield saliency[max(0, min(height - 1, y + dy))][max(0, min(width - 1, x + dx))]

    return [[statistics.median(around(y, x)) for x in range(width)] for y in range(height)]


def slow_resolve_overlaps(foreground, background, classes):
    """Each cell goes to the claimant with the smallest area, the lowest class among equals."""
    areas = [sum(map(sum, mask)) for mask in foreground]
    labels = [[255] * len(row) for row in background]
    for y, row in enumerate(background):
        for x, is_background in enumerate(row):
            claims = [(areas[i], classes[i]) for i in range(len(classes)) if foreground[i][y][x]]
            if claims:
                labels[y][x] = min(claims)[1]
            elif is_background:
                labels[y][x] = 0
    return labels


def test_median_filter_by_hand():
    saliency = torch.tensor([[9.0, 1, 2], [3, 4, 5], [6, 7, 8]])
    # around the first corner are 9 9 1 9 9 1 3 3 4, around the last 4 5 5 7 8 8 7 8 8
    expected = torch.tensor([[4.0, 3, 2], [6, 5, 5], [6, 6, 7]])
    assert seeds.median_filter(saliency, side=3).equal(expected)
    assert seeds.median_filter(saliency, side=1).equal(saliency)


@pytest.mark.parametrize("side", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 4)])
def test_median_filter_equals_a_loop_over_cells(side, size):
    saliency = maps_like(side, *size)
    assert seeds.median_filter(saliency, side=side).tolist() == slow_median(saliency.tolist(), side)


def test_median_filter_of_side_3_is_scipys():
    ndimage = pytest.importorskip("scipy.ndimage")
    saliency = maps_like(0, 41, 41)
    np.testing.assert_array_equal(seeds.median_filter(saliency, side=3), ndimage.median_filter(saliency.numpy(), 3))


def test_a_median_filter_without_a_middle_is_refused():
    with pytest.raises(ValueError, match="median filter of side 4: give an odd one"):
        seeds.median_filter(torch.zeros(5, 5), side=4)


def test_least_salient_by_hand():
    # the filter keeps a ramp's columns 0 1 2 3 4; of 15 cells the element at 6 is a 2, so 0 and 1 lie below it
    ramp = torch.arange(5.0).expand(3, 5)
    expected = torch.tensor([[True, True, False, False, False]]).expand(3, 5)
    assert seeds.least_salient(ramp, share=0.4).equal(expected)
    # the element at 5 is a 1, as are the two after it: those of 0 alone lie below it
    assert seeds.least_salient(ramp, share=0.35).sum() == 3


def test_least_salient_drops_single_cells():
    saliency = torch.ones(7, 7)
    saliency[3, 3] = 0  # gone with the filter
    assert not seeds.least_salient(saliency, share=0.5).any()
    saliency[2:5, 2:5] = 0  # its corners go
    assert seeds.least_salient(saliency, share=0.5).sum() == 5


def test_least_salient_takes_168_of_the_cells_of_sec():
    columns = torch.arange(41.0)
    plane = columns[:, None] + columns / 64  # rises both ways: no two cells are equal, and its filter keeps nearly all
    assert seeds.median_filter(plane, side=3).unique().numel() > 1600
    assert seeds.least_salient(plane, share=0.1).sum() == 168


@given(seed=st.integers(0, 2**16), height=st.integers(1, 9), width=st.integers(1, 9), share=st.floats(0, 0.99))
@settings(deadline=None)
def test_least_salient_are_below_the_others_and_no_more_than_their_share(seed, height, width, share):
    saliency = maps_like(seed, height, width)
    found, smooth = seeds.least_salient(saliency, share=share), torch.tensor(slow_median(saliency.tolist(), 3))
    assert found.sum() <= share * height * width
    assert not found.any() or smooth[found].max() < smooth[~found].min()
    # it leaves out no more than those that equal the first one left out
    assert (smooth <= smooth[~found].min()).sum() > int(share * height * width)


@given(seed=st.integers(0, 2**16), low=st.floats(0, 0.9), more=st.floats(0, 0.09))
@settings(deadline=None)
def test_a_larger_share_only_adds_background(seed, low, more):
    saliency = maps_like(seed, 6, 7)
    few, many = seeds.least_salient(saliency, share=low), seeds.least_salient(saliency, share=low + more)
    assert not (few & ~many).any()
    # only the order of the cells counts
    assert few.equal(seeds.least_salient(8 * saliency, share=low))


@pytest.mark.parametrize("share", [0, 0.1, 0.99])
def test_a_constant_map_and_a_single_cell_have_no_background(share):
    assert not seeds.least_salient(torch.full((4, 5), 0.3), share=share).any()
    assert not seeds.least_salient(torch.zeros(4, 5), share=share).any()
    assert seeds.least_salient(torch.ones(1, 1), share=share).tolist() == [[False]]


def test_foreground_seeds_by_hand():
    # thresholds 2 and 0.25 of maxima 8 and 1; what equals them is no seed
    heat = torch.tensor([[[8.0, 2, 3]], [[0.25, 0.5, 1]]])
    assert seeds.foreground_seeds(heat, threshold=0.25).tolist() == [[[True, False, True]], [[False, True, True]]]


@given(seed=st.integers(0, 2**16), threshold=st.floats(0, 0.95), shift=st.floats(0, 1))
@settings(deadline=None)
def test_foreground_seeds_have_the_maximum_and_no_less_than_a_share_of_it(seed, threshold, shift):
    heat = maps_like(seed, 3, 5, 4) - shift
    found = seeds.foreground_seeds(heat, threshold=threshold)
    for one, mask in zip(heat, found, strict=True):
        assert mask.any() == (one.max() > 0)
        assert mask.flatten()[one.argmax()] == (one.max() > 0)
        assert (one[mask] > threshold * one.max()).all() and (one[~mask] <= threshold * one.max()).all()
    scale = torch.tensor([0.25, 1, 64])[:, None, None]  # each map is measured by itself
    assert found.equal(seeds.foreground_seeds(scale * heat, threshold=threshold))


def test_maps_without_a_positive_value_have_no_seeds():
    heat = torch.stack([torch.zeros(2, 3), torch.full((2, 3), -1.0), torch.ones(2, 3)])
    for threshold in (0, 0.2, 0.9):
        assert seeds.foreground_seeds(heat, threshold=threshold).sum(dim=(1, 2)).tolist() == [0, 0, 6]
    assert seeds.foreground_seeds(torch.ones(0, 2, 3), threshold=0.2).shape == (0, 2, 3)


def test_resolve_overlaps_by_hand():
    background = torch.tensor([[1, 1, 1, 0, 0, 0]]).bool()
    foreground = torch.tensor([[[0, 1, 1, 1, 1, 0]], [[0, 0, 1, 1, 0, 0]]]).bool()
    labels = seeds.resolve_overlaps(foreground, background, torch.tensor([3, 15], dtype=torch.uint8))
    # background where it is alone, the smaller 15 inside 3, void where nobody is sure
    assert labels.tolist() == [[0, 3, 15, 15, 3, VOID]]
    assert labels.dtype == torch.uint8


@pytest.mark.parametrize("classes", [[4, 9], [9, 4]])
def test_of_equal_regions_the_lower_class_wins(classes):
    foreground = torch.tensor([[[1, 1, 0]], [[0, 1, 1]]]).bool()
    labels = seeds.resolve_overlaps(foreground, torch.zeros(1, 3).bool(), torch.tensor(classes, dtype=torch.uint8))
    assert labels.tolist() == [[classes[0], 4, classes[1]]]


def test_regions_are_counted_before_they_lose_cells():
    # 2 has 3 cells and 1 has 4; that 1 loses two of them to 3 does not make it the smaller one
    foreground = torch.tensor([[[1, 1, 1, 1, 0, 0]], [[0, 0, 0, 1, 1, 1]], [[1, 1, 0, 0, 0, 0]]]).bool()
    labels = seeds.resolve_overlaps(foreground, torch.zeros(1, 6).bool(), torch.tensor([1, 2, 3], dtype=torch.uint8))
    assert labels.tolist() == [[3, 3, 1, 2, 2, 2]]


@given(seed=st.integers(0, 2**16), number=st.integers(0, 5), height=st.integers(1, 6), width=st.integers(1, 6))
@settings(deadline=None)
def test_resolve_overlaps_equals_a_loop_over_cells(seed, number, height, width):
    foreground, background = masks_like(seed, number, height, width), masks_like(seed + 1, height, width)
    classes = classes_like(seed, number)
    found = seeds.resolve_overlaps(foreground, background, classes)
    assert found.tolist() == slow_resolve_overlaps(foreground.tolist(), background.tolist(), classes.tolist())


@given(seed=st.integers(0, 2**16))
@settings(deadline=None)
def test_settled_seeds_are_seeds_of_their_class(seed):
    foreground, background, classes = masks_like(seed, 4, 5, 6), masks_like(seed + 1, 5, 6), classes_like(seed, 4)
    labels = seeds.resolve_overlaps(foreground, background, classes)
    claimed = foreground.any(0)
    assert ((labels == VOID) == ~(claimed | background)).all()
    assert ((labels == 0) == (background & ~claimed)).all()
    for rank, mask in zip(classes, foreground, strict=True):
        assert not ((labels == rank) & ~mask).any()
    areas = foreground.sum(dim=(1, 2))
    smallest = min(range(4), key=lambda index: (areas[index], classes[index]))
    assert (labels[foreground[smallest]] == classes[smallest]).all()
    # the order of the maps is of no account
    assert labels.equal(seeds.resolve_overlaps(foreground.flip(0), background, classes.flip(0)))


@given(seed=st.integers(0, 2**16))
@settings(deadline=None)
def test_a_maximum_is_lost_to_smaller_regions_only(seed):
    heat, classes = maps_like(seed, 3, 6, 6), classes_like(seed, 3)
    foreground = seeds.foreground_seeds(heat, threshold=0.8)
    background = seeds.least_salient(maps_like(seed + 1, 6, 6), share=0.3)
    labels = seeds.resolve_overlaps(foreground, background, classes).flatten()
    area = dict(zip(classes.tolist(), foreground.sum(dim=(1, 2)).tolist(), strict=True))
    for rank, one in zip(classes.tolist(), heat, strict=True):
        winner = labels[one.argmax()].item()
        assert (area[winner], winner) <= (area[rank], rank)
    assert (labels == 0).sum() <= int(0.3 * 36)


def test_without_seeds_there_is_nothing_to_resolve():
    nothing = torch.zeros(1, 1).bool()
    assert seeds.resolve_overlaps(nothing[None], nothing, torch.tensor([5], dtype=torch.uint8)).tolist() == [[VOID]]
    assert seeds.resolve_overlaps(nothing[None], ~nothing, torch.tensor([5], dtype=torch.uint8)).tolist() == [[0]]
    assert seeds.resolve_overlaps(~nothing[None], ~nothing, torch.tensor([5], dtype=torch.uint8)).tolist() == [[5]]


def test_seeds_of_labels_by_hand():
    # cells of 2 x 2 pixels: all of a class, three of four, half, and void
    labels = torch.tensor([[3, 3, 3, 3], [3, 3, 3, 0], [1, 0, VOID, VOID], [1, 0, VOID, 2]], dtype=torch.uint8)
    assert seeds.of_labels(labels, cells=2, share=0.7).tolist() == [[3, 3], [VOID, VOID]]
    assert seeds.of_labels(labels, cells=2, share=0.75).tolist() == [[3, VOID], [VOID, VOID]]
    # cells of 4/3 pixels: that in the corner has a whole pixel and thirds of others
    assert seeds.of_labels(labels, cells=4, share=0.5).equal(labels)


@given(seed=st.integers(0, 2**16), cells=st.integers(1, 9))
@settings(deadline=None)
def test_seeds_of_labels_have_labels_of_their_cell_alone(seed, cells):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.tensor([0, 4, VOID], dtype=torch.uint8)[torch.randint(3, (3, 2), generator=generator)]
    labels = coarse.repeat_interleave(6, 0).repeat_interleave(7, 1)
    found = seeds.of_labels(labels, cells=cells, share=0.6)
    assert found.shape == (cells, cells) and set(found.unique().tolist()) <= {0, 4, VOID}
    if cells % 6 == 0:  # each within one block, but for columns that the middle divides
        whole = labels[:: 18 // cells][:cells]
        assert found[:, 0].equal(whole[:, 0]) and found[:, -1].equal(whole[:, -1])
