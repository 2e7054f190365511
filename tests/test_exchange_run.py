"""The real Snakefile goes on from cues of other programs: what would have led to them is not made."""

import json
import re

import numpy as np
import projects
import pytest
from PIL import Image

from wsss.commands.cams_import import cams_import
from wsss.commands.pseudo_masks_import import pseudo_masks_import
from wsss.datasets import manifest, masks

CUES = {"classifier", "cams", "affinity_labels", "affinity_net", "pseudo_masks"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the list of images, its true masks and maps of these in the place of cues."""
    copy = projects.copied(tmp_path_factory.mktemp("exchange") / "project")
    made = snakemake(copy, "results/images.csv")
    assert made.returncode == 0, made.stdout + made.stderr
    results = copy / "results"
    classes = manifest.read_classes(results / "classes.csv")
    for row in manifest.read(results / "images.csv", *manifest.CUE_SPLITS):
        mask = masks.read(copy / row.mask, classes)
        (copy / "masks").mkdir(exist_ok=True)
        (copy / "maps").mkdir(exist_ok=True)
        Image.fromarray(mask).save(copy / "masks" / f"{row.id}.png")
        values = [classes.mask_values[classes.names.index(name)] for name in row.tags]
        maps = {value - 1: (mask == value).astype(np.float32) for value in values}
        np.save(copy / "maps" / f"{row.id}.npy", maps, allow_pickle=True)
    return copy


@pytest.fixture
def tables(project, monkeypatch):
    monkeypatch.chdir(project)
    return {"images": project / "results/images.csv", "classes_table": project / "results/classes.csv"}


def snakemake(project, *targets, overlay="", words=()):
    (project / "overlay.yaml").write_text("methods: [psa]\npsa_segmenter: {epochs: 1}\n" + overlay)
    words = ["--cores", 1, *words, "--configfile", "tiny.yaml", "overlay.yaml", "--"]
    return projects.snakemake(project, *words, *targets)


def would_run(project, overlay, *targets):
    dry = snakemake(project, *targets, overlay=overlay, words=["--dry-run"])
    assert dry.returncode == 0, dry.stdout + dry.stderr
    return set(re.findall(r"^(?:localrule|rule) (\w+):", dry.stdout + dry.stderr, re.M))


def test_pseudo_masks_of_another_program(project, tables):
    pseudo_masks_import(project / "masks", **tables)
    made = snakemake(project, overlay="pseudo_masks_store: results/imported_pseudo_masks.h5")
    assert made.returncode == 0, made.stdout + made.stderr
    results = project / "results"
    assert not CUES & {path.stem for path in results.iterdir()}
    scores = json.loads((results / "cue_scores.json").read_text())
    assert scores["pseudo_masks"]["plain"]["miou"] == 1 and "cam" not in scores  # they are the true masks
    assert json.loads((results / "psa_val_miou.json").read_text())["evaluated"]["images"] == 4
    assert (results / "psa_examples.png").stat().st_size > 10_000


def test_cams_of_another_program(project, tables):
    cams_import(project / "maps", **tables)
    overlay = "cams_store: results/imported_cams.h5"
    made = snakemake(project, "results/affinity_labels.h5", overlay=overlay)
    assert made.returncode == 0, made.stdout + made.stderr
    assert would_run(project, overlay) >= {"affinity_net", "pseudo_masks", "psa_segmenter", "cue_scores"}
    assert not would_run(project, overlay) & {"classifier", "cams"}
    assert would_run(project, "", "results/psa_examples.png") >= CUES  # without the overlay all is made
