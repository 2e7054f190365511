"""COCO from its annotations to label maps of 81 classes, by the real Snakefile."""

import json

import coco_layout
import h5py
import projects
import pytest
import yaml
from coco_layout import NUMBERS, annotation, rectangle

from wsss.datasets import manifest
from wsss.datasets.coco_classes import COCO_CLASSES

pytest.importorskip("pycocotools")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a run leaves on a data set with an image for each class, and three of val."""
    folder = tmp_path_factory.mktemp("coco")
    shown = {n: [annotation(n, number, rectangle(10, 10, 20, 30))] for n, number in enumerate(NUMBERS, 1)}
    coco_layout.write(folder / "coco", "train2014", shown, size=(48, 64))
    val = {900 + number: [annotation(900 + number, number, rectangle(5, 5, 30, 20))] for number in (1, 44, 90)}
    coco_layout.write(folder / "coco", "val2014", val, size=(48, 64))
    project = projects.copied(folder / "project")
    images = {"dataset": "coco", "root": str(folder / "coco"), "tags": "annotations", "masks": "annotations"}
    overlay = {"images": {**images, "train": "train2014", "val": "val2014"}, "methods": ["psa"]}
    (project / "coco.yaml").write_text(yaml.safe_dump(overlay))
    overlays = ("--configfile", "tiny.yaml", "coco.yaml")
    run = projects.snakemake(project, "--cores", 2, *overlays, "--", "results/psa_val_miou.json")
    assert run.returncode == 0, run.stdout + run.stderr
    return project / "results"


def test_the_manifest_has_81_classes(results):
    classes = manifest.read_classes(results / "classes.csv")
    assert classes.names == ("background", *COCO_CLASSES)
    assert classes.mask_values == tuple(range(81))
    rows = manifest.read(results / "images.csv", "train")
    assert [row.tags for row in rows] == [(name,) for name in COCO_CLASSES]
    assert all(row.mask.is_file() and row.mask.parent == results / "true_masks" for row in rows)


def test_networks_and_label_maps_have_81_classes(results):
    with h5py.File(results / "psa_val_scores.h5") as store:
        assert {group["scores"].shape[0] for group in store.values() if "scores" in group} == {81}
    scores = json.loads((results / "psa_val_miou.json").read_text())
    kinds = [value for value in scores.values() if isinstance(value, dict)]
    assert kinds
