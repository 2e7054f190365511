"""The stage classifier, which stands for all that train: what it leaves behind, and when it starts afresh."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_training import CLASSES, FEATURES, SCHEDULE, CutOff, on_the_cpu  # noqa: F401 (a fixture)

from wsss import manifest, networks
from wsss.errors import WsssError
from wsss.options import Augment, Features, Job, Schedule
from wsss.stages.classifier import classifier


def run_classifier(folder: Path, *, features: Features = FEATURES, **changes) -> Path:
    """The stage on four pictures; returns the file of the network."""
    rows = []
    for number in range(4):
        picture = np.random.default_rng(number).integers(0, 256, (40, 36, 3)).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
        split, tag = ("train", "extra")[number % 2], ("cat", "dog")[number // 2]
        rows.append(manifest.Row(str(number), split, folder / f"{number}.png", None, (tag,), "test"))
    manifest.write(folder / "images.csv", rows)
    manifest.write_classes(folder / "classes.csv", CLASSES)
    classifier(
        images=folder / "images.csv",
        classes_table=folder / "classes.csv",
        classifier=folder / "classifier.pt",
        features=features,
        augment=Augment(resize_px=(30, 50), flip=True, jitter=0.2, crop_px=32),
        schedule=Schedule(**(SCHEDULE | {"batch": 2, "epochs": 2} | changes)),
        job=Job(1, 1, folder / "checkpoint.pt", 1, folder / "curve.csv"),
    )
    return folder / "classifier.pt"


def test_a_stage(tmp_path):
    network, content = networks.load(run_classifier(tmp_path), "classifier")
    assert content["classes"] == ["background", "cat", "dog"]
    assert content["settings"]["learning_rate"] == "0.05"
    assert content["settings"]["crop_px"] == "32"
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 2)
    assert not (tmp_path / "checkpoint.pt").exists()
    assert len((tmp_path / "curve.csv").read_text().splitlines()) == 1 + 4


def test_a_stage_that_diverges_writes_no_network(tmp_path):
    with pytest.raises(WsssError, match="classifier: the loss is .* lower the learning rate"):
        run_classifier(tmp_path, learning_rate=1e30)
    assert not (tmp_path / "classifier.pt").exists()


def test_a_replaced_file_of_weights_starts_afresh(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="wsss")

    def stop(network: networks.Network) -> None:
        raise CutOff

    weights = tmp_path / "weights.pt"
    for seed in (0, 1):  # another network under the same name
        torch.manual_seed(seed)
        networks.save(weights, networks.classifier(FEATURES, classes=3), classes=CLASSES, settings={})
        with pytest.MonkeyPatch.context() as patch, pytest.raises(CutOff):
            patch.setattr(networks, "save", lambda *arguments, **options: stop(arguments))
            run_classifier(tmp_path, features=replace(FEATURES, weights=str(weights)))
        assert (tmp_path / "checkpoint.pt").exists()
    assert "of a run with other options, inputs or code: training starts afresh" in caplog.text
