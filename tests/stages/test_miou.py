"""The table of scores records how the label maps were made."""

import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image
from settings import FEATURE_CRF, PSA, SAID

from wsss import labels
from wsss.datasets import manifest
from wsss.options.flat import recorded
from wsss.stages.miou import miou
from wsss.stores import store

CLASSES = labels.Classes.of({"cat": 1})
CELLS = asdict(replace(PSA, engine="cells"))


@pytest.fixture
def text(tmp_path):
    """A function from the settings of a store of correct label maps to the table of its scores."""
    truth = np.array([[0, 1, 1]], np.uint8)
    for name in ("a.png", "a.jpg.png"):
        Image.fromarray(truth).save(tmp_path / name)
    manifest.write(
        tmp_path / "images.csv",
        [manifest.Row("a", "val", tmp_path / "a.jpg.png", tmp_path / "a.png", ("cat",), "test")],
    )

    def text(**settings):
        usual = {"scales": "1.0", "warped_px": 0, "supervision": "tags", "image_prior": 0.0, **SAID}
        settings = usual | {"engine": "none", "fitted": "no"} | settings
        with store.create(tmp_path / "m.h5", "masks", classes=CLASSES, settings=settings, inputs={}) as target:
            target.add("a", truth.shape, plain=truth)
        paths = {"images": tmp_path / "images.csv", "masks": tmp_path / "m.h5", "json": tmp_path / "miou.json"}
        miou(**paths, split="val", text=tmp_path / "miou.txt")
        return (tmp_path / "miou.txt").read_text()

    return text


def test_correct_maps_score_100(text):
    found = text()
    assert found.startswith("mIoU  100.00\n") and "crf: none\n" in found and "supervision: tags\n" in found


def test_a_crf_by_features_is_named(text):
    assert "feature crf: none\n" in text()
    said = "feature crf: 10 steps, weight 20 (10 cells, 40 RGB, 0.4 of the classifier's features)\n"
    assert said in text(**recorded(feature_crf=FEATURE_CRF))


def test_a_prior_of_the_whole_image_is_named(text):
    assert "image prior: none\n" in text() and "image prior: 0.5\n" in text(image_prior=0.5)


def test_what_the_network_was_trained_on_is_named(text):
    assert "supervision: tags and cues\n" in text(supervision="tags and cues")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"fitted": "on 4 images of crf_fit, pseudo masks"},
            r"cells \(messages between all pairs of at most 1200 cells, .* fitted on 4 images of crf_fit, pseudo masks",
        ),
        (
            {"engine": "convcrf", "window_px": 44, "window": "diamond", "fitted": "on 2"},
            r"convcrf \(messages in a diamond of 44 px of at most 1200 cells",
        ),
        (
            {"engine": "convcrf", "first_message": "logarithms", "unary_weight": 0.8, "coarsening": "guided"},
            r"normalisation symmetric, first message logarithms, unary weight 0.8\)",
        ),
    ],
)
def test_the_crf_is_named(text, settings, words):
    assert re.search(words, text(**(CELLS | settings)))
