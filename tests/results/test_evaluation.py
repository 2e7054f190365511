"""True masks as class indices, counts over a set of images, and the two files that report scores."""

import json

import numpy as np
import pytest

from wsss.datasets import manifest
from wsss.datasets.manifest import Row
from wsss.datasets.pictures import write_mask
from wsss.labels import Classes
from wsss.results import evaluation
from wsss.runtime.errors import WsssError

CLASSES = Classes.of({"dog": 12, "cat": 8, "cow": 10})
EVALUATED = {"split": "val", "images": 2, "image tags": "not used", "crf": "none"}


def row_of(folder, name, mask):
    write_mask(folder / f"{name}.png", np.array(mask, np.uint8))
    return Row(name, "val", folder / f"{name}.jpg", folder / f"{name}.png", ("dog",), "masks")


@pytest.fixture
def counts(tmp_path):
    """Two images; 10 counted pixels: background 4, dog (class 1) 4, cat (class 2) 2; no cow."""
    counts = evaluation.Counts(CLASSES)
    one = np.array([[0, 0, 1], [1, 1, 0]], np.uint8)
    counts.add(row_of(tmp_path, "a", [[0, 0, 12], [12, 255, 12]]), {"plain": one, "refined": one})
    plain, refined = np.array([[0, 0, 2], [1, 2, 2]], np.uint8), np.array([[0, 0, 2], [1, 2, 1]], np.uint8)
    counts.add(row_of(tmp_path, "b", [[0, 0, 8], [12, 8, 255]]), {"plain": plain, "refined": refined})
    return counts


def written(folder, counts):
    text, json_file = folder / "miou.txt", folder / "miou.json"
    evaluation.write(counts, EVALUATED, manifest="of this run", text=text, json_file=json_file)
    return text.read_text(), json.loads(json_file.read_text())


def test_masks_are_required(tmp_path):
    rows = [
        row_of(tmp_path, "a", [[0]]),
        Row("b", "val", tmp_path / "b.jpg", None, (), "masks"),
        Row("c", "val", tmp_path / "c.jpg", None, (), "masks"),
    ]
    evaluation.require_masks(rows[:1], tmp_path / "images.csv")
    with pytest.raises(WsssError) as caught:
        evaluation.require_masks(rows, tmp_path / "images.csv")
    expected = f"{tmp_path / 'images.csv'}: 2 images have no true mask to score against, e.g. b"
    assert str(caught.value) == expected


def test_the_truth_is_in_class_indices(tmp_path):
    found = evaluation.truth(row_of(tmp_path, "a", [[0, 8, 10], [12, 255, 8]]), CLASSES)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[0, 2, 3], [1, 255, 2]])


def test_the_class_of_value_254(tmp_path):
    found = evaluation.truth(row_of(tmp_path, "a", [[0, 254, 255]]), Classes.of({"last": 254}))
    np.testing.assert_array_equal(found, [[0, 1, 255]])


@pytest.mark.parametrize("value", [1, 2, 3, 11, 254])
def test_an_unknown_value_is_an_error(tmp_path, value):
    row = row_of(tmp_path, "a", [[0, 8, value]])
    with pytest.raises(WsssError) as caught:
        evaluation.truth(row, CLASSES)
    assert str(caught.value).startswith(f"{row.mask}: mask value {value} belongs to no class: ")
    assert "\n" not in str(caught.value)


def test_a_mask_that_is_gone_is_named_once(tmp_path):
    row = row_of(tmp_path, "a", [[0, 8]])
    row.mask.unlink()
    with pytest.raises(WsssError) as caught:
        evaluation.truth(row, CLASSES)
    assert str(caught.value) == f"{row.mask} does not exist: put it there, or remove it from the list"


def test_a_map_of_another_size_is_an_error(tmp_path):
    row = row_of(tmp_path, "a", [[0, 8]])
    with pytest.raises(WsssError) as caught:
        evaluation.Counts(CLASSES).add(row, {"plain": np.zeros((2, 1), np.uint8)})
    assert f"{row.mask} has the size (1, 2), its label map (2, 1)" in str(caught.value)


def test_the_table_by_hand(counts):
    # plain: background 4 hits, 1 false alarm; dog 3 hits, 1 miss; cat 2 hits: its third pixel is void
    scores = counts.table()
    assert list(scores) == ["plain", "refined"]
    assert scores["plain"]["iou"] == {"background": 4 / 5, "dog": 3 / 4, "cat": 1, "cow": None}
    assert scores["plain"]["miou"] == pytest.approx((4 / 5 + 3 / 4 + 1) / 3)


