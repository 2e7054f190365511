"""SEC's seeding, expansion and constrain-to-boundary losses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.runtime.errors import WsssError
from wsss.sec import losses

SEC = dict(decay_present=0.996, decay_absent=0.0, decay_background=0.999)


def random(seed):
    return torch.Generator().manual_seed(seed)


def probabilities_like(seed, *shape):
    return losses.probabilities(4 * torch.randn(*shape, dtype=torch.float64, generator=random(seed)), floor=1e-4)


def mask_like(seed, *shape):
    return torch.rand(*shape, generator=random(seed)) < 0.4


def two_cells(*classes):
    """One image of 1 x 2 cells from the two probabilities of each class."""
    return torch.tensor(classes, dtype=torch.float64)[None, :, None]


def all_losses(p, q, seeds, tags):
    expand = losses.expansion_loss(p, tags, **SEC)
    return torch.stack([losses.seeding_loss(p, seeds), expand, losses.constrain_loss(p, q)])


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
    found = losses.probabilities(scores, floor=0.1)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.85, 0.35]) / 1.2)


def test_floored_by_hand():
    # 0.02 is raised to 0.1: 0.1, 0.3, 0.68, of sum 1.08
    found = losses.floored(torch.tensor([0.02, 0.3, 0.68]).view(1, 3, 1, 1), floor=0.1)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.1, 0.3, 0.68]) / 1.08)


@pytest.mark.parametrize("classes", [2, 21])
def test_losses_of_a_network_that_is_sure_and_wrong_are_finite(classes):
    scores = torch.full((1, classes, 5, 5), -1000.0)
    scores[:, 1] = 1000  # everywhere the one class that is absent
    scores.requires_grad_()
    p = losses.probabilities(scores, floor=1e-4)
    q = losses.floored(p.detach().roll(1, dims=1), floor=1e-4)
    tags = torch.arange(classes - 1)[None] > 0
    found = all_losses(p, q, p > 0, tags)
    found.sum().backward()
    assert scores.grad.isfinite().all()
    # the smallest p is e = 0.0001 / (1 + 0.0001 C), and 1 - G is C - 1 times that
    e = 1e-4 / (1 + 1e-4 * classes)
    rest = 0.0 if classes == 2 else -math.log(e)
    assert found[1].item() == pytest.approx(rest - math.log((classes - 1) * e) - math.log(e), rel=1e-3)


def test_seeding_loss_by_hand():
    p = two_cells([0.5, 0.2], [0.4, 0.7], [0.1, 0.1])
    seeds = torch.tensor([[[[True, False]], [[True, True]], [[False, False]]]])
    # background at 0.5; class 1, which may overlap it, at 0.4 and 0.7: three seeds share the denominator
    expected = -(math.log(0.5) + math.log(0.4) + math.log(0.7)) / 3
    assert losses.seeding_loss(p, seeds).item() == pytest.approx(expected, rel=1e-12)


def test_seeding_loss_is_normalised_by_image():
    p = two_cells([0.5, 0.2], [0.5, 0.8]).repeat(3, 1, 1, 1).requires_grad_()
    seeds = torch.tensor([[[True, True], [False, False]], [[False, False], [True, False]], [[False] * 2] * 2])
    # log 0.5 and log 0.2 in the first image, log 0.5 in the second, nothing in the third, which counts as an image
    loss = losses.seeding_loss(p, seeds[:, :, None])
    assert loss.item() == pytest.approx(-((math.log(0.5) + math.log(0.2)) / 2 + math.log(0.5) + 0) / 3, rel=1e-12)
    loss.backward()
    assert p.grad[:2].any()
    assert (p.grad[2] == 0).all()


def test_expansion_loss_by_hand():
    p = two_cells([0.2, 0.4], [0.7, 0.1], [0.1, 0.5])
    tags = torch.tensor([[True, False]])
    loss = losses.expansion_loss(p, tags, decay_present=0.5, decay_absent=0, decay_background=1)
    # class 1, present: (0.7 + 0.1 / 2) / 1.5 = 0.5; class 2, absent: maximum 0.5; background: mean 0.3
    assert loss.item() == pytest.approx(-math.log(0.5) - math.log(1 - 0.5) - math.log(0.3), rel=1e-12)


def test_of_a_window_only_what_is_asked_for_has_to_be_there():
    p = two_cells([0.2, 0.4], [0.7, 0.1], [0.1, 0.5], [0.3, 0.2])
    tags = torch.tensor([[True, True, False]])
    decays = {"decay_present": 0.5, "decay_absent": 0, "decay_background": 1}
    asked = torch.tensor([[False, True, False, True]])  # not the background, not class 2; class 3 is not in the tags
    loss = losses.expansion_loss(p, tags, asked, **decays)
    assert loss.item() == pytest.approx(-math.log(0.5) - math.log(1 - 0.3), rel=1e-12)
    everything = losses.expansion_loss(p, tags, torch.ones_like(asked), **decays)
    assert everything.item() == losses.expansion_loss(p, tags, **decays).item()


@pytest.mark.parametrize(("tag", "terms"), [(True, [0.75 / 1.5, 0.55 / 1.5]), (False, [1 - 0.7, 1 - 0.5])])
def test_an_image_of_no_or_of_all_classes(tag, terms):
    p = two_cells([0.2, 0.4], [0.7, 0.1], [0.1, 0.5])
    tags = torch.tensor([[tag, tag]])
    loss = losses.expansion_loss(p, tags, decay_present=0.5, decay_absent=0, decay_background=1)
    # both present and pooled with weights 1, 1/2, or both absent with their maxima; the background is there
    assert loss.item() == pytest.approx(-sum(map(math.log, terms)) / 2 - math.log(0.3), rel=1e-12)


def test_constrain_loss_by_hand():
    p, q = two_cells([0.5, 0.9], [0.5, 0.1]), two_cells([0.8, 0.9], [0.2, 0.1])
    # the second cell agrees: 0; and there are two
    expected = (0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)) / 2
    assert losses.constrain_loss(p, q).item() == pytest.approx(expected, rel=1e-12)


def test_constrain_loss_is_zero_only_where_network_and_crf_agree():
    p, q = probabilities_like(0, 2, 4, 5, 6), probabilities_like(1, 2, 4, 5, 6)
    assert losses.constrain_loss(p, p.clone()) == 0
    assert losses.constrain_loss(p, q) > 0.1


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
        "seeding": lambda p, q: losses.seeding_loss(p, seeds),
        "expansion": lambda p, q: losses.expansion_loss(p, tags, **SEC),
        "constrain": losses.constrain_loss,  # the gradient of Q as well
    }[name]
    assert torch.autograd.gradcheck(
        lambda s, q: loss(losses.probabilities(s, floor=0.01), losses.floored(q, floor=0.01)), (scores, crf)
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
        (lambda floor: losses.probabilities(torch.ones(1, 2, 1, 1), floor=floor), [0.0, 1.0], "small one above 0"),
        (
            lambda floor: losses.floored(torch.ones(1, 2, 1, 1), floor=floor),
            [-1e-4, math.nan],
            "such as SEC's 0.0001",
        ),
    ],
)
def test_refusals(refused, values, words):
    for value in values:
        with pytest.raises(WsssError, match=f"is {value}: give .*{words}"):
            refused(value)
