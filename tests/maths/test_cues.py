"""Background score and label maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.maths import cues


def maps_like(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_background_score_by_hand():
    # strongest classes 0.5, 0.8, 0: (1/2)^2, (1/5)^2, 1
    cam = torch.tensor([[[0.5, 0.2, 0]], [[0.25, 0.8, 0]]])
    torch.testing.assert_close(cues.background_score(cam, alpha=2), torch.tensor([[0.25, 0.04, 1]]))


def test_with_background_by_hand():
    cam = torch.tensor([[[0.5, 0.2]], [[0.25, 0.8]]])
    expected = torch.tensor([[[0.125, 0.008]], [[0.5, 0.2]], [[0.25, 0.8]]])
    torch.testing.assert_close(cues.with_background(cam, alpha=3), expected)


@given(seed=st.integers(0, 2**16), low=st.floats(0.1, 32), more=st.floats(0.1, 32))
@settings(deadline=None)
def test_a_larger_alpha_means_less_background(seed, low, more):
    cam = maps_like(seed, 3, 4, 5)
    less, much = cues.background_score(cam, alpha=low + more), cues.background_score(cam, alpha=low)
    assert (less <= much).all()
    assert less.sum() < much.sum()
    assert ((much >= 0) & (much <= 1)).all()


def test_label_map_by_hand():
    scores = torch.tensor([[[0.5, 0.1, 0.2]], [[0.4, 0.3, 0.1]], [[0.1, 0.2, 0.7]]])
    found = cues.label_map(scores, torch.tensor([0, 15, 3]))
    assert found.dtype == torch.uint8
    assert found.tolist() == [[0, 15, 3]]


def test_cam_labels_by_hand():
    cam = np.array([[[0.5, 0.2, 0.0]], [[0.25, 0.75, 0.125]]], np.float16)
    found = cues.cam_labels(cam, np.array([7, 2], np.uint8), size=(1, 3), stride=1, backgrounds=(0.0, 0.125, 0.5, 0.8))
    assert all(labels.dtype == np.uint8 for labels in found.values())
    assert {value: labels.tolist() for value, labels in found.items()} == {
        0.0: [[7, 2, 2]],
        0.125: [[7, 2, 0]],  # background where no map exceeds it
        0.5: [[0, 2, 0]],
        0.8: [[0, 0, 0]],
    }


def test_cam_labels_are_enlarged_before_they_are_decided():
    # halfway between 1 and 0 the map is 3/4 and 1/4: the border of 0.5 lies in the middle
    cam = np.array([[[1, 0]]], np.float16)
    found = cues.cam_labels(cam, np.array([5], np.uint8), size=(2, 4), stride=2, backgrounds=(0.5, 0.2, 0.9))
    assert found[0.5].tolist() == [[5, 5, 0, 0]] * 2
    assert found[0.2].tolist() == [[5, 5, 5, 0]] * 2
    assert found[0.9].tolist() == [[5, 0, 0, 0]] * 2


@pytest.mark.parametrize("seed", range(3))
def test_cam_labels_equal_the_label_map_with_a_constant_background(seed):
    cam, classes = maps_like(seed, 2, 6, 7).half(), torch.tensor([4, 9])
    constant = torch.full((1, 6, 7), 0.6)
    expected = cues.label_map(torch.cat([constant, cam.float()]), torch.cat([torch.zeros(1).long(), classes]))
    found = cues.cam_labels(cam.numpy(), classes.numpy().astype(np.uint8), size=(6, 7), stride=1, backgrounds=(0.6,))
    np.testing.assert_array_equal(found[0.6], expected.numpy())
    assert set(np.unique(found[0.6])) == {0, 4, 9}
