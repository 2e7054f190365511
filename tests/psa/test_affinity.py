"""Pixel pairs, affinity labels, affinities and their loss."""

import math

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.maths import grid
from wsss.psa import affinity
from wsss.runtime.errors import WsssError


def labels_like(seed, *shape):
    """Random labels, with background, three classes and void in them."""
    values = torch.tensor([0, 1, 2, 7, 255], dtype=torch.uint8)
    return values[torch.randint(5, shape, generator=torch.Generator().manual_seed(seed))]


def features_like(seed, *shape):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_offsets_in_the_order_of_psa():
    by_hand = [(0, dx) for dx in range(1, 5)]
    for dy, furthest in [(1, 4), (2, 4), (3, 3), (4, 2)]:
        by_hand += [(dy, dx) for dx in range(-furthest, furthest + 1)]
    assert affinity.offsets(5) == by_hand
    assert len(by_hand) == 34


@pytest.mark.parametrize(("radius", "number"), [(2, 4), (4, 22), (5, 34), (10, 152)])
def test_offsets_are_half_a_disc(radius, number):
    assert affinity.offsets(radius) == reference.offsets(radius)
    assert len(affinity.offsets(radius)) == number


def test_a_radius_without_pairs_is_refused():
    with pytest.raises(WsssError, match="radius of the affinity pairs is 1: give 2 or more"):
        affinity.affinities(torch.zeros(1, 2, 3, 3), radius=1)


def test_psas_cropped_pairs_are_among_ours():
    # at 56 x 56 PSA has 52 x 48 first pixels with 34 pairs each; whole rows and columns are more
    kinds = affinity.pair_kinds(torch.zeros(1, 56, 56, dtype=torch.uint8), radius=5)
    assert kinds[0, 0, :, :52, 4:52].sum() == 84_864
    assert kinds.sum() == sum((56 - dy) * (56 - abs(dx)) for dy, dx in affinity.offsets(5))


def test_pairs_by_hand():
    values = torch.arange(6).reshape(2, 3)  # 0 1 2 / 3 4 5
    first, second = affinity.pairs(values, (1, -1))
    assert first.tolist() == [[1, 2]]
    assert second.tolist() == [[3, 4]]
    assert affinity.at_first_end(second, (1, -1), size=(2, 3), fill=9).tolist() == [[9, 3, 4], [9, 9, 9]]


def test_merge_labels_by_hand():
    confident_foreground = torch.tensor([[0, 0, 3, 3, 255]])
    confident_background = torch.tensor([[0, 2, 0, 2, 255]])
    # background where the second is sure of it, also against the first; void where neither is sure
    merged = affinity.merge_labels(confident_foreground, confident_background)
    assert merged.tolist() == [[0, 255, 0, 3, 255]]
    assert merged.dtype == torch.uint8


def test_pool_scores_by_hand():
    scores = torch.arange(1.0, 7).reshape(1, 2, 3)  # 1 2 3 / 4 5 6: the second cell has two pixels only
    torch.testing.assert_close(grid.pooled(scores, stride=2), torch.tensor([[[3.0, 4.5]]]))


