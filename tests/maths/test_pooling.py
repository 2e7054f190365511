"""Global weighted rank pooling, the decay that a share of the cells stands for, and labels as masks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.labels import VOID
from wsss.maths import pooling
from wsss.runtime.errors import WsssError


def random(seed):
    return torch.Generator().manual_seed(seed)


def test_rank_pool_by_hand():
    # sorted 0.8, 0.4, 0.2; weights 1, 1/2, 1/4: (0.8 + 0.2 + 0.05) / 1.75
    torch.testing.assert_close(pooling.rank_pool(torch.tensor([0.2, 0.8, 0.4]), decay=0.5), torch.tensor(0.6))


def test_weights_of_sec():
    for decay, total, share, part in [(0.996, 249.7036, 0.1, 0.491), (0.999, 813.9688, 0.3, 0.487)]:
        weights = pooling.rank_weights(1681, decay=decay)
        assert weights.sum().item() == pytest.approx(total, abs=5e-5)
        assert weights[: round(share * 1681)].sum().item() / total == pytest.approx(part, abs=5e-4)


@given(seed=st.integers(0, 2**16), decay=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_rank_pool_lies_between_mean_and_maximum(seed, decay):
    probs = torch.rand(3, 20, dtype=torch.float64, generator=random(seed))
    pooled = pooling.rank_pool(probs, decay=decay)
    assert ((pooled >= probs.mean(-1) - 1e-12) & (pooled <= probs.amax(-1) + 1e-12)).all()
    torch.testing.assert_close(pooling.rank_pool(probs.flip(-1), decay=decay), pooled, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ends_of_rank_pool(dtype):
    probs = torch.rand(2, 3, 1681, dtype=dtype, generator=random(0))
    assert torch.equal(pooling.rank_pool(probs, decay=0), probs.amax(-1))
    torch.testing.assert_close(pooling.rank_pool(probs, decay=1), probs.mean(-1))


def test_rank_pool_keeps_its_precision_under_autocast():
    probs = 1 - 1e-4 * torch.rand(2, 50, generator=random(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = pooling.rank_pool(probs, decay=0.9)
    torch.testing.assert_close(pooled, pooling.rank_pool(probs, decay=0.9), rtol=0, atol=0)


@given(share=st.floats(0.01, 0.49), cells=st.integers(200, 4000))
@settings(max_examples=50, deadline=None)
def test_the_share_carries_half_of_all_weight(share, cells):
    decay = pooling.decay_of_share(share, cells=cells)
    assert (1 - decay ** (share * cells)) / (1 - decay**cells) == pytest.approx(0.5, rel=1e-6)
    # the same by adding weights up: ranks whose sum is below half end within a rank of share * cells
    carried = pooling.rank_weights(cells, decay=decay).cumsum(0)
    assert abs((carried < carried[-1] / 2).sum().item() - share * cells) < 1 + 1e-6


def test_shares_of_secs_decays():
    for share, decay in [(0.1027, 0.996), (0.3107, 0.999), (0.1, 0.99589), (0.3, 0.99893)]:
        assert pooling.decay_of_share(share, cells=1681) == pytest.approx(decay, abs=5e-6)


def test_a_share_means_the_same_on_a_finer_grid():
    # cells four times as many and a quarter as large: each value of the coarse grid stands four times in the fine one
    coarse = torch.rand(5, 1681, dtype=torch.float64, generator=random(0))
    pooled = pooling.rank_pool(coarse, decay=pooling.decay_of_share(0.1, cells=1681))
    fine = coarse.repeat_interleave(4, dim=1)
    finely = pooling.rank_pool(fine, decay=pooling.decay_of_share(0.1, cells=4 * 1681))
    torch.testing.assert_close(finely, pooled, rtol=1e-12, atol=0)


def test_ends_of_the_share():
    assert [pooling.decay_of_share(share, cells=1681) for share in (0, 1e-300, 0.5)] == [0, 0, 1]
    assert pooling.decay_of_share(0.5 - 1e-9, cells=1681) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("refused", "values", "words"),
    [
        (lambda decay: pooling.rank_pool(torch.ones(4), decay=decay), [-0.1, 1.001, math.nan], r"1 \(the mean\)"),
        (lambda share: pooling.decay_of_share(share, cells=4), [-0.1, 0.51, math.nan], r"0.5 \(the mean\); with"),
    ],
)
def test_refusals(refused, values, words):
    for value in values:
        with pytest.raises(WsssError, match=f"is {value}: it must lie between 0 .*{words}"):
            refused(value)


def test_one_hot_by_hand():
    labels = torch.tensor([[0, 2], [VOID, 1]], dtype=torch.uint8)
    expected = [[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 0], [0, 0]]]
    assert pooling.one_hot(labels, classes=4).int().tolist() == expected


@given(seed=st.integers(0, 2**16))
@settings(deadline=None)
def test_one_hot_tells_the_labels_again(seed):
    values = torch.tensor([0, 1, 7, 20, VOID], dtype=torch.uint8)
    labels = values[torch.randint(5, (2, 3, 4), generator=torch.Generator().manual_seed(seed))]
    masks = pooling.one_hot(labels, classes=21)
    assert masks.shape == (2, 21, 3, 4)
    assert masks.sum(dim=1).equal((labels != VOID).long())
    assert masks.int().argmax(1)[labels != VOID].equal(labels[labels != VOID].long())
    assert masks[1].equal(pooling.one_hot(labels[1], classes=21))
