"""The colours of training images: one affine map, held to the changes of torchvision that it stands for."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from wsss.options.training import Augment
from wsss.training.augment import GREY, augmented_photograph, colour_map

ADJUST = (v2.functional.adjust_brightness, v2.functional.adjust_contrast, v2.functional.adjust_saturation)
NAMES = ("brightness", "contrast", "saturation")
NOTHING = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


def muted() -> torch.Tensor:
    """An image whose colours stay in [0, 1] whatever the changes below, so that nothing is clamped."""
    return 0.35 + 0.2 * torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(0))


def luma(image: torch.Tensor) -> torch.Tensor:
    return torch.einsum("c,chw->hw", torch.tensor(GREY), image)


def mapped(image: torch.Tensor, *, order: list[int], **changes: float) -> torch.Tensor:
    matrix, offset = colour_map(float(luma(image).mean()), order=order, **(NOTHING | changes))
    return torch.einsum("dc,chw->dhw", matrix, image) + offset[:, None, None]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 1, 3, 0], [1, 0, 2, 3], [3, 2, 0, 1]])
def test_brightness_contrast_and_saturation_are_those_of_torchvision(order):
    factors = (1.2, 0.7, 1.3)
    expected = image = muted()
    for place in (place for place in order if place < 3):
        expected = ADJUST[place](expected, factors[place])
    found = mapped(image, order=order, **dict(zip(NAMES, factors, strict=True)))
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)  # torchvision's weights of the luma have 4 digits


@pytest.mark.parametrize("hue", [-0.1, 0.05, 0.5])
def test_hue_turns_the_chroma_and_leaves_the_luma(hue):
    image = muted()
    found = mapped(image, order=[0, 1, 2, 3], hue=hue)
    torch.testing.assert_close(luma(found), luma(image))
    torch.testing.assert_close(mapped(found, order=[0, 1, 2, 3], hue=-hue), image)
    assert (found - image).abs().max() > 0.01


@pytest.mark.parametrize("hue", [-0.08, -0.03, 0.03, 0.08])
def test_hue_turns_as_that_of_hsv_does(hue):
    """Red goes towards yellow for a small positive share of a turn, towards magenta for a negative one."""
    red = torch.tensor([0.6, 0.4, 0.4]).view(3, 1, 1)
    (_, green, blue), (_, green_of_map, blue_of_map) = (
        changed.flatten().tolist()
        for changed in (v2.functional.adjust_hue(red, hue), mapped(red, order=[0, 1, 2, 3], hue=hue))
    )
    assert 1 < (green_of_map - blue_of_map) / (green - blue) < 2


def test_grey_stays_grey():
    image = torch.full((3, 4, 4), 0.5)
    found = mapped(image, order=[3, 2, 1, 0], brightness=1.1, contrast=0.5, saturation=2.0, hue=0.2)
    torch.testing.assert_close(found, torch.full_like(found, 0.55))


@pytest.mark.parametrize("jitter_by", ["hsv", "affine"])
def test_images_are_changed_by_as_much_in_both_ways(jitter_by):
    rng = np.random.default_rng(0)
    photograph = rng.integers(60, 200, (1, 1, 3)).repeat(24, 0).repeat(24, 1) + rng.integers(-40, 40, (24, 24, 3))
    photograph = photograph.astype(np.uint8)
    augment = Augment(resize_px=(0, 0), flip=False, jitter=0.3, jitter_by=jitter_by, crop_px=24)
    plain = torch.from_numpy(photograph).permute(2, 0, 1) / 255
    changes = []
    with torch.random.fork_rng(devices=[]):
        for seed in range(150):
            torch.manual_seed(seed)
            changes.append((augmented_photograph(photograph, augment=augment, fill=(0, 0, 0)) - plain).square().mean())
    assert 0.08 < torch.stack(changes).mean().sqrt() < 0.14
