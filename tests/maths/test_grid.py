"""Where cells lie: by hand, and by a picture whose cells say where they are."""

import pytest
import torch

from wsss.maths import grid

FILL = (0.25, 0.5, 0.75)


def images(height, width):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_cells_by_hand():
    assert grid.cells((16, 17), 8) == (2, 3)
    assert grid.cells((1, 8), 8) == (1, 1)
    assert grid.cells((5, 7), 1) == (5, 7)


@pytest.mark.parametrize(("size", "whole"), [((5, 9), (8, 12)), ((8, 3), (8, 4)), ((1, 1), (4, 4))])
def test_padded_fills_up_to_the_right_and_below(size, whole):
    found = grid.padded(images(*size), 4, fill=FILL)
    assert found.shape == (2, 3, *whole)
    assert torch.equal(found[..., : size[0], : size[1]], images(*size))
    outside = torch.ones(whole, dtype=torch.bool)
    outside[: size[0], : size[1]] = False
    for channel, value in enumerate(FILL):
        assert (found[:, channel][:, outside] == value).all()


def test_padded_leaves_whole_images_as_they_are():
    whole = images(8, 12)
    assert grid.padded(whole, 4, fill=FILL) is whole


@pytest.mark.parametrize(
    ("size", "scale", "whole"),
    [((32, 48), 1.5, (48, 72)), ((32, 48), 1.1, (32, 56)), ((10, 13), 1, (8, 16)), ((10, 13), 0.1, (8, 8))],
)
def test_whole_resizes_to_whole_cells_and_keeps_places(size, scale, whole):
    """Where one half is white the edge stays in the middle, whichever way the image is mirrored."""
    picture = torch.zeros(1, 3, *size)
    picture[..., size[1] // 2 :] = 1
    found = grid.whole(picture, 8, scale=scale)
    assert found.shape == (1, 3, *whole)
    torch.testing.assert_close(found.flip(-1), grid.whole(picture.flip(-1), 8, scale=scale))
    assert abs(found.mean() - picture.mean()) < 0.03


def test_whole_leaves_whole_images_as_they_are():
    assert grid.whole(picture := images(8, 16), 8) is picture


def test_to_pixels_by_hand():
    # centres of the pixels lie at -1/4, 1/4, 3/4, 5/4 of the cells' columns; the fourth is beyond the image
    maps = torch.tensor([[[[0.0, 1.0]]]])
    torch.testing.assert_close(grid.to_pixels(maps, (2, 4), stride=2), torch.tensor([[[[0, 0.25, 0.75, 1]] * 2]]))
    torch.testing.assert_close(grid.to_pixels(maps, (1, 3), stride=2), torch.tensor([[[[0, 0.25, 0.75]]]]))
    assert torch.equal(grid.to_pixels(maps, (1, 2), stride=1), maps)


@pytest.mark.parametrize("size", [(48, 64), (50, 61), (33, 47), (9, 5)])
@pytest.mark.parametrize("stride", [4, 8])
def test_a_pixel_gets_the_place_of_its_cell(size, stride):
    """Cells that hold the coordinates of their centres give each pixel its own coordinates, but for the outer rim."""
    rows, columns = grid.cells(size, stride)
    y = (torch.arange(rows) + 0.5) * stride - 0.5
    x = (torch.arange(columns) + 0.5) * stride - 0.5
    maps = torch.stack(torch.meshgrid(y, x, indexing="ij"))[None]
    found = grid.to_pixels(maps, size, stride=stride)[0]
    expected = torch.stack(torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")).float()
    for axis, length in enumerate((y, x)):
        inside = (expected[axis] >= length[0]) & (expected[axis] <= length[-1])
        torch.testing.assert_close(found[axis][inside], expected[axis][inside])
