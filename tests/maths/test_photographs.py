"""Photographs as tensors."""

import numpy as np
import torch

from wsss.maths.photographs import at_cells, to_tensor


def test_to_tensor_by_hand():
    photograph = np.array([[[0, 51, 255], [255, 0, 102]]], np.uint8)
    expected = torch.tensor([[[0, 1]], [[0.2, 0]], [[1, 0.4]]])
    torch.testing.assert_close(to_tensor(photograph), expected)


def test_at_cells_by_hand():
    # two cells a side of two pixels each; the filter that antialiases reaches beyond a cell, but not in an even image
    left = torch.tensor([1.0, 0.5, 0.25])[:, None, None].expand(3, 4, 4)
    found = at_cells(torch.stack([left, 1 - left]), (2, 2))
    assert found.dtype == torch.uint8
    assert found[0].tolist() == [[[255, 128, 64]] * 2] * 2
    assert found[1].tolist() == [[[0, 128, 191]] * 2] * 2


def test_at_cells_keeps_the_sides_apart():
    photograph = torch.zeros(1, 3, 64, 64)
    photograph[..., 32:] = 1
    (found,) = at_cells(photograph, (4, 4))
    assert (found[:, 0] == 0).all() and (found[:, 3] == 255).all()
