"""Transition matrix and random walk."""

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.psa import affinity, random_walk

PSA = {"radius": 5, "beta": 8}


def affinities_like(seed, height, width, *, radius=5, dtype=torch.float64, device="cpu"):
    features = torch.rand(1, 4, height, width, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return affinity.affinities(features, radius=radius)[0].to(device)


def scores_like(seed, *shape, dtype=torch.float64, device="cpu"):
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)).to(device)


def test_transition_matrix_by_hand():
    # three pixels in a row, radius 2: neighbours only; affinities 1/2 and 1/4, squared 1/4 and 1/16
    row = torch.zeros(4, 1, 3)
    row[0, 0] = torch.tensor([0.5, 0.25, 0])
    w = torch.tensor([[1, 1 / 4, 0], [1 / 4, 1, 1 / 16], [0, 1 / 16, 1]])
    found = random_walk.transition_matrix(row, radius=2, beta=2)
    assert found.layout == torch.sparse_csr
    torch.testing.assert_close(found.to_dense(), w / w.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("size", [(6, 8), (3, 9), (9, 2), (1, 1)])
def test_transition_matrix_equals_the_reference(size):
    values = affinities_like(0, *size)
    found = random_walk.transition_matrix(values, **PSA)
    np.testing.assert_allclose(found.to_dense().numpy(), reference.transition_matrix(values.numpy(), **PSA), rtol=1e-12)


def test_transition_matrix_is_a_proper_csr_matrix():
    found = random_walk.transition_matrix(affinities_like(1, 7, 3), **PSA)
    indices = found.crow_indices(), found.col_indices()
    torch._validate_sparse_csr_tensor_args(*indices, found.values(), found.shape)  # sorted, no index twice
    pairs = sum(max(7 - dy, 0) * max(3 - abs(dx), 0) for dy, dx in affinity.offsets(5))
    assert found._nnz() == 21 + 2 * pairs


@given(seed=st.integers(0, 2**16), height=st.integers(1, 9), width=st.integers(1, 9), beta=st.floats(0, 50))
@settings(max_examples=25, deadline=None)
def test_rows_sum_to_one(seed, height, width, beta):
    found = random_walk.transition_matrix(affinities_like(seed, height, width), radius=5, beta=beta)
    torch.testing.assert_close(found.to_dense().sum(dim=1), torch.ones(height * width, dtype=torch.float64))


@pytest.mark.parametrize("walk", [random_walk.walk, random_walk.walk_plain])
def test_a_constant_map_stays(walk):
    scores = torch.full((2, 11, 7), 0.3, dtype=torch.float64)
    walked = walk(scores, affinities_like(2, 11, 7), **PSA, steps=256)
    torch.testing.assert_close(walked, scores, rtol=0, atol=1e-12)


def test_of_equal_affinities_the_walk_ends_at_the_mean_weighted_by_neighbours():
    # stationary distribution of a walk on a graph: proportional to the number of neighbours
    scores = scores_like(3, 1, 6, 6)
    values = affinity.affinities(torch.zeros(1, 1, 6, 6, dtype=torch.float64), radius=5)[0]
    neighbours = torch.zeros(6, 6, dtype=torch.float64)
    for y in range(6):
        for x in range(6):
            neighbours[y, x] = sum((y - v) ** 2 + (x - u) ** 2 < 25 for v in range(6) for u in range(6))
    mean = (scores[0] * neighbours).sum() / neighbours.sum()
    walked = random_walk.walk(scores, values, **PSA, steps=256)
    torch.testing.assert_close(walked, mean.expand(1, 6, 6), rtol=0, atol=1e-5)


def test_nothing_crosses_an_affinity_of_zero():
    features = torch.zeros(1, 1, 6, 8, dtype=torch.float64)
    features[..., 4:] = 1e4
    scores = torch.zeros(1, 6, 8, dtype=torch.float64)
    scores[..., :4] = 1
    walked = random_walk.walk(scores, affinity.affinities(features, radius=5)[0], **PSA, steps=256)
    torch.testing.assert_close(walked, scores, rtol=0, atol=1e-12)


@pytest.mark.parametrize("squarings", [0, 1, 3, 8])
def test_walk_equals_plain_walk_and_dense_squaring(squarings):
    scores, values = scores_like(4, 3, 6, 7), affinities_like(4, 6, 7)
    expected = torch.from_numpy(reference.walk(scores.numpy(), values.numpy(), **PSA, squarings=squarings))
    plain = random_walk.walk_plain(scores, values, **PSA, steps=2**squarings)
    torch.testing.assert_close(plain, expected, rtol=0, atol=1e-12)
    walked = random_walk.walk(scores, values, **PSA, steps=2**squarings)
    torch.testing.assert_close(walked, expected, rtol=0, atol=1e-5)


@given(
    seed=st.integers(0, 2**16),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    radius=st.integers(2, 6),
    beta=st.floats(0, 20),
    steps=st.integers(0, 300),
)
@settings(max_examples=15, deadline=None)
def test_walk_equals_plain_walk(seed, size, radius, beta, steps):
    scores, values = scores_like(seed, 2, *size), affinities_like(seed, *size, radius=radius)
    numbers = {"radius": radius, "beta": beta, "steps": steps}
    walked = random_walk.walk(scores, values, **numbers)
    torch.testing.assert_close(walked, random_walk.walk_plain(scores, values, **numbers), rtol=0, atol=2e-5)


def test_single_precision_is_enough():
    scores, values = scores_like(5, 3, 20, 25), affinities_like(5, 20, 25)
    expected = random_walk.walk_plain(scores, values, **PSA, steps=256)
    walked = random_walk.walk(scores.float(), values.float(), **PSA, steps=256)
    torch.testing.assert_close(walked.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("steps", [0, 1, 2, 256])
@pytest.mark.parametrize("size", [(20, 25), (3, 9), (1, 1)])
def test_gathered_neighbours_give_what_the_sparse_matrix_gives(monkeypatch, size, steps):
    """The walk as a GPU takes it, on the CPU."""
    scores, values = scores_like(8, 3, *size, dtype=torch.float32), affinities_like(8, *size, dtype=torch.float32)
    expected = random_walk.walk(scores, values, **PSA, steps=steps)
    monkeypatch.setattr(random_walk, "_sparse_step", random_walk._gathered_step)
    gathered = random_walk.walk(scores, values, **PSA, steps=steps)
    torch.testing.assert_close(gathered, expected, rtol=0, atol=1e-6)
    assert torch.equal(random_walk.walk(scores, values, **PSA, steps=steps), gathered)


def test_the_arguments_stay_as_they_are():
    scores, values = scores_like(6, 4, 5, 6), affinities_like(6, 5, 6)
    before = scores.clone(), values.clone()
    random_walk.walk(scores, values, **PSA, steps=16)
    assert torch.equal(scores, before[0])
    assert torch.equal(values, before[1])


def test_no_classes_stay_none():
    assert random_walk.walk(torch.zeros(0, 5, 6), affinities_like(6, 5, 6).float(), **PSA, steps=16).shape == (0, 5, 6)


@pytest.mark.parametrize(
    ("steps", "coefficients"),
    [
        (0, [1]),
        (1, [0, 1]),
        (2, [1 / 2, 0, 1 / 2]),
        (4, [3 / 8, 0, 1 / 2, 0, 1 / 8]),
        (5, [0, 5 / 8, 0, 5 / 16, 0, 1 / 16]),
    ],
)
def test_chebyshev_by_hand(steps, coefficients):
    # x^4 = (3 + 4 T_2 + T_4) / 8, for example
    assert random_walk.chebyshev_of_power(steps) == pytest.approx(coefficients)


@pytest.mark.parametrize("steps", [3, 64, 256, 4096])
def test_chebyshev_is_the_power(steps):
    x = np.linspace(-1, 1, 1001)
    coefficients = random_walk.chebyshev_of_power(steps)
    assert abs(np.polynomial.chebyshev.chebval(x, coefficients) - x**steps).max() < 2e-6
    assert sum(coefficients) == pytest.approx(1, abs=1e-14)
    assert len(coefficients) < 6 * steps**0.5


@pytest.mark.parametrize(("power", "factors"), [(0, (1, 1)), (1, (2, 4)), (0.5, (2**0.5, 2))])
def test_maps_are_rescaled_by_a_power_of_their_maximum(power, factors):
    scores = torch.tensor([[[0.5, 0.1]], [[0.0, 0.25]], [[0.0, 0.0]]])
    expected = scores * torch.tensor([*factors, 1.0])[:, None, None]
    torch.testing.assert_close(random_walk.rescaled(scores, power=power), expected)


@pytest.mark.parametrize("score", [0.5, 4])
def test_the_border_begins_as_background(score):
    scores = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros_like(scores)
    expected[0, [0, -1]] = expected[0, :, [0, -1]] = score
    expected[:, 1:4, 1:5] = scores[:, 1:4, 1:5]
    torch.testing.assert_close(random_walk.with_border(scores, score=score), expected)
    assert random_walk.with_border(scores, score=0) is scores


@pytest.mark.parametrize("size", [(1, 6), (2, 2), (5, 1)])
def test_an_image_of_borders_alone_keeps_its_scores(size):
    """Else nothing of what its tags name could be found."""
    scores = torch.ones(2, *size)
    assert random_walk.with_border(scores, score=4) is scores


def test_a_map_beside_its_object_does_not_spread_over_the_background():
    """A class whose map answers around a square, the object; affinities are those of the square and of what is not."""
    inside = torch.zeros(12, 12)
    inside[4:8, 4:8] = 1
    cam = torch.where(inside.bool(), 0.4, 0.5)
    values = torch.stack(
        [
            affinity.at_first_end(torch.eq(*affinity.pairs(inside, each)).float(), each, size=(12, 12), fill=0)
            for each in affinity.offsets(2)
        ]
    )
    scores = torch.stack([(1 - cam) ** 4, cam])
    for score, background in ((0, False), (4, True)):
        begun = random_walk.with_border(scores, score=score)
        walked = random_walk.rescaled(random_walk.walk(begun, values, radius=2, beta=8, steps=128), power=0.75)
        found = walked.argmax(0)
        assert found[4:8, 4:8].all()
        assert (found[inside == 0] == 0).all() == background


def test_pairs_of_another_radius_are_refused():
    with pytest.raises(ValueError, match="affinities of 34 pairs a pixel: radius 4 has 22"):
        random_walk.transition_matrix(affinities_like(0, 5, 5), radius=4, beta=8)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_walk_on_a_gpu():
    scores, values = scores_like(7, 3, 20, 25), affinities_like(7, 20, 25)
    expected = random_walk.walk_plain(scores, values, **PSA, steps=256)
    for walk in (random_walk.walk, random_walk.walk_plain):
        walked = walk(scores.float().cuda(), values.float().cuda(), **PSA, steps=256)
        torch.testing.assert_close(walked.cpu().double(), expected, rtol=0, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_walk_on_a_gpu_equals_that_on_a_cpu_and_itself():
    scores = scores_like(9, 3, 47, 63, dtype=torch.float32)
    values = affinities_like(9, 47, 63, dtype=torch.float32)
    first, second = (random_walk.walk(scores.cuda(), values.cuda(), **PSA, steps=256).cpu() for _ in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, random_walk.walk(scores, values, **PSA, steps=256), rtol=0, atol=2e-6)