def test_the_text(tmp_path, counts):
    counts.confusion["refined"][0, 3] += 4  # 4 background pixels predicted as cow
    lines = written(tmp_path, counts)[0].splitlines()
    # background 4 hits of 9, dog 3 of 4, cat 1, cow 0 of 4
    assert lines[:8] == [
        f"mIoU  {100 * (4 / 9 + 3 / 4 + 1) / 4:.2f}",
        "",
        "class          plain   refined",
        "background     80.00     44.44",
        "dog            75.00     75.00",
        "cat           100.00    100.00",
        "cow                -      0.00",
        "mean           85.00     54.86",
    ]
    assert lines[0] == "mIoU  54.86"
    assert "The first line is the mean of the refined masks." in lines
    assert lines[-4:] == ["split: val", "images: 2", "image tags: not used", "crf: none"]
    assert not any("Left out" in line for line in lines)


def test_without_a_crf_the_first_line_is_of_the_plain_masks(tmp_path, counts):
    del counts.confusion["refined"]
    text, content = written(tmp_path, counts)
    assert text.splitlines()[0] == "mIoU  85.00"
    assert "The first line is the mean of the plain masks." in text
    assert content["headline"] == "plain"


def test_absent_classes_are_named(tmp_path, counts):
    text, content = written(tmp_path, counts)
    assert "Left out of the mean, since neither truth nor prediction shows them: cow\n" in text
    assert content["masks"]["refined"]["iou"]["cow"] is None


def test_json_holds_the_same_numbers(tmp_path, counts):
    counts.confusion["refined"][0, 1] += 3
    text, content = written(tmp_path, counts)
    assert content["evaluated"] == EVALUATED
    assert content["manifest"] == "of this run"
    assert content["masks"] == counts.table()
    assert content["miou"] == content["masks"]["refined"]["miou"] != content["masks"]["plain"]["miou"]
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()[3:8]}
    for column, name in enumerate(("plain", "refined")):
        scores = content["masks"][name]
        for label, iou in scores["iou"].items():
            assert rows[label][column] == ("-" if iou is None else f"{100 * iou:.2f}")
        assert rows["mean"][column] == f"{100 * scores['miou']:.2f}"
    assert text.splitlines()[0] == f"mIoU  {100 * content['miou']:.2f}"


def test_the_description_of_the_crf():
    numbers = {"steps": 10, "smoothness_weight": 3, "smoothness_px": 4, "appearance_weight": 5}
    numbers |= {"appearance_px": 80, "appearance_rgb": 13}
    attributes = {"kind": "masks", **{f"setting.{name}": str(value) for name, value in numbers.items()}}
    assert evaluation.crf_description(attributes | {"setting.engine": "none"}) == "none"
    description = evaluation.crf_description(attributes | {"setting.engine": "lattice"})
    assert description == "lattice, 10 steps, smoothness 3 (4 px), appearance 5 (80 px, 13 RGB)"


def test_cue_precision_by_hand():
    # eight pixels, one of them void: two of three foreground cues are correct, and one of two background cues
    true = np.array([[1, 1, 2, 0], [0, 1, 255, 2]], np.uint8)
    cues = np.array([[1, 255, 2, 1], [0, 0, 1, 255]], np.uint8)
    precision = evaluation.CuePrecision()
    precision.add(true, cues)
    expected = {
        "foreground share": 3 / 7,
        "foreground precision": 2 / 3,
        "background share": 2 / 7,
        "background precision": 1 / 2,
    }
    assert precision.shares() == pytest.approx(expected)
    precision.add(true, np.full((2, 4), 255, np.uint8))
    assert precision.shares()["foreground share"] == pytest.approx(3 / 14)
    assert precision.shares()["foreground precision"] == pytest.approx(2 / 3)


def test_cue_precision_without_any_cue():
    precision = evaluation.CuePrecision()
    precision.add(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8))
    assert precision.shares() == {
        "foreground share": 0,
        "foreground precision": None,
        "background share": 0,
        "background precision": None,
    }


def test_cue_precision_where_no_pixel_is_known():
    precision = evaluation.CuePrecision()
    precision.add(np.full((2, 2), 255, np.uint8), np.ones((2, 2), np.uint8))
    assert set(precision.shares().values()) == {None}


def test_a_mask_that_has_changed_since_the_list_was_written_is_refused(tmp_path):
    row = row_of(tmp_path, "a", [[0, 12]])
    (tmp_path / "a.jpg").write_bytes(b"a photograph")
    row = manifest.with_digest(row)
    assert evaluation.truth(row, CLASSES).tolist() == [[0, 1]]
    row_of(tmp_path, "a", [[12, 0]])
    with pytest.raises(
        WsssError, match="a.png has changed since the list of images was written: rerun the stage images"
    ):
        evaluation.truth(row, CLASSES)
