"""Maps that spread among cells that look alike."""

import pytest
import torch

from wsss.crf.features import exponents
from wsss.maths import correlation

GENERATOR = torch.Generator().manual_seed(0)
MAPS = torch.rand(2, 3, 4, 5, generator=GENERATOR)
FEATURES = torch.randn(2, 6, 4, 5, generator=GENERATOR)
COLOURS = torch.randint(256, (2, 4, 5, 3), generator=GENERATOR).byte()


def spread(maps=MAPS, features=FEATURES, colours=COLOURS, **changes):
    return correlation.spread(maps, features, colours, **({"steps": 1, "deviation": 0.4, "rgb": 40.0} | changes))


def test_features_are_what_a_cell_has_beside_the_mean():
    # less their mean, (1, 1): (1, 1), (-1, -1) and (0, 0), which has no direction
    found = correlation.unit_features(torch.tensor([[[2.0, 0.0, 1.0]], [[2.0, 0.0, 1.0]]])[None])
    half = 0.5**0.5
    torch.testing.assert_close(found, torch.tensor([[[half, -half, 0], [half, -half, 0]]]))


def test_a_step_is_the_mean_weighed_by_likeness():
    """Beside the weights of all pairs, made one by one from their distances."""
    colours = COLOURS.flatten(1, 2).double()
    apart = (colours[:, :, None] - colours[:, None]).square().sum(-1)
    weights = (exponents(FEATURES.double(), 0.4) - apart / (2 * 40**2)).exp()
    shares = weights / weights.sum(-1, keepdim=True)
    expected = torch.einsum("bij,bkj->bki", shares, MAPS.double().flatten(2)).reshape(MAPS.shape)
    torch.testing.assert_close(spread().double(), expected, rtol=1e-5, atol=1e-6)
    twice = torch.einsum("bij,bkj->bki", shares, expected.flatten(2)).reshape(MAPS.shape)
    torch.testing.assert_close(spread(steps=2).double(), twice, rtol=1e-5, atol=1e-6)


def test_cells_that_look_alike_get_one_value_and_others_keep_theirs():
    alike = torch.tensor([True, True, False, False])
    features = torch.where(alike, 1.0, -1.0).expand(1, 2, 1, 4)
    grey = torch.full((1, 1, 4, 3), 128, dtype=torch.uint8)
    maps = torch.tensor([[[[1.0, 0.0, 0.25, 0.75]]]])
    halves = torch.tensor([[[[0.5, 0.5, 0.5, 0.5]]]])
    torch.testing.assert_close(spread(maps, features, grey), halves, rtol=0, atol=1e-4)
    apart = (torch.arange(4) * 60).byte()[None, None, :, None].expand(1, 1, 4, 3)
    torch.testing.assert_close(spread(maps, features, apart, rgb=2.0), maps, rtol=0, atol=1e-4)


def test_rows_of_the_matrix_are_made_in_parts_and_images_do_not_meet(monkeypatch):
    whole = spread(steps=3)
    monkeypatch.setattr(correlation, "PAIRS", 130)  # three rows of two images of 20 cells
    torch.testing.assert_close(spread(steps=3), whole)
    torch.testing.assert_close(spread(MAPS[1:], FEATURES[1:], COLOURS[1:], steps=3), whole[1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_precision_is_that_of_the_maps_and_the_means_are_not_rounded_by_autocast(dtype):
    with torch.autocast("cpu", torch.bfloat16):
        found = spread(MAPS.to(dtype), FEATURES.to(dtype))
    assert found.dtype == dtype
    expected = spread(MAPS.to(dtype).float(), FEATURES.to(dtype).float())
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=1e-6 if dtype == torch.float32 else 4e-3)
