"""Normalised maps, and means over scales and mirror images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.maths import cam


def image_like(seed, height, width):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def multi_scale(maps, image, **options):
    """Of a single image."""
    (found,) = cam.multi_scale(maps, image[None], **options)
    return found


def pointwise(pair):
    """Two maps that look at a pixel alone: what they give for a mirror image is the mirror image of what they give."""
    return torch.stack([pair.mean(1), pair[:, 0] * pair[:, 2]], dim=1)


def cells(pair):
    """`pointwise` of each cell of 2 x 2 pixels."""
    return torch.nn.functional.avg_pool2d(pointwise(pair), 2)


FILL = (0.5, 0.5, 0.5)
STRIDE_1 = {"network_stride": 1, "stride": 1, "fill": FILL}


def test_normalised_by_hand():
    maps = torch.tensor([[[0.0, 2.0], [4.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]], [[0.1, 0.1], [0.1, 0.1]]])
    expected = torch.tensor([[[0, 0.5], [1, 0.25]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]])
    found = cam.normalised(maps)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)
    assert (found[1] == 0).all()


@given(seed=st.integers(0, 2**16), factor=st.floats(1e-6, 1e6))
@settings(deadline=None)
def test_normalised_lies_between_zero_and_one(seed, factor):
    found = cam.normalised(image_like(seed, 4, 5) * factor)
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_each_map_is_normalised_alone():
    maps = image_like(0, 4, 5)
    for number in range(3):
        torch.testing.assert_close(cam.normalised(maps)[number], cam.normalised(maps[number : number + 1])[0])


def test_a_network_that_commutes_with_mirroring_gives_its_plain_map():
    image = image_like(1, 6, 9)
    found = multi_scale(pointwise, image, scales=(1.0,), **STRIDE_1)
    torch.testing.assert_close(found, pointwise(image[None])[0])


def test_a_mirrored_image_gives_mirrored_maps_whatever_the_network():
    weight = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(2))

    def lopsided(pair):
        return torch.nn.functional.conv2d(pair, weight, padding=1)

    image = image_like(3, 8, 12)
    options = {"scales": (0.5, 1.0, 1.5), **STRIDE_1, "stride": 2}
    plain, mirrored = multi_scale(lopsided, image, **options), multi_scale(lopsided, image.flip(-1), **options)
    torch.testing.assert_close(mirrored.flip(-1), plain, rtol=0, atol=1e-5)
    assert not torch.allclose(lopsided(image[None]).flip(-1), lopsided(image[None].flip(-1)), atol=0.1)


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.5, 2.0), (0.01,)])
def test_a_constant_network_gives_the_constant(scales):
    constants = torch.tensor([0.25, 3.0])

    def constant(pair):
        return constants[None, :, None, None].expand(2, 2, *pair.shape[-2:])

    found = multi_scale(constant, image_like(4, 10, 13), scales=scales, network_stride=2, stride=4, fill=FILL)
    torch.testing.assert_close(found, constants[:, None, None].expand(2, 3, 4))


def test_mean_over_scales_by_hand():
    # maps that say how large their image is: heights 6, 12, 24 and widths 8, 16, 32
    def size(pair):
        height, width = pair.shape[-2:]
        return torch.tensor([float(height), float(width)])[None, :, None, None].expand(2, 2, 2, 2)

    found = multi_scale(size, image_like(5, 12, 16), scales=(0.5, 1.0, 2.0), **STRIDE_1 | {"stride": 4})
    torch.testing.assert_close(found, torch.tensor([42 / 3, 56 / 3])[:, None, None].expand(2, 3, 4))


def test_mean_of_image_and_mirror_image_by_hand():
    # the image's map is 1 at the left, the mirror image's 1 at its left, which is the image's right
    def left(pair):
        return torch.tensor([[[[1.0, 0.0, 0.0]]], [[[0.5, 0.0, 0.25]]]])

    found = multi_scale(left, image_like(6, 1, 3), scales=(1.0,), **STRIDE_1)
    torch.testing.assert_close(found, torch.tensor([[[(1 + 0.25) / 2, 0, 0.5 / 2]]]))


def test_an_image_goes_through_with_its_mirror_image_alone():
    seen = []

    def recording(pair):
        seen.append(pair)
        return cells(pair)

    image = image_like(7, 10, 15)
    options = {"scales": (0.5, 1.0, 1.4), "network_stride": 2, "stride": 2, "fill": FILL}
    alone = multi_scale(recording, image, **options)
    # 10 x 15 is filled up to 10 x 16; the copies have whole cells, 14 x 22.4 is rounded to 14 x 22
    assert [tuple(pair.shape) for pair in seen] == [(2, 3, 4, 8), (2, 3, 10, 16), (2, 3, 14, 22)]
    for pair in seen:
        torch.testing.assert_close(pair[1], pair[0].flip(-1))
        assert ((pair >= 0) & (pair <= 1)).all()  # bicubic overshoots
    assert torch.equal(seen[1][0, :, :, :15], image)
    multi_scale(recording, image_like(8, 20, 30), **options)  # a neighbour
    assert torch.equal(multi_scale(cells, image, **options), alone)


def test_double_precision_stays():
    found = multi_scale(lambda pair: pair.double()[:, :1], image_like(9, 4, 4), scales=(1.0,), **STRIDE_1)
    assert found.dtype == torch.float64


def test_each_of_several_images_has_the_maps_that_it_has_alone():
    weight = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(9))

    def lopsided(copies):
        return torch.nn.functional.conv2d(copies, weight, stride=2)

    images = torch.stack([image_like(seed, 11, 14) for seed in range(3)])
    options = {"scales": (0.5, 1.0, 1.4), "network_stride": 2, "stride": 4, "fill": FILL}
    found = cam.multi_scale(lopsided, images, **options)
    alone = torch.stack([multi_scale(lopsided, image, **options) for image in images])
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-6)
    assert (found[0] - found[1]).abs().max() > 0.1


@pytest.mark.parametrize("size", [(32, 48), (37, 43), (19, 61)])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 2.0)])
def test_cells_stay_where_they_are_at_every_scale_and_size(size, scales):
    """An edge of the picture is found at its own place: nothing is shifted or stretched by the padding."""
    image = torch.zeros(3, *size)
    image[:, 12:, 20:] = 1
    found = multi_scale(cells, image, scales=scales, network_stride=2, stride=4, fill=(0, 0, 0))[0]
    assert found.shape == (-(-size[0] // 4), -(-size[1] // 4))
    assert (found[:3] < 0.2).all() and (found[:, :5] < 0.2).all()
    inside = found[3 : size[0] // 4, 5 : size[1] // 4]
    assert (inside > 0.7).all()
