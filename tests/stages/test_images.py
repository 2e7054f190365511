from dataclasses import replace

import coco_layout
import numpy as np
import pytest
from coco_layout import annotation, rectangle
from voc_layout import IDS, OPTIONS, TAGS, layout, write_list, write_tags

from wsss.datasets import download, manifest, shapes
from wsss.datasets.coco_classes import COCO_CLASSES
from wsss.datasets.pictures import write_mask
from wsss.labels import VOC_CLASSES
from wsss.options.data_set import DataSet
from wsss.runtime.errors import WsssError
from wsss.stages.images import images
from wsss.stages.training_images import training_images


def in_two_steps(tmp_path, **changes):
    """The manifest as a run makes it, first the training images, then all; and the training images."""
    training, table, classes = (tmp_path / f"results/{name}.csv" for name in ("training_images", "images", "classes"))
    data_set = DataSet(**OPTIONS | changes, root=tmp_path / "data")
    training_images(data_set=data_set, training_images=training, classes_table=classes)
    images(data_set=data_set, training_images=training, images=table)
    return manifest.read(table), manifest.read(training)


@pytest.fixture
def run(tmp_path):
    """Runs both stages on the folder `data`; returns the rows and classes that they wrote."""

    def run(**changes):
        rows, _ = in_two_steps(tmp_path, **changes)
        return rows, manifest.read_classes(tmp_path / "results/classes.csv")

    return run


def test_voc(tmp_path, run):
    layout(tmp_path / "data")
    rows, classes = run()
    assert classes == manifest.Classes.of({"cat": 8, "dog": 12})
    assert [(row.id, row.split, row.mask is not None) for row in rows] == [
        ("2007_000001", "train", True),
        ("2007_000002", "train", True),
        ("2009_000004", "extra", False),
        ("2008_000003", "val", True),
    ]
    assert rows[1].tags == ("cat", "dog")


def test_without_classes_the_data_sets_own(tmp_path, run):
    layout(tmp_path / "data")
    _, classes = run(classes=())
    assert classes.foreground == VOC_CLASSES
    assert classes.mask_values == tuple(range(21))


def test_shapes(run):
    rows, classes = run(dataset="shapes", classes=(), extra="")
    assert classes.foreground == shapes.CLASSES
    assert [row.split for row in rows] == ["train"] * 3 + ["val"] * 2


def test_coco(tmp_path, run):
    pytest.importorskip("pycocotools")
    shown = {n: [annotation(n, 18, rectangle(0, 0, 3, 3))] for n in range(1, 6)}
    coco_layout.write(tmp_path / "data", "train2017", shown)
    coco_layout.write(tmp_path / "data", "val2017", {9: [annotation(9, 17, rectangle(0, 0, 3, 3))]})
    options = dict(dataset="coco", classes=(), tags="annotations", train="train2017", extra="", val="val2017")
    rows, classes = run(**options, masks="annotations", crf_fit_images=2)
    assert classes.foreground == COCO_CLASSES
    assert [row.split for row in rows] == ["crf_fit", "train", "crf_fit", "train", "train", "val"]
    assert [row.tags for row in rows] == [("dog",)] * 5 + [("cat",)]
    assert all(row.mask.parent == tmp_path / "results/true_masks" for row in rows)


def test_images_for_fitting_a_crf_are_withheld_from_training(run):
    rows, _ = run(dataset="shapes", classes=(), extra="", shapes_train=5, crf_fit_images=2)
    assert [row.split for row in rows] == ["crf_fit", "train", "crf_fit", "train", "train", "val", "val"]
    assert all(row.mask for row in rows)


def test_images_for_fitting_a_crf_leave_some_for_training(run):
    with pytest.raises(WsssError, match="crf_fit_images is 3, but there are only 3 images in train"):
        run(dataset="shapes", classes=(), extra="", crf_fit_images=3)


def test_the_download_comes_first(tmp_path, run, monkeypatch):
    monkeypatch.setattr(download, "download", layout)
    rows, _ = run(download=True)
    assert len(rows) == 4


@pytest.mark.parametrize("changes", [{}, {"crf_fit_images": 1}, {"longest_px": 4}], ids=lambda changes: str(changes))
def test_training_images_stand_apart_without_masks(tmp_path, changes):
    layout(tmp_path / "data")
    rows, training = in_two_steps(tmp_path, **changes)
    learned = [row for row in rows if row.split in manifest.CUE_SPLITS]
    assert [replace(row, mask=None, digest="") for row in learned] == [replace(row, digest="") for row in training]
    assert any(row.mask for row in learned) and not any(row.mask for row in training)
    assert all(row.digest for row in training)


