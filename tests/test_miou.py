"""The table of scores says what the label maps were made with."""

import re

import numpy as np
import pytest
from PIL import Image

from wsss import labels, manifest, store
from wsss.stages.miou import miou

CLASSES = labels.Classes.of({"cat": 1})
CONV = {"engine": "conv", "steps": 10, "cells": 1200, "window_px": 0, "window": "square", "normalisation": "symmetric"}


@pytest.fixture
def text(tmp_path):
    """A function from the settings of a store of right label maps to the table of its scores."""
    truth = np.array([[0, 1, 1]], np.uint8)
    for name in ("a.png", "a.jpg.png"):
        Image.fromarray(truth).save(tmp_path / name)
    manifest.write(
        tmp_path / "images.csv",
        [manifest.Row("a", "val", tmp_path / "a.jpg.png", tmp_path / "a.png", ("cat",), "test")],
    )

    def text(**settings):
        settings = {"scales": "1.0", "warped_px": 0, "warm_share": 0, "engine": "none", "fitted": "no"} | settings
        with store.create(tmp_path / "m.h5", "masks", classes=CLASSES, settings=settings, inputs={}) as target:
            target.add("a", truth.shape, plain=truth)
        paths = {"images": tmp_path / "images.csv", "masks": tmp_path / "m.h5", "json": tmp_path / "miou.json"}
        miou(**paths, split="val", text=tmp_path / "miou.txt")
        return (tmp_path / "miou.txt").read_text()

    return text


def test_right_maps_score_100(text):
    found = text()
    assert found.startswith("mIoU  100.00\n") and "crf: none\n" in found and "warm start" not in found


def test_a_warm_start_is_named(text):
    assert "warm start: training began with seeds, in 0.2 of its steps" in text(warm_share=0.2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"fitted": "on 4 images of held, pseudo masks"},
            "of all pairs of at most 1200 cells, .* fitted on 4 images of h",
        ),
        (
            {"window_px": 44, "window": "diamond", "fitted": "on 2"},
            "messages in a diamond of 44 px of at most 1200 cells",
        ),
    ],
)
def test_the_crf_is_named(text, settings, words):
    assert re.search(words, text(**(CONV | settings)))
