"""The CRF of cells by features: by hand, and beside the exact CRF by colours."""

from dataclasses import replace

import pytest
import torch
from settings import FEATURE_CRF, PSA

from wsss.crf import exact, features

COLOURS = torch.randint(256, (2, 3, 4, 3), generator=torch.Generator().manual_seed(0)).byte()
FEATURES = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(1))


def test_with_features_all_alike_the_kernel_is_that_of_colours_without_its_diagonal():
    colours = replace(PSA, smoothness_weight=0, appearance_weight=20, appearance_px=10, appearance_rgb=40)
    expected = exact.kernels(COLOURS, colours)
    found = features.kernel(COLOURS, torch.ones(2, 5, 3, 4), FEATURE_CRF)
    off = 1 - torch.eye(12)
    torch.testing.assert_close(found, expected * off)


def test_one_update_by_hand():
    """Of three cells, the outer two alike: the one in the middle hears next to nothing, the others each other."""
    grey = torch.full((1, 1, 3, 3), 128, dtype=torch.uint8)
    seen = torch.tensor([[[[1.0, -1.0, 1.0]]]])
    numbers = replace(FEATURE_CRF, steps=1, weight=2, cells=1e6, features=0.2)
    kernel = features.kernel(grey, seen, numbers)
    # two of the three are alike: each row of the kernel sums to its weight, half of it for the cell itself
    torch.testing.assert_close(kernel[0], torch.tensor([[0.0, 0, 1], [0, 0, 0], [1, 0, 0]]), atol=1e-6, rtol=0)
    p = torch.tensor([[0.9, 0.2, 0.4], [0.1, 0.8, 0.6]])
    found = features.marginals(-p.log()[None, :, None], kernel, steps=numbers.steps)[0, :, 0]
    # log q = log p - (1 - q_other) + constant
    first, last = (p[:, i] * (p[:, j] - 1).exp() for i, j in ((0, 2), (2, 0)))
    torch.testing.assert_close(found[:, 0], first / first.sum())
    torch.testing.assert_close(found[:, 1], p[:, 1])
    torch.testing.assert_close(found[:, 2], last / last.sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_passes_through(dtype):
    kernel = features.kernel(COLOURS, FEATURES, FEATURE_CRF)
    unary = torch.rand(2, 3, 3, 4, dtype=dtype, generator=torch.Generator().manual_seed(2)).requires_grad_()
    found = features.marginals(unary, kernel, steps=3)
    assert found.dtype == dtype and torch.allclose(found.sum(1), torch.ones(1, dtype=dtype))
    (gradient,) = torch.autograd.grad(found[:, 0].sum(), unary)
    assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_autocast_changes_nothing():
    unary = torch.rand(2, 3, 3, 4, generator=torch.Generator().manual_seed(2))
    expected = features.marginals(unary, features.kernel(COLOURS, FEATURES, FEATURE_CRF), steps=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = features.marginals(unary, features.kernel(COLOURS, FEATURES, FEATURE_CRF), steps=3)
    assert torch.equal(found, expected)
