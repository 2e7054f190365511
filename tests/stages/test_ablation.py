"""The table of a method with one change at a time."""

import csv
import json

import pytest

from wsss.runtime.errors import WsssError
from wsss.stages.ablation import ablation


def scored(path, split, **mious):
    masks = {name: {"miou": miou, "iou": {"background": miou, "cat": None}} for name, miou in mious.items()}
    path.write_text(json.dumps({"masks": masks, "evaluated": {"split": split, "images": 8}}))
    return path


def test_each_kind_of_mask_is_a_row(tmp_path):
    one = scored(tmp_path / "psa_val_miou.json", "val", plain=0.5, refined=0.6)
    other = scored(tmp_path / "psa_small_crf_fit_miou.json", "crf_fit", plain=0.4)
    ablation(scores=(one, other), table=tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as table:
        header, *rows = csv.reader(table)
    assert header == ["method", "split", "masks", "miou", "background", "cat"]
    assert rows == [
        ["psa", "val", "plain", "0.5", "0.5", ""],
        ["psa", "val", "refined", "0.6", "0.6", ""],
        ["psa_small", "crf_fit", "plain", "0.4", "0.4", ""],
    ]


def test_files_of_other_stages_damaged_ones_and_none_are_refused(tmp_path):
    of_cues, damaged = tmp_path / "cue_scores.json", tmp_path / "psa_val_miou.json"
    of_cues.write_text('{"split": "train", "images": 3}')
    damaged.write_text('{"masks": {"plain": {"miou": "x", "iou": {}}}, "evaluated": {"split": "val", "images": 8}}')
    cases = {
        (of_cues,): r"cue_scores\.json is no METHOD_SPLIT_miou\.json: give files of the stage miou",
        (damaged,): r"psa_val_miou\.json is damaged: remove it and rerun the stage that writes it",
        (): "no scores are given: name JSON files of the stage miou after --scores",
    }
    for scores, words in cases.items():
        with pytest.raises(WsssError, match=words):
            ablation(scores=scores, table=tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
