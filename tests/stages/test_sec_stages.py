"""The stages of SEC on a few pictures: seeds, segmenter, and the scores of a network that was trained on squares."""

import csv
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from runs import rows
from settings import ADAMW, CLASSES, FEATURE_CRF, FEATURES, SEC, SEC_LOSSES

from wsss.crf import features, marginals
from wsss.datasets import manifest
from wsss.labels import VOID, Classes
from wsss.maths.photographs import at_cells
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.options.crf import NO_FEATURE_CRF
from wsss.options.training import Job, WarpedInput
from wsss.runtime.errors import WsssError
from wsss.sec.losses import objective
from wsss.stages.ablation import ablation
from wsss.stages.scores import scores
from wsss.stages.sec_segmenter import _judge, sec_segmenter
from wsss.stages.seeds import seeds
from wsss.stores import store
from wsss.training.sec_constraint import refiner

OF_NETWORK = {"decoder": False, "balance": 0, "background_offset": 0}
LOSSES = replace(SEC_LOSSES, constrain_gradient=False)
CRF = replace(SEC, steps=2, appearance_px=2)
WARPED = WarpedInput(input_px=32, crop_share=1, flip=False, jitter=0, jitter_by="hsv")

pytestmark = pytest.mark.usefixtures("on_the_cpu")


def trained(
    seeded,
    *,
    losses=LOSSES,
    stride=8,
    warped=WARPED,
    epochs=2,
    learning_rate=0.003,
    **changes,
):
    """The curve of a training, and the network's file."""
    sec_segmenter(
        images=seeded / "images.csv",
        seeds=seeded / "seeds.h5",
        classifier=[seeded / "judge.safetensors"] if losses.constrain_by == "features" else [],
        sec_segmenter=seeded / "sec_segmenter.safetensors",
        features=replace(FEATURES, stride=stride),
        dilation=1,
        **{name: changes.pop(name, usual) for name, usual in OF_NETWORK.items()},
        warped=warped,
        losses=losses,
        crf=replace(CRF, **changes),
        feature_crf=FEATURE_CRF,
        schedule=replace(ADAMW, epochs=epochs, learning_rate=learning_rate),
        job=Job(1, 1, seeded / "checkpoint.pt", 100, seeded / "curve.csv", ()),
    )
    return rows((seeded / "curve.csv").read_text())


def test_the_segmenter_learns_from_seeds_and_tags(seeded):
    curve = trained(seeded, epochs=60)
    assert list(curve[0]) == ["step", "learning_rate", "loss", "seed", "expand", "constrain"]
    for row in curve:
        assert row["seed"] + row["expand"] + row["constrain"] == pytest.approx(row["loss"], rel=1e-5)
    for name in ("seed", "expand"):
        assert curve[-1][name] < 0.5 * curve[0][name]
    network, about = file.load(seeded / "sec_segmenter.safetensors", Segmenter)
    assert about.warped_px == 32 and about.supervision == "tags and cues"
    options = {"split": "train", "shard": "1-of-1", "scales": (1.0,), "classifier": [], "image_prior": 0.0}
    options["feature_crf"] = NO_FEATURE_CRF
    scores(
        images=seeded / "images.csv",
        segmenter=seeded / "sec_segmenter.safetensors",
        scores=seeded / "scores.h5",
        **options,
    )
    with store.read(seeded / "scores.h5", "scores") as found:
        assert found.warped_px == 32
        for number in range(4):
            maps = found[str(number)]["scores"].astype(float)
            assert maps.shape == (3, 4, 4)  # cells of 8 px of the square
            np.testing.assert_allclose(maps.sum(0), 1, atol=2e-3)
            assert (maps[1 + number % 2, :, 0] > 0.5).all()
            assert (maps[0, :, -1] > 0.5).all()


@pytest.fixture
def judge(seeded):
    """A classifier of random weights beside the seeds."""
    torch.manual_seed(0)
    network = Classifier.build(FEATURES, classes=3)
    file.save(seeded / "judge.safetensors", network, About(CLASSES, "tags"))
    return network


