"""The stage classifier, as an example of all stages that train: its files, and when it restarts from scratch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import CutOff, steps_of
from settings import CLASSES, FEATURES, SGD

from wsss.datasets import manifest
from wsss.maths import frequencies, pooling
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.options.network import Features
from wsss.options.training import Augment, Job
from wsss.runtime import provenance
from wsss.runtime.errors import WsssError
from wsss.stages.classifier import classifier
from wsss.stores import store

pytestmark = pytest.mark.usefixtures("on_the_cpu")


def run_classifier(
    folder: Path, *, features: Features = FEATURES, balance: float = 0, pool_share: float = 0.5, **changes
) -> Path:
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
        classifier=folder / "classifier.safetensors",
        features=features,
        augment=Augment(resize_px=(30, 50), flip=True, jitter=0.2, jitter_by="hsv", crop_px=32),
        schedule=replace(SGD, **({"batch_size": 2, "epochs": 2} | changes)),
        job=Job(1, 1, folder / "checkpoint.pt", 1, folder / "curve.csv", ()),
        balance=balance,
        pool_share=pool_share,
    )
    return folder / "classifier.safetensors"


def test_a_balance_is_an_offset_of_the_score_and_of_no_map(tmp_path):
    rows = [("cat",), ("cat",), ("cat", "dog"), ("cat",)]
    odds = frequencies.log_odds(rows, ("cat", "dog"))
    np.testing.assert_allclose(odds, np.log([5 / 1, 2 / 4]), rtol=1e-6)
    path = run_classifier(tmp_path, balance=0.5)
    network, about = file.load(path, Classifier)
    assert network.offsets.tolist() == [0, 0] and about.settings["balance"] == "0.5"  # as many cats as dogs
    image = torch.rand(1, 3, 32, 32)
    score, maps = network(image), network.maps(image)
    network.set_offsets(odds)
    torch.testing.assert_close(network(image), score + odds)
    torch.testing.assert_close(network.maps(image), maps)


def test_scores_are_means_by_rank(tmp_path):
    path = run_classifier(tmp_path, pool_share=0.2)
    network, about = file.load(path, Classifier)
    assert about.settings["pool_share"] == "0.2" and network.pool_share == 0.2
    image = torch.rand(1, 3, 32, 48)
    cells = network.head(network.taps_of_whole(image)[-1]).flatten(2).sort(descending=True).values
    decay = pooling.decay_of_share(0.2, cells=cells.shape[-1])
    weights = decay ** torch.arange(cells.shape[-1])
    torch.testing.assert_close(network(image), cells @ weights / weights.sum())
    network.pool_share = 0
    torch.testing.assert_close(network(image), cells[..., 0])
    network.pool_share = 0.5
    assert torch.equal(network(image), network.head(network.taps_of_whole(image)[-1]).flatten(2).mean(-1))


def test_another_pooling_is_another_training(tmp_path):
    networks = []
    for name, share in (("mean", 0.5), ("highest", 0.1)):
        (tmp_path / name).mkdir()
        networks.append(file.load(run_classifier(tmp_path / name, pool_share=share), Classifier)[0])
    assert not torch.equal(*(network.head.weight for network in networks))


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_a_share_of_no_pooling_is_refused_before_a_training(tmp_path, share):
    with pytest.raises(WsssError, match="between 0 .the maximum. and 0.5 .the mean."):
        run_classifier(tmp_path, pool_share=share)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_stage(tmp_path):
    network, about = file.load(run_classifier(tmp_path), Classifier)
    assert about.classes == CLASSES
    assert about.supervision == "tags" and about.warped_px == 0
    assert about.settings["learning_rate"] == "0.05"
    assert about.settings["crop_px"] == "32" and network.offsets.tolist() == [0, 0]
    assert about.inputs == {name: store.digest(tmp_path / name) for name in ("images.csv", "classes.csv")}
    assert about.code == provenance.code("classifier")
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 2)
    assert steps_of(tmp_path / "checkpoint.pt") == 4
    assert len((tmp_path / "curve.csv").read_text().splitlines()) == 1 + 4


def test_a_stage_that_diverges_writes_no_network(tmp_path):
    with pytest.raises(WsssError, match="classifier: the loss is .* lower the learning rate"):
        run_classifier(tmp_path, learning_rate=1e30)
    assert not (tmp_path / "classifier.safetensors").exists()


def test_a_replaced_file_of_weights_restarts_the_training(tmp_path, log):
    def stop(*arguments: object) -> None:
        raise CutOff

    weights = tmp_path / "weights.safetensors"
    for seed in (0, 1):  # another network under the same name
        torch.manual_seed(seed)
        file.save(weights, Classifier.build(FEATURES, classes=3), About(CLASSES, "tags"))
        with pytest.MonkeyPatch.context() as patch, pytest.raises(CutOff):
            patch.setattr(file, "save", stop)
            run_classifier(tmp_path, features=replace(FEATURES, weights=str(weights)))
        assert (tmp_path / "checkpoint.pt").exists()
    assert "of a run with other options, inputs or code: training restarts from scratch" in log.text
