"""A backbone without weights, images for it, and the shapes of what it gives."""

import torch
from torch import Tensor

from wsss.networks import backbones

IMAGES = torch.rand(1, 3, 65, 65, generator=torch.Generator().manual_seed(0))


def build(name: str, *, stride: int = 8, weights: str = "none", field_dilation: int = 1):
    return backbones.build(name, stride=stride, weights=weights, field_dilation=field_dilation)


def shapes(taps: tuple[Tensor, ...]) -> list[tuple[int, ...]]:
    return [tuple(tap.shape[1:]) for tap in taps]