def test_the_crf_of_constrain_may_go_by_features(seeded, judge):
    by_features = replace(LOSSES, constrain_by="features")
    curve = trained(seeded, losses=by_features, epochs=30)
    colours = trained(seeded)
    assert curve[0]["seed"] == colours[0]["seed"] and curve[0]["expand"] == colours[0]["expand"]
    assert curve[0]["constrain"] != colours[0]["constrain"]
    assert curve[-1]["constrain"] < 0.5 * curve[0]["constrain"]
    # nothing of the classifier is asked for where the loss is left out
    alone = trained(seeded, losses=replace(by_features, constrain_weight=0))
    assert alone == trained(seeded, losses=replace(LOSSES, constrain_weight=0))


def test_its_target_is_the_crf_of_the_classifiers_features(judge):
    photographs = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    energies = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    refine = refiner(replace(LOSSES, constrain_by="features"), CRF, FEATURE_CRF, judge=judge.eval(), cells=4)
    seen = judge.features_at(photographs, (4, 4))
    kernel = features.kernel(at_cells(photographs, (4, 4)), seen, FEATURE_CRF)
    expected = features.marginals(energies, kernel, steps=FEATURE_CRF.steps)
    torch.testing.assert_close(refine(photographs)(energies), expected)
    assert not torch.allclose(expected, energies.neg().softmax(1), atol=0.05)


def test_a_classifier_is_given_for_features_alone(seeded, judge):
    with pytest.raises(WsssError, match="constrain_by is features with 0 classifiers: give one for features, else"):
        _judge([], replace(LOSSES, constrain_by="features"), CLASSES)
    with pytest.raises(WsssError, match="constrain_by is colours with 1 classifiers"):
        _judge([seeded / "judge.safetensors"], LOSSES, CLASSES)
    file.save(seeded / "judge.safetensors", judge, About(Classes.of({"cat": 8, "cow": 10}), "tags"))
    with pytest.raises(WsssError, match="has other classes than the seeds: use those of one run"):
        trained(seeded, losses=replace(LOSSES, constrain_by="features"))


@pytest.mark.parametrize("name", ["seed", "expand", "constrain"])
def test_a_loss_of_weight_0_is_left_out(seeded, name):
    (first, _) = trained(seeded, losses=replace(LOSSES, **{f"{name}_weight": 0}))
    assert set(first) == {"step", "learning_rate", "loss", "seed", "expand", "constrain"} - {name}
    (whole, _) = trained(seeded)
    rest = sum(whole[other] for other in ("seed", "expand", "constrain") if other != name)
    assert first["loss"] == pytest.approx(rest, rel=1e-5)


def test_a_window_is_asked_for_the_classes_of_its_seeds(seeded):
    """Of an image without seeds nothing is asked but what the tags exclude; of the whole image all of its tags."""
    with store.create(seeded / "seeds.h5", "seeds", classes=CLASSES, settings={"cells": 4}, inputs={}) as target:
        for number in range(4):
            target.add(str(number), (24, 40), labels=np.full((4, 4), VOID, np.uint8))
    (whole, _) = trained(seeded)
    (window, _) = trained(seeded, warped=replace(WARPED, crop_share=0.999))
    assert whole["seed"] == window["seed"] == 0
    # about equal probabilities of the three classes: present, absent and background against absent alone
    assert window["expand"] == pytest.approx(whole["expand"] / (1 + 2 * np.log(3) / np.log(1.5)), rel=0.2)


def test_weights_scale_their_losses(seeded):
    (one, _), (three, _) = trained(seeded), trained(seeded, losses=replace(LOSSES, expand_weight=3))
    assert three["expand"] == pytest.approx(3 * one["expand"], rel=1e-5)
    assert three["seed"] == pytest.approx(one["seed"], rel=1e-5)


def test_the_gradient_through_the_crf_changes_the_training(seeded):
    without, through = trained(seeded), trained(seeded, losses=replace(LOSSES, constrain_gradient=True))
    assert through[0]["loss"] == without[0]["loss"]
    assert through[1]["loss"] != without[1]["loss"]


