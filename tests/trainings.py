"""Every training on a few random pictures, in float64: `python trainings.py FOLDER GPUS STAGE ...` runs the stages.

Without dropout, with frozen BatchNorm and without samples, so that the number of processes may change nothing.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import settings
import torch
from PIL import Image
from settings import CLASSES

from wsss.datasets import manifest
from wsss.labels import VOID
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.options.training import Augment, Job, WarpedInput
from wsss.stages.affinity_net import affinity_net
from wsss.stages.classifier import classifier
from wsss.stages.lcrf_segmenter import lcrf_segmenter
from wsss.stages.psa_segmenter import psa_segmenter
from wsss.stages.sec_segmenter import sec_segmenter
from wsss.stores import store

FEATURES = replace(settings.FEATURES, freeze=True)
AUGMENT = Augment(resize_px=(0, 0), flip=True, jitter=0.1, jitter_by="hsv", crop_px=32)
WARPED = WarpedInput(input_px=32, crop_share=0.7, flip=True, jitter=0.1, jitter_by="hsv")
STEPS = 20
SCHEDULE = replace(
    settings.SGD,
    epochs=10,
    batch_size=4,
    learning_rate=0.2,
    new_layers_factor=1,
    weight_decay=0.0005,
    precision="64-true",
    seed=0,
)
CRF = replace(settings.SEC, steps=2, smoothness_px=0.5, appearance_weight=3, appearance_px=2, appearance_rgb=30)


def prepare(folder: Path) -> None:
    """Eight pictures of noise, cues of random labels, from all void to none, and a classifier of random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(8):
        photograph = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(photograph)
        rows.append(manifest.Row(str(number), "train", photograph, None, (("cat", "dog")[number % 2],), "test"))
    manifest.write(folder / "images.csv", rows)
    manifest.write_classes(folder / "classes.csv", CLASSES)
    for kind, side, name, numbers in (
        ("affinity_labels", 8, "labels", {"stride": 4}),
        ("pseudo_masks", 32, "plain", {}),
        ("seeds", 4, "labels", {"cells": 4}),
    ):
        with store.create(folder / f"{kind}.h5", kind, classes=CLASSES, settings=numbers, inputs={}) as target:
            for number, row in enumerate(rows):
                labels = rng.integers(0, 3, (side, side)).astype(np.uint8)
                labels[rng.random((side, side)) < number / 7] = VOID
                target.add(row.id, (32, 32), **{name: labels})
    with store.create(folder / "cams.h5", "cams", classes=CLASSES, settings={"stride": 8}, inputs={}) as target:
        for number, row in enumerate(rows):
            cam = rng.random((1, 4, 4)).astype(np.float16)
            target.add(row.id, (32, 32), cam=cam, classes=np.array([1 + number % 2], np.uint8))
    torch.manual_seed(0)
    judge = Classifier.build(replace(FEATURES, freeze=False), classes=3)
    file.save(folder / "judge.safetensors", judge, About(CLASSES, "tags"))


def run(stage: str, cues: Path, output: Path, *, gpus: int) -> None:
    """Train one network on what `prepare` left in a folder of cues."""
    common = {"images": cues / "images.csv", stage: output / f"{stage}.safetensors"}
    common |= {"features": FEATURES, "schedule": SCHEDULE}
    common["job"] = Job(gpus, 1, output / f"{stage}_checkpoint.pt", STEPS, output / f"{stage}.csv", ())
    square = {"dilation": 1, "decoder": True, "balance": 0.5, "background_offset": 1.0, "warped": WARPED}
    if stage == "classifier":
        classifier(classes_table=cues / "classes.csv", augment=AUGMENT, balance=1.0, pool_share=0.3, **common)
    elif stage == "affinity_net":
        affinity_net(affinity_labels=cues / "affinity_labels.h5", radius=3, augment=AUGMENT, **common)
    elif stage == "psa_segmenter":
        psa_segmenter(
            pseudo_masks=cues / "pseudo_masks.h5", dilation=1, decoder=True, balance=0.5, augment=AUGMENT, **common
        )
    elif stage == "sec_segmenter":
        losses = replace(settings.SEC_LOSSES, constrain_by="features")
        by_features = {"classifier": [cues / "judge.safetensors"], "feature_crf": settings.FEATURE_CRF}
        sec_segmenter(seeds=cues / "seeds.h5", losses=losses, crf=CRF, **by_features, **square, **common)
    else:
        likewise = {"classifier": cues / "judge.safetensors", "seeds": (), "warm_share": 0}
        maps = (cues / "cams.h5",) if settings.BOUND.by_cams else ()
        lcrf_segmenter(cams=maps, bound=settings.BOUND, prior=settings.PRIOR, **likewise, **square, **common)


if __name__ == "__main__":
    cue_folder, output_folder, number_of_gpus, *stages = sys.argv[1:]
    torch.set_default_dtype(torch.float64)
    torch.nn.Dropout2d.forward = lambda self, maps: maps
    for each in stages:
        run(each, Path(cue_folder), Path(output_folder), gpus=int(number_of_gpus))
