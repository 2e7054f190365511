"""Images in cells, and the way back to the pixels."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.crf.levels import Level, guided_upsample, side_of


def level_like(seed, height, width, *, labels=3, inside=(1000, 1000)):
    """Pixels with random energies and colours; those that are not inside count as padding."""
    generator = torch.Generator().manual_seed(seed)
    areas = torch.zeros(1, 1, height, width, dtype=torch.float64)
    areas[..., : inside[0], : inside[1]] = 1
    unary = torch.rand(1, labels, height, width, dtype=torch.float64, generator=generator)
    return Level(1, unary, 255 * torch.rand(1, 3, height, width, dtype=torch.float64, generator=generator), areas)


def with_colours(level, colours):
    return Level(level.side, level.unary, colours, level.areas)


def test_cells_by_hand():
    unary = torch.tensor([[1.0, 3, 5, 7, 10], [1, 3, 5, 7, 20], [2, 4, 6, 8, 40]]).reshape(1, 1, 3, 5)
    level = Level(1, unary, unary.expand(1, 3, 3, 5) * 2, torch.ones(1, 1, 3, 5)).in_cells(2)
    assert level.side == 2
    assert level.areas[0, 0].tolist() == [[4, 4, 2], [2, 2, 1]]
    means = torch.tensor([[2.0, 6, 15], [3, 7, 40]])
    assert torch.equal(level.colours, 2 * means.expand(1, 3, 2, 3))


def test_a_cell_has_the_mean_probabilities_of_its_pixels():
    p = torch.tensor([[0.1, 0.3, 0.8], [0.5, 0.7, 0.2]]).reshape(1, 1, 2, 3)
    level = Level(1, -torch.cat([p, 1 - p], dim=1).log() + 5, p.expand(1, 3, 2, 3), torch.ones_like(p)).in_cells(2)
    expected = torch.tensor([[0.4, 0.5], [0.6, 0.5]]).reshape(1, 2, 1, 2)
    torch.testing.assert_close((-level.unary).exp(), expected)


def test_labels_without_a_probability_have_energies_and_gradients():
    level = level_like(10, 4, 4)
    level.unary[:, 1] += 1e6
    unary = level.unary.requires_grad_()
    found = Level(1, unary, level.colours, level.areas).in_cells(2).unary
    assert found.isfinite().all() and (found[:, 1] > 60).all()
    assert torch.autograd.grad(found.sum(), unary)[0].isfinite().all()


@pytest.mark.parametrize("spread_px", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("side", [1, 2, 5])
def test_the_gaussian_between_cells_is_the_mean_over_their_pixels(side, spread_px):
    level = level_like(11, 4 * side, 4 * side).in_cells(side)
    places = torch.arange(4 * side, dtype=torch.float64).reshape(4, side)
    pairs = torch.exp(-((places[0, :, None] - places[:, None]) ** 2) / (2 * spread_px**2))
    found = level.gaussian(torch.tensor(spread_px, dtype=torch.float64), count=4)
    torch.testing.assert_close(found, pairs.mean(dim=(1, 2)))


def test_padding_counts_in_no_mean():
    # 5 of the 9 rows and 4 of the 7 columns are the image, the rest is padding; cells of 3
    level = level_like(0, 9, 7, inside=(5, 4))
    found = level.in_cells(3)
    alone = Level(1, *(one[..., :5, :4] for one in (level.unary, level.colours, level.areas))).in_cells(3)
    assert found.areas[0, 0].tolist() == [[9, 3, 0], [6, 2, 0], [0, 0, 0]]
    for of, expected in ((found.unary, alone.unary), (found.colours, alone.colours)):
        torch.testing.assert_close(of[..., :2, :2], expected)
    q = (-found.unary).softmax(dim=1)
    assert (q[..., 2, :] == 1 / 3).all() and (q[..., 2] == 1 / 3).all()  # beyond the image no label is likelier


@pytest.mark.parametrize("size", [(24, 18), (23, 17), (5, 7), (1, 1)])
def test_cells_of_cells_are_larger_cells(size):
    level = level_like(1, *size, inside=(20, 15))
    found, expected = level.in_cells(2).in_cells(3), level.in_cells(6)
    assert found.side == expected.side == 6
    for name in ("unary", "colours", "areas"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))
    total = (expected.colours * expected.areas).sum(dim=(2, 3))
    torch.testing.assert_close(total, (level.colours * level.areas).sum(dim=(2, 3)))


def test_cells_of_one_pixel_are_the_pixels():
    level = level_like(2, 4, 5)
    assert level.in_cells(1) is level


@given(height=st.integers(1, 2000), width=st.integers(1, 2000), max_cells=st.integers(1, 20_000))
@settings(deadline=None)
def test_side_is_the_least_that_keeps_the_budget(height, width, max_cells):
    def count(side):
        return -(-height // side) * -(-width // side)

    side = side_of((height, width), max_cells=max_cells)
    assert count(side) <= max_cells
    assert side == 1 or count(side - 1) > max_cells


def test_side_by_hand():
    assert side_of((375, 500), max_cells=1200) == 13  # 29 x 39 cells; of 12 px they would be 32 x 42
    assert [side_of((4, 5), max_cells=most) for most in (20, 19, 6, 5, 1)] == [1, 2, 2, 3, 5]
    assert side_of((1, 1000), max_cells=1) == 1000


@pytest.mark.parametrize("side", [1, 3, 4])
@pytest.mark.parametrize("inside", [(20, 18), (13, 11), (2, 2)])
def test_constants_are_carried_as_they_are_and_the_first_label_is_0(side, inside):
    pixels = level_like(3, 20, 18, inside=inside)
    cells = pixels.in_cells(side)
    maps = torch.tensor([5.0, 7, 1], dtype=torch.float64)[:, None, None].expand_as(cells.unary)
    found = guided_upsample(maps, cells, pixels)[..., : inside[0], : inside[1]]
    assert found.shape == pixels.unary[..., : inside[0], : inside[1]].shape
    expected = torch.tensor([0.0, 2, -4], dtype=torch.float64)[:, None, None].expand_as(found)
    torch.testing.assert_close(found, expected)


def test_between_equal_levels_all_is_carried_but_the_first_label():
    pixels = level_like(4, 6, 7)
    maps = torch.rand(1, 3, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    assert torch.equal(guided_upsample(maps, pixels, pixels), maps - maps[:, :1])
    cells = pixels.in_cells(2)
    assert torch.equal(guided_upsample(cells.unary, cells, cells), cells.unary - cells.unary[:, :1])


@pytest.mark.parametrize("side", [2, 5])
def test_maps_linear_in_the_colours_are_carried_exactly(side):
    # Up to the regularisation of 50 squared levels, which flattens slopes by 50 / (variance + 50). Here colours range
    # to a million, and it is no matter; with those of an image, of variances 1350 and 220 in cells of 2 and 5, it is.
    pixels = level_like(5, 20, 23)
    pixels = with_colours(pixels, 4000 * pixels.colours)
    cells = pixels.in_cells(side)
    slopes = torch.tensor([[0.0, 0, 0], [3, -2, 1], [-1, 4, 2]], dtype=torch.float64) / 1e6
    offsets = torch.tensor([2.0, 1, -1], dtype=torch.float64)[:, None, None]

    def linear(level):
        return torch.einsum("lc,bchw->blhw", slopes, level.colours) + offsets

    expected = linear(pixels) - linear(pixels)[:, :1]
    torch.testing.assert_close(guided_upsample(linear(cells), cells, pixels), expected, atol=1e-5, rtol=0)


def test_noise_of_a_level_is_not_taken_for_an_edge():
    # What the regularisation is for: colours that have nothing to do with the maps. Measured: 0.00007, of maps of 0.3
    # to 0.7; with 255 times the noise 0.49.
    pixels = level_like(6, 40, 40)
    cells = pixels.in_cells(4)

    def with_noise(levels):
        noisy = (with_colours(one, 100 + levels * (one.colours / 255 - 0.5)) for one in (cells, pixels))
        return guided_upsample(cells.unary, *noisy)

    even = with_noise(0)
    assert (with_noise(1) - even).abs().max() < 0.00015 < 0.2 < (with_noise(255) - even).abs().max()


@pytest.mark.parametrize(("noise", "most"), [(0, 0.009), (3, 0.02)])
def test_an_edge_of_colour_is_followed(noise, most):
    # An oblique edge between two colours, and the map of the right one. Measured: mean errors 0.0046 and 0.0105, all on
    # the right side of 0.5; interpolated bilinearly 0.043, and 44 pixels of 3,072 on the wrong side.
    y, x = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")
    right = (x + 0.5 * y > 40).double()[None, None]
    dark, light = (torch.tensor(rgb).double()[:, None, None] for rgb in ([60, 120, 150], [180, 120, 60]))
    disturbed = noise * torch.randn(1, 3, 48, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    colours = dark + (light - dark) * right + disturbed
    pixels = Level(1, torch.cat([0 * right, right], dim=1), colours, torch.ones_like(right))
    cells = pixels.in_cells(6)
    found = guided_upsample(cells.unary, cells, pixels)[:, [1]]
    blurred = F.interpolate(cells.unary[:, [1]], size=(48, 64), mode="bilinear")
    assert (found - right).abs().mean() < most < 0.04 < (blurred - right).abs().mean()
    assert torch.equal(found > 0.5, right > 0.5)


@pytest.mark.parametrize("inside", [(18, 24), (13, 11), (6, 24), (1, 1)])
def test_padding_changes_nothing_of_what_is_carried(inside):
    height, width = inside
    pixels = level_like(8, 24, 30, inside=inside)
    cells = pixels.in_cells(6)
    alone = Level(1, *(one[..., :height, :width] for one in (pixels.unary, pixels.colours, pixels.areas)))
    expected = guided_upsample(alone.in_cells(6).unary, alone.in_cells(6), alone)
    found = guided_upsample(cells.unary, cells, pixels)
    torch.testing.assert_close(found[..., :height, :width], expected)


def test_gradient_of_what_is_carried():
    pixels = level_like(9, 5, 7)
    cells = pixels.in_cells(3)

    def function(maps, coarse, fine):
        return guided_upsample(maps, with_colours(cells, coarse), with_colours(pixels, fine))

    inputs = [one.clone().requires_grad_() for one in (cells.unary, cells.colours, pixels.colours)]
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