def test_an_offset_of_the_background_is_of_its_use_alone(seeded):
    """As that of the latent CRF: the training is the same, and so is the network but for the background's bias."""
    fixed = {"balance": 0.5, "epochs": 2}
    plain = trained(seeded, **fixed)
    without = file.load(seeded / "sec_segmenter.safetensors", Segmenter)[0]
    lowered = trained(seeded, background_offset=1.5, **fixed)
    network, about = file.load(seeded / "sec_segmenter.safetensors", Segmenter)
    assert [row["loss"] for row in lowered] == pytest.approx([row["loss"] for row in plain], rel=1e-5)
    expected = without.head.bias - torch.tensor([1.5, 0, 0])
    torch.testing.assert_close(network.head.bias, expected, rtol=0, atol=1e-4)
    assert about.settings["background_offset"] == "1.5"


def test_decays_and_shares_are_equivalent(seeded):
    # shares 0 and 0.5 are decays 0 and 1: the maximum and the mean
    shares = replace(LOSSES, pool_present=0.5, pool_absent=0, pool_background=0.5)
    decays = replace(LOSSES, pool_by="decay", pool_present=1, pool_absent=0, pool_background=1)
    assert trained(seeded, losses=shares) == trained(seeded, losses=decays)
    assert trained(seeded, losses=shares) != trained(seeded, losses=replace(decays, pool_present=0.9))


def test_all_weights_0_are_refused():
    with pytest.raises(WsssError, match="seed_weight, expand_weight and constrain_weight are all 0"):
        replace(LOSSES, seed_weight=0, expand_weight=0, constrain_weight=0)


def test_divergence_is_reported(seeded):
    told = r"sec_segmenter: the loss is nan at step \d+: lower the learning rate \(the images of this step: "
    with pytest.raises(WsssError, match=told):
        trained(seeded, epochs=20, learning_rate=1e30)


def test_the_gradient_through_the_crf():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 3, 3, 2, dtype=torch.float64, generator=generator).requires_grad_()
    labels = torch.tensor([[[0, 1], [VOID, 2], [VOID, VOID]]])
    small = torch.randint(256, (1, 3, 2, 3), generator=generator).to(torch.uint8)
    tags = torch.tensor([[True, False]])

    def loss(logits: torch.Tensor, through: bool) -> torch.Tensor:
        losses = replace(LOSSES, constrain_gradient=through)
        weak = replace(CRF, smoothness_weight=0.5, appearance_weight=0.5, appearance_rgb=100)
        refine = partial(marginals, images=small, parameters=weak)
        return objective(logits, labels, tags, refine, losses=losses)[0]

    assert torch.autograd.gradcheck(lambda logits: loss(logits, True), logits)
    (through,), (without,) = (torch.autograd.grad(loss(logits, on), logits) for on in (True, False))
    assert not torch.allclose(through, without, atol=1e-4)


def test_a_grid_other_than_that_of_the_seeds_is_refused(seeded):
    with pytest.raises(
        WsssError, match="input_px is 40 and the stride 8, but the seeds have 4 x 4 cells: set input_px to 32"
    ):
        trained(seeded, warped=replace(WARPED, input_px=40))


def test_a_decoder_learns_on_the_finer_grid_of_its_layer(seeded):
    (first, *_) = trained(seeded, stride=16, decoder=True)  # 32 px: 2 x 2 cells of the backbone, 4 x 4 of the seeds
    assert np.isfinite(first["seed"])
    network, about = file.load(seeded / "sec_segmenter.safetensors", Segmenter)
    assert network.stride == 8 and about.settings["decoder"] == "True"
    with pytest.raises(WsssError, match="input_px is 40: give a multiple of 16"):
        trained(seeded, stride=16, decoder=True, warped=replace(WARPED, input_px=40))


def test_a_balance_changes_what_is_learned(seeded):
    found = manifest.read(seeded / "images.csv")
    manifest.write(seeded / "images.csv", [replace(row, tags=tuple({*row.tags, "cat"})) for row in found])
    plain, balanced = (trained(seeded, balance=tau) for tau in (0, 1))
    assert [row["seed"] for row in plain] != [row["seed"] for row in balanced]
    _, about = file.load(seeded / "sec_segmenter.safetensors", Segmenter)
    assert about.settings["balance"] == "1"


