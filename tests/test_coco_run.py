"""COCO from its annotations to label maps of 81 classes, by the real Snakefile."""

import json

import coco_layout
import numpy as np
import projects
import pytest
import yaml
from coco_layout import NUMBERS, annotation, rectangle

from wsss.datasets import manifest, masks
from wsss.datasets.coco_classes import COCO_CLASSES
from wsss.stores import store

pytest.importorskip("pycocotools")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project after a run on a data set with an image for each class, and three of val."""
    folder = tmp_path_factory.mktemp("coco")
    shown = {n: [annotation(n, number, rectangle(10, 10, 20, 30))] for n, number in enumerate(NUMBERS, 1)}
    coco_layout.write(folder / "coco", "train2014", shown, size=(48, 64))
    val = {900 + number: [annotation(900 + number, number, rectangle(5, 5, 30, 20))] for number in (1, 44, 90)}
    coco_layout.write(folder / "coco", "val2014", val, size=(48, 64))
    copy = projects.copied(folder / "project")
    images = {"dataset": "coco", "root": str(folder / "coco"), "tags": "annotations", "masks": "annotations"}
    overlay = {"images": {**images, "train": "train2014", "val": "val2014"}, "methods": ["psa"]}
    (copy / "coco.yaml").write_text(yaml.safe_dump(overlay))
    overlays = ("--configfile", "tiny.yaml", "coco.yaml")
    run = projects.snakemake(copy, "--cores", 1, *overlays, "--", "results/psa_val_miou.json")
    assert run.returncode == 0, run.stdout + run.stderr
    return copy


def test_the_manifest_has_81_classes_each_with_its_true_mask(project):
    classes = manifest.read_classes(project / "results/classes.csv")
    assert classes.names == ("background", *COCO_CLASSES)
    assert classes.mask_values == tuple(range(81))
    rows = manifest.read(project / "results/images.csv", "train")
    assert [row.tags for row in rows] == [(name,) for name in COCO_CLASSES]
    for value, row in enumerate(rows, 1):
        mask = masks.read(project / row.mask, classes)
        assert set(np.unique(mask)) == {0, value} and (mask == value).sum() == 20 * 30


def test_the_network_tells_81_classes_apart(project):
    with store.read(project / "results/psa_val_scores.h5", "scores") as scores:
        assert scores.classes.names == ("background", *COCO_CLASSES)
        assert [scores[image_id]["scores"].shape[0] for image_id in scores] == [81] * 3


def test_classes_of_val_are_scored_and_no_others(project):
    scores = json.loads((project / "results/psa_val_miou.json").read_text())["masks"]["refined"]["iou"]
    assert list(scores) == ["background", *COCO_CLASSES]
    assert all(scores[name] is not None for name in ("background", "person", "bottle", "toothbrush"))
