"""The table of all scores of a run."""

import csv
import json

import pytest

from wsss.runtime.errors import WsssError
from wsss.stages.comparison import comparison


def written(folder, **files):
    """The rows of the table of files with the given content."""
    paths = []
    for name, content in files.items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps(content))
    comparison(scores=tuple(paths), table=folder / "comparison.csv")
    with (folder / "comparison.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.reader(table))


def scored(miou):
    return {"miou": miou, "iou": {"background": 0.8, "miou": None}}


CUES = {
    "split": "train",
    "images": 240,
    "cam": {"background": 0.2, **scored(0.4)},
    "cam_oracle": {"background": 0.15, **scored(0.45)},
    "pseudo_masks": {"plain": scored(0.55), "refined": scored(0.58)},
    "seeds": {"foreground precision": 0.9},
}


def of_method(**masks):
    return {"masks": {name: scored(miou) for name, miou in masks.items()}, "evaluated": {"split": "val", "images": 80}}


def test_rows_go_from_activation_maps_to_masks_after_the_crf_in_the_order_of_the_files(tmp_path):
    sec = of_method(plain=0.3, refined=0.35)
    header, *rows = written(tmp_path, cue_scores=CUES, sec_val_miou=sec, psa_val_miou=of_method(plain=0.5))
    assert header == ["maps", "split", "images", "miou", "background", "class miou"]
    assert rows == [
        ["CAM, background 0.2", "train", "240", "0.4", "0.8", ""],
        ["CAM, background 0.15 (oracle)", "train", "240", "0.45", "0.8", ""],
        ["random walk", "train", "240", "0.55", "0.8", ""],
        ["random walk and CRF", "train", "240", "0.58", "0.8", ""],
        ["sec segmenter", "val", "80", "0.3", "0.8", ""],
        ["sec segmenter and CRF", "val", "80", "0.35", "0.8", ""],
        ["psa segmenter", "val", "80", "0.5", "0.8", ""],
    ]


def test_training_images_without_true_masks_leave_the_methods(tmp_path):
    cues = {"split": "train", "images": 0}
    _, *rows = written(tmp_path, cue_scores=cues, psa_val_miou=of_method(plain=0.5))
    assert [row[0] for row in rows] == ["psa segmenter"]


def test_a_damaged_file_is_named(tmp_path):
    with pytest.raises(WsssError, match=r"psa_val_miou\.json is damaged: remove it and rerun the stage"):
        written(tmp_path, psa_val_miou={"masks": 3})
    assert not (tmp_path / "comparison.csv").exists()


def test_files_without_scores_and_none_are_refused(tmp_path):
    with pytest.raises(WsssError, match=r"psa_crf\.json holds no scores: give files of the stages cue_scores and miou"):
        written(tmp_path, psa_crf={"kind": "wsss fitted CRF"})
    with pytest.raises(WsssError, match="no scores are given: name JSON files of .* after --scores"):
        written(tmp_path)
    assert not (tmp_path / "comparison.csv").exists()
