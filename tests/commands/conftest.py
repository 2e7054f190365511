"""Photographs that no run has seen, and a network for them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from new_photographs import NAMES, SIZES
from PIL import Image
from settings import CLASSES, FEATURES

from wsss.networks import file
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter


@pytest.fixture
def photographs(tmp_path):
    """A folder of noise in three sizes, one of them in a folder of its own."""
    generator = np.random.default_rng(0)
    for name, size in zip(NAMES, SIZES, strict=True):
        path = tmp_path / "new" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (*size, 3), np.uint8)).save(path)
    return tmp_path / "new"


@pytest.fixture
def network(tmp_path):
    """Saves an untrained segmenter under the name that a run gives it."""

    def save(**about) -> Path:
        torch.manual_seed(0)
        segmenter = Segmenter.build(FEATURES, classes=3, dilation=1)
        with torch.no_grad():  # scores of classes that differ from place to place
            logits = segmenter.eval()(torch.rand(1, 3, 64, 64))
            spread = logits.std((0, 2, 3)) / 3
            segmenter.head.bias -= logits.mean((0, 2, 3))
            segmenter.head.weight /= spread[:, None, None, None]
            segmenter.head.bias /= spread
        path = tmp_path / "results/psa_segmenter.safetensors"
        file.save(path, segmenter, About(CLASSES, "tags and cues", **about))
        return path

    return save