def test_another_mask_leaves_the_training_images_as_they_were(tmp_path):
    root = layout(tmp_path / "data")
    _, before = in_two_steps(tmp_path)
    write_mask(root / "SegmentationClass/2007_000001.png", np.full((6, 8), 8, np.uint8))
    _, after = in_two_steps(tmp_path)
    assert after == before


def test_where_training_images_are_wrong_so_is_told_what_else_is(tmp_path):
    root = layout(tmp_path / "data")
    write_tags(root, TAGS | {"2007_000001": "cta"})
    (root / "SegmentationClass/2008_000003.png").unlink()
    with pytest.raises(WsssError) as caught:
        in_two_steps(tmp_path)
    title, *problems = str(caught.value).splitlines()
    assert "(2 found)" in title
    assert sum("unknown class cta" in problem for problem in problems) == 1
    assert sum("2008_000003.png does not exist" in problem for problem in problems) == 1


def test_all_problems_are_reported_at_once_and_nothing_is_written(tmp_path, run):
    root = layout(tmp_path / "data")
    photograph = root / "JPEGImages/2009_000004.jpg"
    photograph.write_bytes(photograph.read_bytes()[:-40])
    write_mask(root / "SegmentationClass/2007_000001.png", np.zeros((3, 3), np.uint8))
    (root / "SegmentationClass/2008_000003.png").unlink()
    write_tags(root, TAGS | {"2008_000003": "dgo"})
    write_list(root, "val", *IDS["val"], "2007_000001")
    with pytest.raises(WsssError) as caught:
        run()
    title, *problems = str(caught.value).splitlines()
    assert "data cannot be used (5 found)" in title
    for expected in (
        "2009_000004.jpg cannot be read",
        "2007_000001.png: the mask has 3 x 3 pixels",
        "2008_000003.png does not exist",
        "2008_000003: unknown class dgo",
        "2007_000001 is in train.txt and in val.txt",
    ):
        assert sum(expected in problem for problem in problems) == 1
    assert list((tmp_path / "results").iterdir()) == []


def test_a_repeated_problem_is_reported_once(tmp_path, run):
    root = layout(tmp_path / "data")
    write_mask(root / "SegmentationClass/2007_000001.png", np.full((6, 8), 3, np.uint8))
    with pytest.raises(WsssError) as caught:
        run(tags="masks", extra="")
    assert len(str(caught.value).splitlines()) == 2


def test_masks_that_show_no_class(tmp_path, run):
    root = layout(tmp_path / "data")
    for path in (root / "SegmentationClass").iterdir():
        write_mask(
            path, np.array([[0, 255] * 4] * 6, np.uint8)
        )  # 255 for an object, as in many masks of a single class
    with pytest.raises(
        WsssError, match="no mask of the split val in .*SegmentationClass shows a class: .* 255 is void"
    ):
        run()
    rows, _ = run(masks="")
    assert len(rows) == 4
    for path in (root / "SegmentationClass").iterdir():
        path.write_bytes(b"no picture")  # this is reported instead of missing classes
    with pytest.raises(WsssError, match=r"data cannot be used \(3 found\)") as caught:
        run()
    assert "shows a class" not in str(caught.value)


@pytest.mark.parametrize("split", ["train", "val"])
def test_masks_that_show_no_class_in_one_split_alone(tmp_path, run, split):
    root = layout(tmp_path / "data")
    for image_id in IDS[split]:
        write_mask(root / f"SegmentationClass/{image_id}.png", np.array([[0, 255] * 4] * 6, np.uint8))
    with pytest.raises(WsssError, match=f"no mask of the split {split} in .* shows a class"):
        run()


def test_images_to_segment_alone(tmp_path, run):
    write_list(layout(tmp_path / "data"), "test", "2009_000004")
    rows, _ = run(test="test", extra="")
    assert [(row.id, row.split, row.tags, row.mask) for row in rows][-1] == ("2009_000004", "test", (), None)
    write_list(tmp_path / "data", "test", "")
    with pytest.raises(WsssError, match="the split test holds no image"):
        run(test="test", extra="")


def test_an_empty_list(tmp_path, run):
    write_list(layout(tmp_path / "data"), "val", "")
    with pytest.raises(WsssError, match="the split val holds no image"):
        run()


@pytest.mark.parametrize("word", ["cat", "cat=", "cat=x", "cat=-1"])
def test_classes_without_value(tmp_path, run, word):
    layout(tmp_path / "data")
    with pytest.raises(WsssError, match=f"'{word}' is not of the form name=mask_value"):
        run(classes=(word,))


@pytest.mark.parametrize("words", [("cat=8", "cat=9"), ("cat=8", "dog=8"), ("cat=0",), ("cat=255",), ("=3",)])
def test_classes_that_clash(tmp_path, run, words):
    layout(tmp_path / "data")
    with pytest.raises(WsssError, match="classes: "):
        run(classes=words)