@given(height=st.integers(1, 20), width=st.integers(1, 20), stride=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_pool_scores_are_means_of_pixels_that_exist(height, width, stride):
    scores = features_like(height + 21 * width, 2, height, width)
    pooled = grid.pooled(scores, stride=stride)
    assert pooled.shape == (2, math.ceil(height / stride), math.ceil(width / stride))
    last = scores[:, (pooled.shape[1] - 1) * stride :, (pooled.shape[2] - 1) * stride :]
    torch.testing.assert_close(pooled[:, -1, -1], last.mean(dim=(1, 2)))


def test_affinities_by_hand():
    # channels differ by 2 and 0: exp(-1); radius 2 has the pairs (0, 1), (1, -1), (1, 0), (1, 1)
    features = torch.tensor([[[[0.0, 2.0]], [[5.0, 5.0]]]])
    found = affinity.affinities(features, radius=2)
    torch.testing.assert_close(found[0, 0], torch.tensor([[math.exp(-1), 0.0]]))
    assert (found[0, 1:] == 0).all()


@pytest.mark.parametrize("size", [(7, 9), (3, 9), (9, 2), (1, 1)])
def test_affinities_equal_the_reference(size):
    features = features_like(0, 2, 3, *size)
    expected = np.stack([reference.affinities(image.numpy(), 5) for image in features])
    np.testing.assert_allclose(affinity.affinities(features, radius=5).numpy(), expected, rtol=1e-12)


@given(seed=st.integers(0, 2**16), height=st.integers(1, 7), width=st.integers(1, 7), radius=st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_loss_equals_the_reference(seed, height, width, radius):
    labels = labels_like(seed, 2, height, width)
    values = affinity.affinities(features_like(seed, 2, 3, height, width), radius=radius)
    loss = affinity.affinity_loss(values, labels, radius=radius)
    expected = reference.affinity_loss(values.numpy(), labels.int().numpy(), radius)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_loss_by_hand():
    # pairs (0, 1) of 0 0 / 4 4 / 0 4, all with affinity 1/2: one of each kind, others (0.5 too) made void below
    labels = torch.tensor([[[0, 0]], [[4, 4]], [[0, 4]]])
    loss = affinity.affinity_loss(torch.full((3, 4, 1, 2), 0.5), labels, radius=2)
    torch.testing.assert_close(loss, torch.tensor(math.log(2)), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("label", "share"), [(0, 1 / 4), (5, 1 / 4)])
def test_positive_terms_of_affinity_one_are_barely_negative(label, share):
    loss = affinity.affinity_loss(torch.ones(1, 34, 8, 8, dtype=torch.float64), torch.full((1, 8, 8), label), radius=5)
    assert loss.item() == pytest.approx(-1e-5 * share, rel=1e-3)


def test_void_is_in_no_term():
    values = affinity.affinities(features_like(1, 1, 3, 6, 6), radius=5)
    assert affinity.affinity_loss(values, torch.full((1, 6, 6), 255), radius=5) == 0
    labels = torch.ones(1, 6, 6, dtype=torch.uint8)
    labels[:, 3:] = 255
    upper = affinity.affinity_loss(
        affinity.affinities(features_like(1, 1, 3, 6, 6)[:, :, :3], radius=5), labels[:, :3], radius=5
    )
    torch.testing.assert_close(affinity.affinity_loss(values, labels, radius=5), upper)


def test_loss_is_normalised_over_the_batch_and_sums_add_up():
    labels, values = labels_like(2, 3, 6, 7), affinity.affinities(features_like(2, 3, 4, 6, 7), radius=3)
    whole = affinity.affinity_loss(values, labels, radius=3)
    parts = sum(affinity.loss_sums(values[part], labels[part], radius=3) for part in (slice(0, 1), slice(1, 3)))
    torch.testing.assert_close(affinity.affinity_loss_of(parts), whole)


def test_loss_does_not_depend_on_which_numbers_the_classes_have():
    labels, values = labels_like(3, 2, 6, 7), affinity.affinities(features_like(3, 2, 4, 6, 7), radius=3)
    renamed = labels.clone()
    renamed[labels == 1] = 20
    torch.testing.assert_close(
        affinity.affinity_loss(values, renamed, radius=3), affinity.affinity_loss(values, labels, radius=3)
    )


def test_gradient():
    labels = labels_like(4, 2, 4, 5)
    features = features_like(4, 2, 3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f: affinity.affinity_loss(affinity.affinities(f, radius=3), labels, radius=3), features
    )


def test_gradient_is_finite_where_features_are_equal():
    features = torch.zeros(1, 3, 5, 5, requires_grad=True)
    labels = labels_like(5, 1, 5, 5)
    affinity.affinity_loss(affinity.affinities(features, radius=5), labels, radius=5).backward()
    assert features.grad.isfinite().all()


def test_affinities_do_not_depend_on_the_batch():
    features = features_like(6, 3, 64, 12, 15).float()
    together = affinity.affinities(features, radius=5)
    alone = torch.cat([affinity.affinities(image[None], radius=5) for image in features])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_affinities_on_a_gpu_equal_those_on_a_cpu_and_themselves():
    features = features_like(7, 3, 448, 20, 25).float()
    first, second = (affinity.affinities(features.cuda(), radius=5).cpu() for _ in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, affinity.affinities(features, radius=5), rtol=0, atol=1e-6)
