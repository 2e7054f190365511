"""Windows of displacements, and sums over them: what the engine "convcrf" is made of."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.crf.convcrf import gathered, gathered_plain, shifts

SHAPES = ["square", "diamond"]


def case(seed, radius, shape, size=(4, 5), dtype=torch.float64):
    """Maps, a kernel whose places beyond the grid hold no zeros either, and the displacements."""
    generator = torch.Generator().manual_seed(seed)
    displacements = shifts(radius, shape=shape)
    maps = torch.rand(2, 3, *size, dtype=dtype, generator=generator)
    return maps, torch.rand(2, len(displacements) + 1, *size, dtype=dtype, generator=generator), displacements


def brute_force(maps, kernel, displacements):
    """sum_j K_ij maps_j, pixel after pixel."""
    height, width = maps.shape[-2:]
    found = torch.zeros_like(maps)
    for y in range(height):
        for x in range(width):
            found[..., y, x] = kernel[:, :1, y, x] * maps[..., y, x]
            for rank, (dy, dx) in enumerate(displacements, start=1):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    found[..., y, x] += kernel[:, [rank], y, x] * maps[..., y + dy, x + dx]
                if 0 <= y - dy < height and 0 <= x - dx < width:
                    found[..., y, x] += kernel[:, [rank], y - dy, x - dx] * maps[..., y - dy, x - dx]
    return found


def test_shifts_by_hand():
    below = [(1, -1), (1, 0), (1, 1)]
    assert shifts(0, shape="square") == shifts(0, shape="diamond") == []
    assert shifts(1, shape="square") == [(0, 1), *below]
    assert shifts(1, shape="diamond") == [(0, 1), (1, 0)]
    assert shifts(2, shape="diamond") == [(0, 1), (0, 2), *below, (2, 0)]
    assert shifts(2, shape="square") == [(0, 1), (0, 2), *((dy, dx) for dy in (1, 2) for dx in range(-2, 3))]


@pytest.mark.parametrize("shape", SHAPES)
@given(radius=st.integers(0, 9))
@settings(deadline=None)
def test_shifts_and_their_opposites_are_the_window_each_place_once(shape, radius):
    half = shifts(radius, shape=shape)
    whole = half + [(-dy, -dx) for dy, dx in half] + [(0, 0)]
    reach = {"square": lambda dy, dx: max(abs(dy), abs(dx)), "diamond": lambda dy, dx: abs(dy) + abs(dx)}[shape]
    side = range(-radius, radius + 1)
    assert sorted(whole) == [(dy, dx) for dy in side for dx in side if reach(dy, dx) <= radius]


def test_gathered_by_hand():
    # one row of three: weights 2 to itself, 3 between the first two, 5 between the last two; the 7 lies beyond
    maps = torch.tensor([1.0, 10, 100]).reshape(1, 1, 1, 3)
    kernel = torch.tensor([[2.0, 2, 2], [3, 5, 7]]).reshape(1, 2, 1, 3)
    assert gathered_plain(maps, kernel, [(0, 1)]).flatten().tolist() == [32, 523, 250]
    assert gathered_plain(maps, kernel[:, :1], []).flatten().tolist() == [2, 20, 200]


@pytest.mark.parametrize("size", [(4, 5), (1, 6), (5, 1), (1, 1)])
@pytest.mark.parametrize("radius", [0, 1, 2, 4, 7])
@pytest.mark.parametrize("shape", SHAPES)
def test_gathered_equals_brute_force(shape, radius, size):
    of = case(0, radius, shape, size)
    torch.testing.assert_close(gathered_plain(*of), brute_force(*of))
    torch.testing.assert_close(gathered(*of), gathered_plain(*of), atol=0, rtol=0)


@pytest.mark.parametrize(("radius", "shape"), [(1, "square"), (3, "diamond"), (7, "square")])
def test_gathered_has_the_gradient_of_the_plain_one(radius, shape):
    maps, kernel, displacements = case(1, radius, shape)
    upstream = torch.rand_like(maps)
    gradients = []
    for function in (gathered, gathered_plain):
        inputs = maps.clone().requires_grad_(), kernel.clone().requires_grad_()
        gradients.append(torch.autograd.grad(function(*inputs, displacements), inputs, upstream))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("needed", [(True, True), (True, False), (False, True)])
def test_gradient_of_gathered(needed):
    *inputs, displacements = case(2, 2, "square", (3, 4))
    inputs = [one.requires_grad_(wanted) for one, wanted in zip(inputs, needed, strict=True)]
    assert torch.autograd.gradcheck(lambda *of: gathered(*of, displacements), inputs, fast_mode=True)


def test_gathered_keeps_the_maps_and_the_kernel_and_nothing_else():
    maps, kernel, displacements = case(3, 3, "square", (12, 13))
    kept = []

    def keep(tensor):
        kept.append(tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        gathered(maps.requires_grad_(), kernel.requires_grad_(), displacements)
    assert sum(kept) == (maps.numel() + kernel.numel()) * 8


def test_gathered_leaves_its_arguments_alone():
    maps, kernel, displacements = case(4, 2, "square")
    before = maps.clone(), kernel.clone()
    gathered(maps, kernel, displacements)
    assert torch.equal(maps, before[0]) and torch.equal(kernel, before[1])
