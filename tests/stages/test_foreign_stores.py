"""Stages that are given a store of other images, which have the ids of those at hand: told by their size.

Else they would be stretched or cut, and learned from.
"""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from settings import ADAMW, BOUND, CLASSES, FEATURE_CRF, FEATURES, PRIOR, PSA, SAID, SEC, SEC_LOSSES

from wsss.datasets import manifest
from wsss.datasets.pictures import write_mask
from wsss.networks import file
from wsss.networks.affinity_net import AffinityNet
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.options.crf import Fit
from wsss.options.training import Augment, Job, WarpedInput
from wsss.runtime.errors import WsssError
from wsss.stages.affinity_labels import affinity_labels
from wsss.stages.affinity_net import affinity_net
from wsss.stages.crf import crf
from wsss.stages.cue_scores import cue_scores
from wsss.stages.examples import examples
from wsss.stages.lcrf_segmenter import lcrf_segmenter
from wsss.stages.masks import masks
from wsss.stages.psa_segmenter import psa_segmenter
from wsss.stages.pseudo_masks import pseudo_masks
from wsss.stages.sec_segmenter import sec_segmenter
from wsss.stages.seeds import seeds
from wsss.stores import store

pytestmark = pytest.mark.usefixtures("on_the_cpu")

SIZE, OTHER = (24, 32), (32, 24)
"""(height, width) of the images at hand, and of those that a store was made of."""

STRIDE, CELLS = 8, 4
NO_CRF = replace(PSA, engine="none")
AUGMENT = Augment(resize_px=(0, 0), flip=False, jitter=0, jitter_by="hsv", crop_px=32)
WARPED = WarpedInput(input_px=32, crop_share=1, flip=False, jitter=0, jitter_by="hsv")
NETWORK = {"features": FEATURES, "schedule": replace(ADAMW, epochs=1, batch_size=1)}
SETTINGS = {"scales": 1, "stride": STRIDE, "warped_px": 0, "supervision": "tags", "image_prior": 0, "radius": 2, **SAID}

ARRAYS = {
    "cams": lambda rows, columns: {"cam": np.ones((1, rows, columns), np.float16), "classes": np.ones(1, np.uint8)},
    "saliency": lambda rows, columns: {"saliency": np.ones((rows, columns), np.float16)},
    "affinity_labels": lambda rows, columns: {"labels": np.ones((rows, columns), np.uint8)},
    "scores": lambda rows, columns: {"scores": np.full((3, rows, columns), 1 / 3, np.float16)},
    "pseudo_masks": lambda rows, columns: {"plain": np.ones((rows * STRIDE, columns * STRIDE), np.uint8)},
    "masks": lambda rows, columns: {"plain": np.ones((rows * STRIDE, columns * STRIDE), np.uint8)},
    "seeds": lambda rows, columns: {"labels": np.ones((CELLS, CELLS), np.uint8)},
}


