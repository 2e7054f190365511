"""presets/: each training that a preset asks for runs, with the preset's own numbers, as far as a CPU can have them.

Weights are none, for nothing downloads, so learned numbers mean nothing. A training has 20 steps, with crops of 48 px
where the presets have 256 to 448, and batches of 2; the learning rate is smaller by as much as the batch is: at 0.1 a
VGG-16 of random weights diverged on batches of 2 of 64 px. Everything else is the preset's, and goes through the
command line that the workflow writes.
"""

import csv
import math
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro
from PIL import Image
from preset_configurations import PRESETS, preset
from settings import CLASSES

from wsss.cli import STAGES
from wsss.datasets import manifest
from wsss.labels import VOID
from wsss.networks import file
from wsss.networks.affinity_net import AffinityNet
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.options import configuration
from wsss.options.network import Features
from wsss.stores import store

SIDE_PX, IMAGES, BATCH, STEPS = 48, 4, 2, 20
NETWORKS = {
    "classifier": Classifier,
    "affinity_net": AffinityNet,
    "psa_segmenter": Segmenter,
    "sec_segmenter": Segmenter,
    "lcrf_segmenter": Segmenter,
}
OF_METHOD = {"psa": ("affinity_net", "psa_segmenter"), "sec": ("sec_segmenter",), "lcrf": ("lcrf_segmenter",)}
CUES = {
    "affinity_net": ("affinity_labels", "labels", "stride"),
    "psa_segmenter": ("pseudo_masks", "plain", None),
    "sec_segmenter": ("seeds", "labels", "cells"),
}
"""Of each training with cues: their store, its array, and the setting that it states."""

pytestmark = pytest.mark.usefixtures("on_the_cpu")


def trainings() -> list:
    """Name and training of all presets, without those that another preset has too; those of ResNet-38 are marked."""
    found, sections = [], []
    for name in PRESETS:
        config = preset(name)
        for stage in ("classifier", *(each for method in config["methods"] for each in OF_METHOD[method])):
            section = smaller(config[stage])
            if (stage, section) not in sections:
                sections.append((stage, section))
                marks = [pytest.mark.resnet38] if section["backbone"] == "resnet38" else []
                found.append(pytest.param(name, stage, marks=marks, id=f"{name}-{stage}"))
    return found


def draw(folder: Path) -> None:
    """A few pictures of noise with a square, and their manifest."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(IMAGES):
        picture = rng.integers(0, 256, (SIDE_PX, SIDE_PX + 8 * number, 3), np.uint8)
        picture[16:40, 8:32] = 255 * (number % 2)
        Image.fromarray(picture).save(folder / f"{number}.png")
        tags = (("cat", "dog")[number % 2],)
        rows.append(manifest.Row(str(number), "train", folder / f"{number}.png", None, tags, "test"))
    manifest.write(folder / "images.csv", rows)
    manifest.write_classes(folder / "classes.csv", CLASSES)


def draw_cues(folder: Path, stage: str, config: dict) -> Path:
    """The store that a training learns from, with labels of the image's tag, of the background, and void."""
    kind, array, setting = CUES[stage]
    cells = config[stage].get("input_px", 0) // config[stage]["stride"]
    stride = config["affinity_labels"]["stride"]
    settings = {"stride": {"stride": stride}, "cells": {"cells": cells}, None: {}}[setting]
    target = folder / f"{kind}.h5"
    with store.create(target, kind, classes=CLASSES, settings=settings, inputs={}) as cues:
        for number in range(IMAGES):
            size = (SIDE_PX, SIDE_PX + 8 * number)
            on_stride = tuple(-(-side // stride) for side in size)
            rows, columns = {"stride": on_stride, "cells": (cells, cells), None: size}[setting]
            labels = np.zeros((rows, columns), np.uint8)
            labels[rows // 4 : rows * 5 // 8, : columns // 2] = 1 + number % 2
            labels[-1] = VOID
            cues.add(str(number), size, **{array: labels})
    return target


def draw_cams(folder: Path) -> Path:
    """Maps of the image's tag, the larger the farther to the left."""
    with store.create(folder / "cams.h5", "cams", classes=CLASSES, settings={"stride": 8}, inputs={}) as cams:
        for number in range(IMAGES):
            size = (SIDE_PX, SIDE_PX + 8 * number)
            rows, columns = (-(-side // 8) for side in size)
            cam = np.broadcast_to(np.linspace(1, 0, columns), (1, rows, columns)).astype(np.float16)
            cams.add(str(number), size, cam=cam, classes=np.array([1 + number % 2], np.uint8))
    return folder / "cams.h5"


def smaller(section: dict) -> dict:
    """A training's section, in a size that a CPU can have, and without weights to download."""
    changes = {"weights": "none", "batch_size": BATCH, "epochs": STEPS * BATCH / IMAGES}
    changes["learning_rate"] = section["learning_rate"] * BATCH / section["batch_size"]
    changes |= {name: SIDE_PX for name in ("crop_px", "input_px") if name in section}
    if section.get("resize_px", [0, 0]) != [0, 0]:
        changes["resize_px"] = [SIDE_PX * bound // section["crop_px"] for bound in section["resize_px"]]
    return section | changes


def save_judge(folder: Path, config: dict) -> Path:
    """The file of a frozen classifier of the preset's backbone."""
    about = {name: config["classifier"][name] for name in ("backbone", "stride", "freeze")}
    judge = Classifier.build(Features(weights="none", **about), classes=len(CLASSES.names))
    file.save(folder / "judge.safetensors", judge, About(CLASSES, "tags"))
    return folder / "judge.safetensors"


def train(folder: Path, stage: str, config: dict) -> Path:
    """Run one training as its rule does; returns the network's file."""
    section = smaller(config[stage])
    target = folder / f"{stage}.safetensors"
    words = ["--images", folder / "images.csv", f"--{stage}", target]
    if stage == "classifier":
        words += ["--classes_table", folder / "classes.csv"]
    if stage in CUES:
        cues = draw_cues(folder, stage, config | {stage: section})
        words += [f"--{cues.stem}", cues]
    if stage == "lcrf_segmenter":
        cams = [draw_cams(folder)] if section["evidence_from"] == "cams" else []
        words += ["--classifier", save_judge(folder, config), "--cams", *cams, "--seeds"]
    if stage == "sec_segmenter":
        words += ["--classifier", *([save_judge(folder, config)] if section["constrain_by"] == "features" else [])]
    words += shlex.split(configuration.as_options(section))
    words += ["--gpus", 0, "--nodes", 1, "--checkpoint", folder / "checkpoint.pt", "--checkpoint_steps", STEPS]
    words += ["--curve", folder / "curve.csv", "--tensorboard"]
    tyro.cli(STAGES[stage], args=list(map(str, words)), use_underscores=True)
    return target


@pytest.mark.parametrize("name, stage", trainings())
def test_a_training_of_a_preset_runs(tmp_path, name, stage):
    draw(tmp_path)
    network = train(tmp_path, stage, preset(name))
    curve = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
    assert len(curve) == STEPS
    assert all(math.isfinite(float(value)) for row in curve for value in row.values())
    loaded, about = file.load(network, NETWORKS[stage])
    assert about.classes == CLASSES
    assert loaded.features.backbone == preset(name)[stage]["backbone"]
    with torch.no_grad():
        assert loaded(torch.rand(1, 3, SIDE_PX, SIDE_PX)).isfinite().all()
    # up to a gigabyte each, and pytest keeps the folders of three runs
    for path in [*tmp_path.glob("*.safetensors"), tmp_path / "checkpoint.pt"]:
        path.unlink()