def test_windows_of_the_images_are_another_training(seeded):
    whole, windows = (trained(seeded, warped=replace(WARPED, crop_share=share)) for share in (1, 0.6))
    assert whole[0]["seed"] != windows[0]["seed"]


def test_the_stage_seeds_by_hand(tmp_path):
    """A picture of 16 x 8 pixels, maps at stride 4, seeds on 4 x 4 cells: those are 4 pixels high and 2 wide."""
    Image.new("RGB", (8, 16)).save(tmp_path / "a.png")
    manifest.write(tmp_path / "images.csv", [manifest.Row("a", "train", tmp_path / "a.png", None, ("dog",), "test")])
    about = {"classes": CLASSES, "settings": {"stride": 4}, "inputs": {}}
    with store.create(tmp_path / "cams.h5", "cams", **about) as target:
        cam = np.zeros((1, 4, 2), np.float16)
        cam[0, 0] = 1
        target.add("a", (16, 8), cam=cam, classes=np.array([2], np.uint8))
    with store.create(tmp_path / "saliency.h5", "saliency", **about) as target:
        target.add("a", (16, 8), saliency=np.array([[1, 1], [0.9, 0.9], [0.5, 0.5], [0, 0]], np.float16))
    options = {"shard": "1-of-1", "threshold": 0.5, "background_share": 0.25, "least_share": 0.75, "cells": 4}
    files = {"images": tmp_path / "images.csv", "cams": tmp_path / "cams.h5", "seeds": tmp_path / "seeds.h5"}
    seeds(**files, **options, source="saliency", confident=tmp_path / "saliency.h5")
    with store.read(tmp_path / "seeds.h5", "seeds") as found:
        assert found["a"]["labels"].tolist() == [[2] * 4, [VOID] * 4, [VOID] * 4, [0] * 4]
        assert found.size("a") == (16, 8)
        assert found.attributes["setting.threshold"] == "0.5"
    with store.create(tmp_path / "labels.h5", "affinity_labels", **about) as target:
        target.add("a", (16, 8), labels=np.array([[2, 0], [2, 2], [VOID, 0], [0, 0]], np.uint8))
    seeds(**files, **options, source="affinity_labels", confident=tmp_path / "labels.h5")
    with store.read(tmp_path / "seeds.h5", "seeds") as found:
        assert found["a"]["labels"].tolist() == [[2, 2, 0, 0], [2] * 4, [VOID, VOID, 0, 0], [0] * 4]
        assert "setting.threshold" not in found.attributes and found.attributes["setting.source"] == "affinity_labels"


EVALUATED = {"split": "val", "images": 4}


def test_classes_may_be_called_like_columns_of_the_ablation(tmp_path):
    iou = {"background": 0.9, "miou": 0.5, "class miou": 0.1, "method": None, "a, b": 0.25}
    masks = {"plain": {"miou": 0.6, "iou": iou}}
    (tmp_path / "sec_val_miou.json").write_text(json.dumps({"masks": masks, "evaluated": EVALUATED}))
    ablation(scores=(tmp_path / "sec_val_miou.json",), table=tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as table:
        [row] = csv.DictReader(table)
    assert row == {
        "method": "sec",
        "split": "val",
        "masks": "plain",
        "miou": "0.6",
        "background": "0.9",
        "class class miou": "0.5",
        "class miou": "0.1",
        "class method": "",
        "a, b": "0.25",
    }


def test_the_table_of_the_ablation(tmp_path):
    for name, value in {"sec": 0.5, "sec_max_pooling": 0.25}.items():
        masks = {kind: {"miou": value, "iou": {"background": value, "cat": None}} for kind in ("plain", "refined")}
        (tmp_path / f"{name}_val_miou.json").write_text(json.dumps({"masks": masks, "evaluated": EVALUATED}))
    files = (tmp_path / "sec_val_miou.json", tmp_path / "sec_max_pooling_val_miou.json")
    ablation(scores=files, table=tmp_path / "table.csv")
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == "method,split,masks,miou,background,cat"
    assert lines[1:3] == ["sec,val,plain,0.5,0.5,", "sec,val,refined,0.5,0.5,"]
    assert lines[3] == "sec_max_pooling,val,plain,0.25,0.25,"
    assert len(lines) == 5