def write(folder, kind, size=SIZE, classes=CLASSES) -> None:
    settings = SETTINGS | ({"cells": CELLS} if kind == "seeds" else {})
    with store.create(folder / f"{kind}.h5", kind, classes=classes, settings=settings, inputs={}) as target:
        for image_id in "ab":
            target.add(image_id, size, **ARRAYS[kind](size[0] // STRIDE, size[1] // STRIDE))


@pytest.fixture
def run(tmp_path):
    """The results of a run of two photographs: a store of each kind, and AffinityNet."""
    rows = []
    for image_id in "ab":
        Image.new("RGB", SIZE[::-1], "green").save(tmp_path / f"{image_id}.jpg")
        write_mask(tmp_path / f"{image_id}.png", np.full(SIZE, 8, np.uint8))
        image, mask = tmp_path / f"{image_id}.jpg", tmp_path / f"{image_id}.png"
        rows.append(manifest.with_digest(manifest.Row(image_id, "train", image, mask, ("cat",), "test")))
    manifest.write(tmp_path / "images.csv", rows)
    for kind in ARRAYS:
        write(tmp_path, kind)
    network = AffinityNet.build(FEATURES, grid_stride=STRIDE)
    file.save(tmp_path / "judge.safetensors", Classifier.build(FEATURES, classes=3), About(CLASSES, "tags"))
    file.save(tmp_path / "net.safetensors", network, About(CLASSES, "tags and cues", settings={"radius": 2}))
    return tmp_path


def of_cues(run) -> None:
    cues = (run / "pseudo_masks.h5", run / "seeds.h5")
    listed = {"images": run / "images.csv", "cams": [run / "cams.h5"]}
    cue_scores(**listed, cues=cues, background=0.2, oracle=(0.2,), json=run / "out.json")


def of_examples(run) -> None:
    cues = tuple(run / f"{kind}.h5" for kind in ("cams", "affinity_labels", "pseudo_masks"))
    listed = {"images": run / "images.csv", "masks": run / "masks.h5", "split": "train", "cues": cues}
    examples(**listed, picture=run / "out.png", train_images=1, val_images=1)


def job(run) -> Job:
    return Job(1, 1, run / "checkpoint.pt", 100, run / "curve.csv", ())


def given(run, *kinds) -> dict:
    """The manifest, the whole of it as one shard, and stores."""
    return {"images": run / "images.csv", **{kind: run / f"{kind}.h5" for kind in kinds}}


FIT = Fit(epochs=1, learning_rate=0.02, compatibility=0, colours=False, seed=0)
CELLS_CRF = replace(PSA, engine="cells")
OUT = "out.h5"
SEEDS = {"shard": "1-of-1", "threshold": 0.2, "background_share": 0.1, "least_share": 0.75, "cells": 4}
STAGES = {
    "affinity_labels": (
        ("cams",),
        lambda run: affinity_labels(
            **given(run, "cams"), shard="1-of-1", affinity_labels=run / OUT, alpha_low=4, alpha_high=8, stride=8,
            crf=NO_CRF,
        ),
    ),
    "pseudo_masks": (
        ("cams",),
        lambda run: pseudo_masks(
            **given(run, "cams"), affinity_net=run / "net.safetensors", shard="1-of-1", pseudo_masks=run / OUT,
            alpha=8, beta=8, steps=2, border_score=0, rescale_power=0, crf=NO_CRF,
        ),
    ),
    "seeds": (
        ("saliency",),
        lambda run: seeds(
            **given(run, "cams"), **SEEDS, source="saliency", confident=run / "saliency.h5", seeds=run / OUT,
        ),
    ),
    "seeds of labels": (
        ("affinity_labels",),
        lambda run: seeds(
            **given(run, "cams"), **SEEDS, source="affinity_labels", confident=run / "affinity_labels.h5",
            seeds=run / OUT,
        ),
    ),
    "affinity_net": (
        ("affinity_labels",),
        lambda run: affinity_net(
            **given(run, "affinity_labels"), affinity_net=run / OUT, radius=2, augment=AUGMENT, job=job(run), **NETWORK
        ),
    ),
    "psa_segmenter": (
        ("pseudo_masks",),
        lambda run: psa_segmenter(
            **given(run, "pseudo_masks"), psa_segmenter=run / OUT, dilation=1, decoder=False, balance=0,
            augment=AUGMENT, job=job(run), **NETWORK,
        ),
    ),
    "sec_segmenter": (
        ("seeds",),
        lambda run: sec_segmenter(
            **given(run, "seeds"), sec_segmenter=run / OUT, dilation=1, decoder=False, balance=0,
            background_offset=0, warped=WARPED, losses=SEC_LOSSES, crf=replace(SEC, steps=1),
            classifier=[], feature_crf=FEATURE_CRF, job=job(run),
            **NETWORK,
        ),
    ),
    "lcrf_segmenter": (
        ("cams",),
        lambda run: lcrf_segmenter(
            images=run / "images.csv", cams=(run / "cams.h5",), classifier=run / "judge.safetensors", seeds=(),
            warm_share=0, lcrf_segmenter=run / OUT, dilation=1, decoder=False, balance=0, background_offset=0,
            warped=WARPED, bound=replace(BOUND, evidence_from="cams"), prior=PRIOR, job=job(run), **NETWORK,
        ),
    ),
    "masks": (
        ("scores",),
        lambda run: masks(
            **given(run, "scores"), fitted=[], split="train", shard="1-of-1", masks=run / OUT, crf=NO_CRF
        ),
    ),
    "crf": (
        ("scores", "pseudo_masks"),
        lambda run: crf(
            **given(run, "scores"), pseudo_masks=[run / "pseudo_masks.h5"], fitted=run / "out.json", split="train",
            masks="pseudo", most_images=2, crf=CELLS_CRF, fit=FIT,
        ),
    ),
    "cue_scores": (("cams", "pseudo_masks", "seeds"), of_cues),
    "examples": (("cams", "affinity_labels", "pseudo_masks", "masks"), of_examples),
}  # fmt: skip
"""Each stage that reads stores and photographs or true masks: the kinds of these stores, and its call."""


@pytest.mark.parametrize("stage", STAGES)
def test_a_store_of_other_images_is_told(run, stage):
    kinds, call = STAGES[stage]
    call(run)
    for kind in kinds:
        write(run, kind, OTHER)
        with pytest.raises(
            WsssError, match=f"{kind}.h5 was made of other images: its '[ab]' has 32 x 24 px .* 24 x 32"
        ):
            call(run)
        write(run, kind)


@pytest.mark.parametrize("kind", ["pseudo_masks", "seeds"])
def test_cues_of_other_classes_are_not_scored_by_the_first_ones(run, kind):
    write(run, kind, classes=replace(CLASSES, names=("background", "dog", "cat")))
    with pytest.raises(WsssError, match=f"{kind}.h5 and .*cams.h5 have different classes"):
        of_cues(run)
