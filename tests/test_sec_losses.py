"""SEC's seeding, expansion and constrain-to-boundary losses, and their rank pooling."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss import sec_losses
from wsss.errors import WsssError
from wsss.labels import VOID

SEC = dict(decay_present=0.996, decay_absent=0.0, decay_background=0.999)


def random(seed):
    return torch.Generator().manual_seed(seed)


def probabilities_like(seed, *shape):
    return sec_losses.probabilities(4 * torch.randn(*shape, dtype=torch.float64, generator=random(seed)), floor=1e-4)


def mask_like(seed, *shape):
    return torch.rand(*shape, generator=random(seed)) < 0.4


def two_cells(*classes):
    """One image of 1 x 2 cells from the two probabilities of each class."""
    return torch.tensor(classes, dtype=torch.float64)[None, :, None]


def all_losses(p, q, seeds, tags):
    expand = sec_losses.expansion_loss(p, tags, **SEC)
    return torch.stack([sec_losses.seeding_loss(p, seeds), expand, sec_losses.constrain_loss(p, q)])


def reference(p, q, seeds, tags, *, decay_present, decay_absent, decay_background):
    """The three losses from nested lists, by loops."""

    def pooled(grid, decay):
        total = weight_total = 0.0
        weight = 1.0
        for value in sorted((value for row in grid for value in row), reverse=True):
            total, weight_total, weight = total + weight * value, weight_total + weight, weight * decay
        return total / weight_total

    def mean(values):
        return sum(values) / len(values) if values else 0.0

    seed = expand = constrain = 0.0
    for p_image, q_image, seeds_image, tags_image in zip(p, q, seeds, tags, strict=True):
        at_seeds, divergences = [], []
        for y in range(len(p_image[0])):
            for x in range(len(p_image[0][0])):
                of_cell = [(p_image[c][y][x], q_image[c][y][x]) for c in range(len(p_image))]
                divergences.append(sum(b * math.log(b / a) for a, b in of_cell))
                at_seeds += [math.log(p_image[c][y][x]) for c in range(len(p_image)) if seeds_image[c][y][x]]
        shown, other = [], []
        for c, tag in enumerate(tags_image, start=1):
            if tag:
                shown.append(math.log(pooled(p_image[c], decay_present)))
            else:
                other.append(math.log(1 - pooled(p_image[c], decay_absent)))
        seed -= mean(at_seeds) / len(p)
        expand -= (mean(shown) + mean(other) + math.log(pooled(p_image[0], decay_background))) / len(p)
        constrain += mean(divergences) / len(p)
    return [seed, expand, constrain]


def test_probabilities_by_hand():
    # softmax 3/4, 1/4; plus 0.1: 0.85, 0.35, of sum 1.2
    scores = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1)
    found = sec_losses.probabilities(scores, floor=0.1)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.85, 0.35]) / 1.2)


def test_floored_by_hand():
    # 0.02 is raised to 0.1: 0.1, 0.3, 0.68, of sum 1.08
    found = sec_losses.floored(torch.tensor([0.02, 0.3, 0.68]).view(1, 3, 1, 1), floor=0.1)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.1, 0.3, 0.68]) / 1.08)


@pytest.mark.parametrize("classes", [2, 21])
def test_losses_of_a_network_that_is_sure_and_wrong_are_finite(classes):
    scores = torch.full((1, classes, 5, 5), -1000.0)
    scores[:, 1] = 1000  # everywhere the one class that is absent
    scores.requires_grad_()
    p = sec_losses.probabilities(scores, floor=1e-4)
    q = sec_losses.floored(p.detach().roll(1, dims=1), floor=1e-4)
    tags = torch.arange(classes - 1)[None] > 0
    losses = all_losses(p, q, p > 0, tags)
    losses.sum().backward()
    assert scores.grad.isfinite().all()
    # the smallest p is e = 0.0001 / (1 + 0.0001 C), and 1 - G is C - 1 times that
    e = 1e-4 / (1 + 1e-4 * classes)
    rest = 0.0 if classes == 2 else -math.log(e)
    assert losses[1].item() == pytest.approx(rest - math.log((classes - 1) * e) - math.log(e), rel=1e-3)


def test_seeding_loss_by_hand():
    p = two_cells([0.5, 0.2], [0.4, 0.7], [0.1, 0.1])
    seeds = torch.tensor([[[[True, False]], [[True, True]], [[False, False]]]])
    # background at 0.5; class 1, which may overlap it, at 0.4 and 0.7: three seeds share the denominator
    expected = -(math.log(0.5) + math.log(0.4) + math.log(0.7)) / 3
    assert sec_losses.seeding_loss(p, seeds).item() == pytest.approx(expected, rel=1e-12)


def test_seeding_loss_is_normalised_by_image():
    p = two_cells([0.5, 0.2], [0.5, 0.8]).repeat(3, 1, 1, 1).requires_grad_()
    seeds = torch.tensor([[[True, True], [False, False]], [[False, False], [True, False]], [[False] * 2] * 2])
    # log 0.5 and log 0.2 in the first image, log 0.5 in the second, nothing in the third, which counts as an image
    loss = sec_losses.seeding_loss(p, seeds[:, :, None])
    assert loss.item() == pytest.approx(-((math.log(0.5) + math.log(0.2)) / 2 + math.log(0.5) + 0) / 3, rel=1e-12)
    loss.backward()
    assert p.grad[:2].any()
    assert (p.grad[2] == 0).all()


def test_rank_pool_by_hand():
    # sorted 0.8, 0.4, 0.2; weights 1, 1/2, 1/4: (0.8 + 0.2 + 0.05) / 1.75
    torch.testing.assert_close(sec_losses.rank_pool(torch.tensor([0.2, 0.8, 0.4]), decay=0.5), torch.tensor(0.6))


def test_weights_of_sec():
    for decay, total, share, part in [(0.996, 249.7036, 0.1, 0.491), (0.999, 813.9688, 0.3, 0.487)]:
        weights = sec_losses.rank_weights(1681, decay=decay)
        assert weights.sum().item() == pytest.approx(total, abs=5e-5)
        assert weights[: round(share * 1681)].sum().item() / total == pytest.approx(part, abs=5e-4)


@given(seed=st.integers(0, 2**16), decay=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_rank_pool_lies_between_mean_and_maximum(seed, decay):
    probs = torch.rand(3, 20, dtype=torch.float64, generator=random(seed))
    pooled = sec_losses.rank_pool(probs, decay=decay)
    assert ((pooled >= probs.mean(-1) - 1e-12) & (pooled <= probs.amax(-1) + 1e-12)).all()
    torch.testing.assert_close(sec_losses.rank_pool(probs.flip(-1), decay=decay), pooled, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ends_of_rank_pool(dtype):
    probs = torch.rand(2, 3, 1681, dtype=dtype, generator=random(0))
    assert torch.equal(sec_losses.rank_pool(probs, decay=0), probs.amax(-1))
    torch.testing.assert_close(sec_losses.rank_pool(probs, decay=1), probs.mean(-1))


def test_rank_pool_keeps_its_precision_under_autocast():
    probs = 1 - 1e-4 * torch.rand(2, 50, generator=random(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = sec_losses.rank_pool(probs, decay=0.9)
    torch.testing.assert_close(pooled, sec_losses.rank_pool(probs, decay=0.9), rtol=0, atol=0)


@given(share=st.floats(0.01, 0.49), cells=st.integers(200, 4000))
@settings(max_examples=50, deadline=None)
def test_the_share_carries_half_of_all_weight(share, cells):
    decay = sec_losses.decay_of_share(share, cells=cells)
    assert (1 - decay ** (share * cells)) / (1 - decay**cells) == pytest.approx(0.5, rel=1e-6)
    # the same by adding weights up: ranks whose sum is below half end within a rank of share * cells
    carried = sec_losses.rank_weights(cells, decay=decay).cumsum(0)
    assert abs((carried < carried[-1] / 2).sum().item() - share * cells) < 1 + 1e-6


def test_shares_of_secs_decays():
    for share, decay in [(0.1027, 0.996), (0.3107, 0.999), (0.1, 0.99589), (0.3, 0.99893)]:
        assert sec_losses.decay_of_share(share, cells=1681) == pytest.approx(decay, abs=5e-6)


def test_a_share_means_the_same_on_a_finer_grid():
    # cells four times as many and a quarter as large: each value of the coarse grid stands four times in the fine one
    coarse = torch.rand(5, 1681, dtype=torch.float64, generator=random(0))
    pooled = sec_losses.rank_pool(coarse, decay=sec_losses.decay_of_share(0.1, cells=1681))
    fine = coarse.repeat_interleave(4, dim=1)
    finely = sec_losses.rank_pool(fine, decay=sec_losses.decay_of_share(0.1, cells=4 * 1681))
    torch.testing.assert_close(finely, pooled, rtol=1e-12, atol=0)


def test_ends_of_the_share():
    assert [sec_losses.decay_of_share(share, cells=1681) for share in (0, 1e-300, 0.5)] == [0, 0, 1]
    assert sec_losses.decay_of_share(0.5 - 1e-9, cells=1681) == pytest.approx(1, abs=1e-9)


def test_expansion_loss_by_hand():
    p = two_cells([0.2, 0.4], [0.7, 0.1], [0.1, 0.5])
    tags = torch.tensor([[True, False]])
    loss = sec_losses.expansion_loss(p, tags, decay_present=0.5, decay_absent=0, decay_background=1)
    # class 1, present: (0.7 + 0.1 / 2) / 1.5 = 0.5; class 2, absent: maximum 0.5; background: mean 0.3
    assert loss.item() == pytest.approx(-math.log(0.5) - math.log(1 - 0.5) - math.log(0.3), rel=1e-12)


@pytest.mark.parametrize(("tag", "terms"), [(True, [0.75 / 1.5, 0.55 / 1.5]), (False, [1 - 0.7, 1 - 0.5])])
def test_an_image_of_no_or_of_all_classes(tag, terms):
    p = two_cells([0.2, 0.4], [0.7, 0.1], [0.1, 0.5])
    tags = torch.tensor([[tag, tag]])
    loss = sec_losses.expansion_loss(p, tags, decay_present=0.5, decay_absent=0, decay_background=1)
    # both present and pooled with weights 1, 1/2, or both absent with their maxima; the background is there
    assert loss.item() == pytest.approx(-sum(map(math.log, terms)) / 2 - math.log(0.3), rel=1e-12)


def test_constrain_loss_by_hand():
    p, q = two_cells([0.5, 0.9], [0.5, 0.1]), two_cells([0.8, 0.9], [0.2, 0.1])
    # the second cell agrees: 0; and there are two
    expected = (0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)) / 2
    assert sec_losses.constrain_loss(p, q).item() == pytest.approx(expected, rel=1e-12)


def test_constrain_loss_is_zero_only_where_network_and_crf_agree():
    p, q = probabilities_like(0, 2, 4, 5, 6), probabilities_like(1, 2, 4, 5, 6)
    assert sec_losses.constrain_loss(p, p.clone()) == 0
    assert sec_losses.constrain_loss(p, q) > 0.1


@given(seed=st.integers(0, 2**16), classes=st.integers(1, 5), height=st.integers(1, 5), width=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_losses_equal_the_reference(seed, classes, height, width):
    p, q = (probabilities_like(seed + i, 3, classes, height, width) for i in range(2))
    seeds, tags = mask_like(seed, 3, classes, height, width), mask_like(seed, 3, classes - 1)
    lists = [values.tolist() for values in (p, q, seeds, tags)]
    assert all_losses(p, q, seeds, tags).tolist() == pytest.approx(reference(*lists, **SEC), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("sizes", [(2, 2), (1, 3)])
def test_losses_add_up_over_images(sizes):
    whole = [probabilities_like(0, 4, 3, 5, 6), probabilities_like(1, 4, 3, 5, 6)]
    whole += [mask_like(2, 4, 3, 5, 6), torch.tensor([[True, False], [True, True], [False, False], [False, True]])]
    whole[2][1] = False  # an image without seeds counts too
    parts = zip(*(values.split(sizes) for values in whole), strict=True)
    weighted = sum(all_losses(*part) * size / 4 for part, size in zip(parts, sizes, strict=True))
    torch.testing.assert_close(weighted, all_losses(*whole))


@pytest.mark.parametrize("name", ["seeding", "expansion", "constrain"])
def test_gradients(name):
    scores = torch.randn(3, 3, 3, 4, dtype=torch.float64, generator=random(0)).requires_grad_()
    crf = torch.rand(3, 3, 3, 4, dtype=torch.float64, generator=random(1)).requires_grad_()
    seeds, tags = mask_like(2, 3, 3, 3, 4), torch.tensor([[True, False], [True, True], [False, False]])
    loss = {
        "seeding": lambda p, q: sec_losses.seeding_loss(p, seeds),
        "expansion": lambda p, q: sec_losses.expansion_loss(p, tags, **SEC),
        "constrain": sec_losses.constrain_loss,  # the gradient of Q as well
    }[name]
    assert torch.autograd.gradcheck(
        lambda s, q: loss(sec_losses.probabilities(s, floor=0.01), sec_losses.floored(q, floor=0.01)), (scores, crf)
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_losses_on_a_gpu():
    maps = [probabilities_like(0, 2, 21, 41, 41), probabilities_like(1, 2, 21, 41, 41)]
    masks = [mask_like(2, 2, 21, 41, 41), mask_like(3, 2, 20)]
    found = all_losses(*(values.float().cuda() for values in maps), *(mask.cuda() for mask in masks))
    torch.testing.assert_close(found.cpu().double(), all_losses(*maps, *masks), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("refused", "values", "words"),
    [
        (lambda floor: sec_losses.probabilities(torch.ones(1, 2, 1, 1), floor=floor), [0.0, 1.0], "small one above 0"),
        (
            lambda floor: sec_losses.floored(torch.ones(1, 2, 1, 1), floor=floor),
            [-1e-4, math.nan],
            "such as SEC's 0.0001",
        ),
        (lambda decay: sec_losses.rank_pool(torch.ones(4), decay=decay), [-0.1, 1.001, math.nan], "the mean"),
        (lambda share: sec_losses.decay_of_share(share, cells=4), [-0.1, 0.51, math.nan], "0.5, the mean; with"),
    ],
)
def test_refusals(refused, values, words):
    for value in values:
        with pytest.raises(WsssError, match=f"is {value}: give .*{words}"):
            refused(value)


def test_one_hot_by_hand():
    labels = torch.tensor([[0, 2], [VOID, 1]], dtype=torch.uint8)
    expected = [[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 0], [0, 0]]]
    assert sec_losses.one_hot(labels, classes=4).int().tolist() == expected


@given(seed=st.integers(0, 2**16))
@settings(deadline=None)
def test_one_hot_tells_the_labels_again(seed):
    values = torch.tensor([0, 1, 7, 20, VOID], dtype=torch.uint8)
    labels = values[torch.randint(5, (2, 3, 4), generator=torch.Generator().manual_seed(seed))]
    masks = sec_losses.one_hot(labels, classes=21)
    assert masks.shape == (2, 21, 3, 4)
    assert masks.sum(dim=1).equal((labels != VOID).long())
    assert masks.int().argmax(1)[labels != VOID].equal(labels[labels != VOID].long())
    assert masks[1].equal(sec_losses.one_hot(labels[1], classes=21))
