"""The table of a run's scores."""

import csv
import json
import os
import re

import numpy as np
import pytest
from settings import CLASSES
from small_manifest import write_manifest

from wsss.commands.summary import summary
from wsss.runtime.errors import WsssError
from wsss.stores import store

IOU = {"background": 0.8, "cat": 0.25, "dog": None}


def miou_json(path, *, split="val", images=80, iou=IOU, manifest="", **miou):
    masks = {name: {"miou": value, "iou": iou} for name, value in miou.items()}
    content = {"miou": 0, "masks": masks, "evaluated": {"split": split, "images": images}}
    path.write_text(json.dumps(content | ({"manifest": manifest} if manifest else {})))


def cue_scores_json(path):
    scores = {
        "split": "train",
        "images": 240,
        "cam": {"background": 0.2, "miou": 0.4, "iou": IOU},
        "cam_oracle": {"background": 0.15, "miou": 0.45, "iou": IOU},
        "pseudo_masks": {"plain": {"miou": 0.55, "iou": IOU}, "refined": {"miou": 0.58, "iou": IOU}},
    }
    path.write_text(json.dumps(scores))


def test_cues_and_segmenters_are_rows_of_one_table(tmp_path, capsys):
    miou_json(tmp_path / "psa_val_miou.json", plain=0.5, refined=0.6123)
    cue_scores_json(tmp_path / "cue_scores.json")
    summary((tmp_path,))
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split() == ["images", "mIoU"]
    assert [re.split(r"  +", line) for line in lines] == [
        ["CAM, background 0.2", "240 train images", "40.0"],
        ["CAM, background 0.15 (oracle)", "240 train images", "45.0"],
        ["random walk", "240 train images", "55.0"],
        ["random walk and CRF", "240 train images", "58.0"],
        ["psa segmenter", "80 val images", "50.0"],
        ["psa segmenter and CRF", "80 val images", "61.2"],
    ]


def three_seeds(tmp_path):
    folders = tuple(tmp_path / f"seed_{seed}" for seed in range(3))
    for folder, miou in zip(folders, (0.5, 0.6, 0.55), strict=True):
        folder.mkdir()
        miou_json(folder / "psa_val_miou.json", plain=miou)
    miou_json(folders[0] / "sec_val_miou.json", plain=0.3)
    return folders


def test_several_runs_stand_side_by_side_with_mean_and_standard_deviation(tmp_path, capsys):
    summary(three_seeds(tmp_path))
    title, psa, sec = (re.split(r"  +", line.strip()) for line in capsys.readouterr().out.splitlines())
    assert title[-2:] == ["mIoU", "±"]
    assert psa == ["psa segmenter", "80 val images", "50.0", "60.0", "55.0", "55.0", "5.0"]
    assert sec == ["sec segmenter", "80 val images", "30.0", "-", "-", "30.0", "-"]


def test_the_table_as_csv_has_a_column_for_each_class(tmp_path, capsys):
    summary(three_seeds(tmp_path), format="csv", classes=True)
    title, psa, _ = csv.reader(capsys.readouterr().out.splitlines())
    assert title[-5:] == ["mIoU", "±", "background", "cat", "dog"]
    assert psa[-5:] == ["55.0", "5.0", "80.0", "25.0", ""]


def test_names_are_escaped_in_markdown_and_latex(tmp_path, capsys):
    miou_json(tmp_path / "psa_val_miou.json", plain=0.5, iou={"a|b_c & 5 %": 0.5})
    summary((tmp_path,), format="markdown", classes=True)
    assert r"a\|b_c & 5 %" in capsys.readouterr().out
    summary((tmp_path,), format="latex", classes=True)
    printed = capsys.readouterr().out
    assert r"a|b\_c \& 5 \%" in printed
    assert printed.splitlines()[0] == r"\begin{tabular}{llrr}"


@pytest.mark.parametrize(
    "score",
    [{"iou": {"background": 0.8, "cow": 0.2}}, {"manifest": "of another list"}, {"images": 2}],
    ids=["other classes", "another manifest", "more images than there are"],
)
def test_scores_of_another_data_set_are_left_out_and_named(tmp_path, capsys, score):
    write_manifest(tmp_path)
    ours = {"split": "train", "images": 1, "iou": {"background": 0.8, "cat": 0.25, "dog": None}}
    miou_json(tmp_path / "psa_train_miou.json", **ours, plain=0.5)
    miou_json(tmp_path / "sec_train_miou.json", **(ours | score), plain=0.9)
    summary((tmp_path,))
    printed = capsys.readouterr().out
    assert f"left out: {tmp_path / 'sec_train_miou.json'} is of another data set" in printed
    assert "sec segmenter" not in printed
    assert "psa segmenter" in printed


def test_a_damaged_score_is_named(tmp_path):
    (tmp_path / "psa_val_miou.json").write_text('{"masks": 3}')
    with pytest.raises(WsssError, match="psa_val_miou.json is damaged: remove it and rerun"):
        summary((tmp_path,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"plain": "x"},
        {"plain": None},
        {"plain": 7},
        {"iou": [1]},
        {"iou": {"cat": "x"}},
        {"images": "x"},
        {"split": [1]},
    ],
    ids=str,
)
def test_values_that_are_no_scores_are_damage(tmp_path, wrong):
    miou_json(tmp_path / "psa_val_miou.json", **({"plain": 0.5} | wrong))
    with pytest.raises(WsssError, match=r"psa_val_miou\.json is damaged: remove it and rerun"):
        summary((tmp_path,))


def test_pipes_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "psa_val_miou.json")
    with pytest.raises(WsssError, match=r"psa_val_miou\.json is a pipe or device, no file"):
        summary((tmp_path,))


def test_without_scores_it_says_what_is_done(tmp_path):
    write_manifest(tmp_path)
    with pytest.raises(WsssError, match="no label maps yet: done so far: images; run snakemake first"):
        summary((tmp_path,))


def test_pseudo_masks_of_another_program_are_no_random_walk(tmp_path, capsys):
    scores = {"split": "train", "images": 240, "pseudo_masks": {"plain": {"miou": 0.55, "iou": IOU}}}
    (tmp_path / "cue_scores.json").write_text(json.dumps(scores))
    summary((tmp_path,))
    assert capsys.readouterr().out.splitlines()[1:] == ["pseudo masks  240 train images  55.0"]


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(WsssError, match="holds no scores and no label maps yet: run snakemake first"):
        summary((tmp_path,))


def test_without_true_masks_it_says_what_the_label_maps_show(tmp_path, capsys):
    with store.create(tmp_path / "psa_train_masks.h5", "masks", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", (1, 4), plain=np.array([[0, 1, 1, 2]], np.uint8))
        target.add("b", (1, 4), plain=np.zeros((1, 4), np.uint8))
    summary((tmp_path,))
    printed = capsys.readouterr().out
    assert "psa_train_masks.h5: 2 label maps, 1 of them show the background alone" in printed
    assert "background 62.5 %, cat 25.0 %, dog 12.5 %" in printed
    assert "warning: more than a third show nothing" in printed
