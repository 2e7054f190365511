"""The table of a run's scores."""

import json
import re

import numpy as np
import pytest
from settings import CLASSES

from wsss.commands.summary import summary
from wsss.runtime.errors import WsssError
from wsss.stores import store


def miou_json(path, **miou):
    masks = {name: {"miou": value, "iou": {}} for name, value in miou.items()}
    path.write_text(json.dumps({"miou": 0, "masks": masks, "evaluated": {"images": 80}}))


def test_cues_and_segmenters_are_rows_of_one_table(tmp_path, capsys):
    miou_json(tmp_path / "psa_val_miou.json", plain=0.5, refined=0.6123)
    scores = {
        "images": 240,
        "cam": {"background": 0.2, "miou": 0.4},
        "cam_oracle": {"background": 0.15, "miou": 0.45},
        "pseudo_masks": {"plain": {"miou": 0.55}, "refined": {"miou": 0.58}},
    }
    (tmp_path / "cue_scores.json").write_text(json.dumps(scores))
    summary(tmp_path)
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split() == ["mIoU"]
    assert [re.split(r"  +", line) for line in lines] == [
        ["CAM, background 0.2", "240 train images", "40.0"],
        ["CAM, background 0.15 (oracle)", "240 train images", "45.0"],
        ["random walk", "240 train images", "55.0"],
        ["random walk and CRF", "240 train images", "58.0"],
        ["psa segmenter", "80 val images", "50.0"],
        ["psa segmenter and CRF", "80 val images", "61.2"],
    ]


def test_pseudo_masks_of_another_program_are_no_random_walk(tmp_path, capsys):
    scores = {"images": 240, "pseudo_masks": {"plain": {"miou": 0.55}}}
    (tmp_path / "cue_scores.json").write_text(json.dumps(scores))
    summary(tmp_path)
    assert capsys.readouterr().out.splitlines()[1:] == ["pseudo masks  240 train images   55.0"]


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(WsssError, match="holds no scores and no label maps yet: run snakemake first"):
        summary(tmp_path)


def test_without_true_masks_it_says_what_the_label_maps_show(tmp_path, capsys):
    with store.create(tmp_path / "psa_train_masks.h5", "masks", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", (1, 4), plain=np.array([[0, 1, 1, 2]], np.uint8))
        target.add("b", (1, 4), plain=np.zeros((1, 4), np.uint8))
    summary(tmp_path)
    printed = capsys.readouterr().out
    assert "psa_train_masks.h5: 2 label maps, 1 of them show the background alone" in printed
    assert "background 62.5 %, cat 25.0 %, dog 12.5 %" in printed
    assert "warning: more than a third show nothing" in printed
