"""The kernel of the latent CRF's prior, by hand and beside the exact CRF's."""

from dataclasses import replace

import pytest
import torch
from settings import PRIOR

from wsss.crf import exact
from wsss.lcrf.prior import crf_of, kernels

COLOURS = torch.randint(256, (2, 3, 4, 3), generator=torch.Generator().manual_seed(0)).byte()
FEATURES = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(1))


def test_without_features_it_is_the_exact_crfs():
    expected = exact.kernels(COLOURS, crf_of(PRIOR))
    assert torch.equal(kernels(COLOURS, PRIOR), expected)
    assert torch.equal(kernels(COLOURS, PRIOR, FEATURES), expected)  # which may be there for something else


def test_features_of_three_cells_by_hand():
    # less their mean, (1, 1): (1, 1), (-1, -1) and (0, 0), which has no direction
    features = torch.tensor([[[2.0, 0.0, 1.0]], [[2.0, 0.0, 1.0]]])[None]
    prior = replace(PRIOR, smoothness_weight=0, appearance_weight=3, appearance_cells=1e6, appearance_features=2)
    found = kernels(torch.zeros(1, 1, 3, 3, dtype=torch.uint8), prior, features)[0]
    # squared distances of 4, 1 and 1, over 2 * 2^2
    raw = torch.tensor([[0, 4, 1], [4, 0, 1], [1, 1, 0]]).div(-8).exp()
    norm = raw.sum(1).rsqrt()
    torch.testing.assert_close(found, 3 * norm[:, None] * raw * norm, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("width", [0.05, 0.4, 10])
def test_it_is_symmetric_and_each_images_own(width):
    prior = replace(PRIOR, appearance_features=width)
    found = kernels(COLOURS, prior, FEATURES)
    torch.testing.assert_close(found, found.mT)
    alone = torch.cat([kernels(COLOURS[[i]], prior, FEATURES[[i]]) for i in range(2)])
    torch.testing.assert_close(found, alone)


def test_autocast_changes_nothing():
    prior = replace(PRIOR, appearance_features=0.1)
    expected = kernels(COLOURS, prior, FEATURES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(kernels(COLOURS, prior, FEATURES), expected)


def test_cells_of_alike_features_hold_together_and_others_do_not():
    features = torch.zeros(1, 1, 2, 2)
    features[..., 0] = 1
    grey = torch.full((1, 2, 2, 3), 128, dtype=torch.uint8)
    prior = replace(PRIOR, smoothness_weight=0, appearance_cells=100, appearance_features=0.3)
    first, plain = kernels(grey, prior, features)[0, 0], kernels(grey, replace(prior, appearance_features=0))[0, 0]
    assert first[2] > 100 * first[1]  # the cell below, and the one beside
    assert plain[2] < 1.01 * plain[1]
