"""How frequent classes are, as logarithms."""

import numpy as np
import torch

from wsss.maths import frequencies


def test_rarities_are_those_of_the_foreground():
    tags = [("cat",), ("cat", "dog"), ("cat",), ("cow",)]
    found = frequencies.log_rarities(tags, ["cat", "dog", "cow", "sofa"])
    torch.testing.assert_close(found.exp(), torch.tensor([1, 1, 0.5, 0.5, 0.25]))
    torch.testing.assert_close(frequencies.log_rarities([], ["cat"]), torch.zeros(2))


def test_an_adjustment_is_of_rarities_and_of_the_background():
    found = frequencies.adjustment([("cat",)], ["cat", "dog"], balance=0.5, background_offset=2)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([2.0, 0.0, 0.5 * np.log(0.5)]), check_dtype=False)
    assert found.shape == (3, 1, 1)


def test_log_shares_count_labels_and_pass_over_void():
    maps = [np.array([[0, 0, 255], [2, 255, 0]], np.uint8), np.array([[0, 0]], np.uint8)]
    found = frequencies.log_shares(maps, classes=3)
    torch.testing.assert_close(found.exp(), torch.tensor([6.0, 1.0, 2.0]) / 9)
    torch.testing.assert_close(frequencies.log_shares([], classes=4).exp(), torch.full((4,), 0.25))
