"""benchmarks/results_guard.py: which photographs it takes, and what it calls a fall; no run."""

import importlib.util

import pytest
from projects import ROOT

SPEC = importlib.util.spec_from_file_location("results_guard", ROOT / "benchmarks/results_guard.py")
guard = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(guard)

OF = {"images": {"train": 64, "val": 32}, "ids": "a", "overlay": {}}
RECORDED = {"of": OF, "scores": {"random walk (train)": 0.5, "psa segmenter (val)": 0.4}}


def found(*, of=OF, **scores):
    """Scores of a run; those that are not given are the recorded ones."""
    names = {"walk": "random walk (train)", "psa": "psa segmenter (val)"}
    return {"of": of, "scores": RECORDED["scores"] | {names[key]: score for key, score in scores.items()}}


@pytest.mark.parametrize(
    "walk, fell", [(0.5, False), (0.9, False), (0.461, False), (0.459, True), (float("nan"), True)]
)
def test_a_score_falls_where_it_loses_more_than_the_tolerance(walk, fell):
    lines, any_fell = guard.compared(RECORDED, found(walk=walk))
    assert any_fell == fell
    assert ["FELL" in line for line in lines] == [fell, False]


def test_a_rise_does_not_make_up_for_a_fall():
    assert guard.compared(RECORDED, found(walk=0.9, psa=0.3))[1]


def test_a_score_that_is_missing_or_new_is_no_success():
    fewer = {"of": OF, "scores": {"random walk (train)": 0.5}}
    assert guard.compared(RECORDED, fewer)[1]
    lines, fell = guard.compared(fewer, RECORDED)
    assert fell and "    -" in lines[1]


def test_scores_of_other_photographs_or_settings_are_not_compared():
    lines, fell = guard.compared(RECORDED, found(of=OF | {"ids": "b"}))
    assert fell and "cannot be compared" in lines[-1]


def test_photographs_are_evenly_spaced_in_the_order_of_their_ids():
    assert guard.every_nth(["9", "1", "5", "3", "7"], 2) == ["1", "5"]
    assert guard.every_nth(["2", "1"], 5) == ["1", "2"]
    assert len(guard.every_nth([f"{number:03}" for number in range(398)], 64)) == 64


def test_only_photographs_with_masks_are_taken(tmp_path):
    root = tmp_path / "voc"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "image_labels.txt").write_text("")
    for name in ("train", "val"):
        (root / f"ImageSets/Segmentation/{name}.txt").write_text(f"{name}_b\n{name}_a\n{name}_c\n")
        for letter in "ab":
            (root / f"SegmentationClass/{name}_{letter}.png").touch()
    taken = guard.lay_out(root, tmp_path / "part")
    assert taken == {"train": ["train_a", "train_b"], "val": ["val_a", "val_b"]}
    assert (tmp_path / "part/ImageSets/Segmentation/val.txt").read_text() == "val_a\nval_b\n"
    assert (tmp_path / "part/SegmentationClass/train_a.png").exists()


def test_scores_of_comparison_csv_are_read_but_for_the_oracle():
    table = "maps,split,images,miou,cat\nCAM,train,4,0.5,\nCAM (oracle),train,4,0.6,\npsa segmenter,val,2,0.25,0.1\n"
    assert guard.read(table) == {"CAM (train)": 0.5, "psa segmenter (val)": 0.25}
