from pathlib import Path

import numpy as np
import pytest
from settings import CLASSES
from voc_layout import IDS, TAGS, layout, mask_of, write_list, write_tags

from wsss.datasets import voc
from wsss.datasets.pictures import write_mask
from wsss.labels import Classes
from wsss.runtime.errors import WsssError

LISTS = dict(train="train", extra="more", val="val", test="")


def read(root: Path, *, classes=CLASSES, masks="SegmentationClass", tags="file", **lists):
    """The rows, and the problems of lists and tags."""
    splits, problems = voc.splits(root, **LISTS | lists)
    found = list(voc.rows(root, splits, classes=classes, masks=masks, tags=tags))
    return [row for row, _ in found], problems + [problem for _, problem in found if problem]


def test_the_split_test_has_neither_tags_nor_masks(tmp_path):
    write_list(layout(tmp_path), "test", "2009_000004", "2008_000003")
    rows, problems = read(tmp_path, val="", test="test")
    assert problems == []
    assert [(row.id, row.split) for row in rows if row.split in ("test", "extra")] == [
        ("2009_000004", "test"),  # and not among the further training images, whose list holds it
        ("2008_000003", "test"),
    ]
    assert [(row.tags, row.mask) for row in rows[2:]] == [((), None)] * 2


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_image_of_test_in_another_list_is_a_problem(tmp_path, split):
    write_list(layout(tmp_path), "held", *IDS[split])
    _, problems = read(tmp_path, test="held")
    assert [f"{IDS[split][0]} is in {split}.txt and in held.txt" in problem for problem in problems][0]


def test_masks_are_found_by_their_suffix_in_upper_case(tmp_path):
    layout(tmp_path)
    for path in list((tmp_path / "SegmentationClass").iterdir()):
        path.rename(path.with_suffix(".PNG"))
    for tags in ("file", "masks"):
        rows, problems = read(tmp_path, extra="", tags=tags)
        assert problems == []
        assert [row.mask.name for row in rows] == [f"{row.id}.PNG" for row in rows]


def tags_of(rows) -> dict[str, str]:
    return {row.id: " ".join(row.tags) for row in rows}


IN_ORDER = TAGS | {"2007_000002": "cat dog"}


def test_rows(tmp_path):
    rows, problems = read(layout(tmp_path))
    assert problems == []
    assert [(row.id, row.split) for row in rows] == [
        ("2007_000001", "train"),
        ("2007_000002", "train"),
        ("2009_000004", "extra"),
        ("2008_000003", "val"),
    ]
    assert rows[0].image == tmp_path / "JPEGImages/2007_000001.jpg"
    assert rows[0].mask == tmp_path / "SegmentationClass/2007_000001.png"
    assert rows[2].mask is None
    assert tags_of(rows) == IN_ORDER
    assert {row.tag_source for row in rows} == {"image_labels.txt"}


def test_without_extra_and_without_mask_folder(tmp_path):
    rows, problems = read(layout(tmp_path), extra="", masks="")
    assert problems == []
    assert [row.mask for row in rows] == [None] * 3


def test_lists_with_paths_and_more_words(tmp_path):
    layout(tmp_path)
    write_list(tmp_path, "train", "/JPEGImages/2007_000001.jpg /SegmentationClassAug/2007_000001.png", "")
    write_list(tmp_path, "val", "2008_000003  1", "2008_000003 -1")
    assert voc.read_list(tmp_path, "train") == ["2007_000001"]
    assert voc.read_list(tmp_path, "val") == ["2008_000003"]
    write_list(tmp_path, "val", "photo.v2")
    assert voc.read_list(tmp_path, "val") == ["photo.v2"]


def test_two_photographs_of_one_name_in_two_folders(tmp_path):
    write_list(layout(tmp_path), "train", "cats/001.jpg", "cats/002", "/JPEGImages/cats/001.jpg")
    read(tmp_path)
    write_list(tmp_path, "val", "dogs/001.jpg")
    with pytest.raises(WsssError, match=r"val\.txt: 001 is in the folder 'dogs' and in 'cats': .* a unique name"):
        read(tmp_path)


def test_a_byte_order_mark(tmp_path):
    layout(tmp_path)
    for name in ("ImageSets/Segmentation/train.txt", "image_labels.txt"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
    rows, problems = read(tmp_path)
    assert problems == [] and rows[0].id == "2007_000001"


def test_tags_of_annotations(tmp_path):
    folder = layout(tmp_path) / "Annotations"
    folder.mkdir()
    for image_id, names in TAGS.items():
        objects = [
            f"<object><name>{name}</name><difficult>1</difficult><part><name>head</name></part></object>"
            for name in names.split() * 2
        ]
        (folder / f"{image_id}.xml").write_text(f"<annotation>{''.join(objects)}</annotation>")
    rows, problems = read(tmp_path, tags="annotations")
    assert problems == []
    assert tags_of(rows) == IN_ORDER
    assert rows[0].tag_source == "Annotations"


def test_problems_of_annotations(tmp_path):
    folder = layout(tmp_path) / "Annotations"
    folder.mkdir()
    (folder / "2007_000001.xml").write_text("<annotation><object>")
    (folder / "2007_000002.xml").write_text('<!DOCTYPE a [<!ENTITY b "cat">]><a><object><name>&b;</name></object></a>')
    (folder / "2008_000003.xml").write_text("<annotation><object><name>bird</name></object></annotation>")
    _, problems = read(tmp_path, tags="annotations")
    for problem, expected in zip(
        problems,
        [
            "2007_000001.xml cannot be read as XML",
            "2007_000002.xml declares a document type",
            "2009_000004: no tags in Annotations",
            "2008_000003: unknown class bird in Annotations",
        ],
        strict=True,
    ):
        assert expected in problem


ENCODED = '<?xml version="1.0" encoding="{}"?><annotation><object><name> {} </name></object></annotation>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "ISO-8859-1", "windows-1252", "GB18030", "utf-16"])
def test_an_annotation_is_read_in_its_declared_encoding(tmp_path, encoding):
    name = "猫" if encoding == "GB18030" else "Löwe"
    folder = layout(tmp_path) / "Annotations"
    folder.mkdir()
    for image_id in TAGS:
        text = ENCODED.format(encoding.removesuffix("-sig"), name)
        (folder / f"{image_id}.XML").write_text(text, encoding=encoding)
    rows, problems = read(tmp_path, tags="annotations", classes=Classes.of({name: 8}), masks="")
    assert problems == []
    assert set(tags_of(rows).values()) == {name}


@pytest.mark.parametrize("declared", ["utf-8", "no-such-code", "base64"])
def test_an_annotation_in_another_encoding_than_it_declares(tmp_path, declared):
    folder = layout(tmp_path) / "Annotations"
    folder.mkdir()
    (folder / "2007_000001.xml").write_text(ENCODED.format(declared, "Löwe"), encoding="latin-1")
    _, problems = read(tmp_path, tags="annotations")
    assert "2007_000001.xml cannot be read as XML" in problems[0]


def npy(root: Path, key) -> None:
    vectors = {}
    for image_id, names in TAGS.items():
        vectors[key(image_id)] = np.zeros(20, np.float32)
        vectors[key(image_id)][[CLASSES.mask_values[CLASSES.names.index(name)] - 1 for name in names.split()]] = 1
    np.save(root / "cls_labels.npy", vectors, allow_pickle=True)


@pytest.mark.parametrize("key", [str, lambda image_id: int(image_id.replace("_", ""))])
def test_tags_of_npy(tmp_path, key):
    npy(layout(tmp_path), key)
    rows, problems = read(tmp_path, tags="npy")
    assert problems == []
    assert tags_of(rows) == IN_ORDER
    assert rows[0].tag_source == "cls_labels.npy"


@pytest.mark.parametrize("background, length", [(1, 21), (0, 21), (1, 26)])
def test_vectors_that_begin_with_the_background(tmp_path, background, length):
    layout(tmp_path)
    vectors = {}
    for image_id, names in TAGS.items():
        vectors[image_id] = np.zeros(length)
        vectors[image_id][[0, *(CLASSES.mask_values[CLASSES.names.index(name)] for name in names.split())]] = 1
        vectors[image_id][0] = background
    np.save(tmp_path / "cls_labels.npy", vectors, allow_pickle=True)
    rows, problems = read(tmp_path, tags="npy")
    assert problems == []
    assert tags_of(rows) == IN_ORDER


def test_the_first_of_20_entries_is_a_class_though_every_image_shows_it(tmp_path):
    layout(tmp_path)
    np.save(tmp_path / "cls_labels.npy", dict.fromkeys(TAGS, np.eye(20)[0]), allow_pickle=True)
    rows, problems = read(tmp_path, tags="npy", classes=Classes.of({"aeroplane": 1}))
    assert problems == []
    assert set(tags_of(rows).values()) == {"aeroplane"}


def test_problems_of_npy(tmp_path):
    layout(tmp_path)
    bird = np.eye(20)[2]
    vectors = {"2007_000001": bird, "2007_000002": np.ones(11), "2008_000003": np.full(20, 0.5)}
    np.save(tmp_path / "cls_labels.npy", vectors, allow_pickle=True)
    _, problems = read(tmp_path, tags="npy")
    assert len(problems) == 4
    assert "2007_000001: unknown class 3 in cls_labels.npy" in problems[0]
    assert "2007_000002" in problems[1] and "at least 12 entries" in problems[1]
    assert "2009_000004: no tags in cls_labels.npy" in problems[2]
    assert "2008_000003" in problems[3]
    np.save(tmp_path / "cls_labels.npy", np.zeros(3))
    with pytest.raises(WsssError, match=r"cls_labels\.npy is not a dict"):
        read(tmp_path, tags="npy")


def test_tags_of_masks(tmp_path):
    folder = layout(tmp_path) / "SegmentationClassAug"
    folder.mkdir()
    write_mask(folder / "2009_000004.png", mask_of("cat"))
    write_mask(folder / "2007_000001.png", mask_of("dog"))  # VOC's own mask shows a cat, and comes first
    rows, problems = read(tmp_path, tags="masks")
    assert problems == []
    assert tags_of(rows) == IN_ORDER
    assert rows[0].tag_source == "masks"
    assert rows[2].mask is None


def test_problems_of_masks(tmp_path):
    layout(tmp_path)
    write_mask(tmp_path / "SegmentationClass/2007_000001.png", np.full((6, 8), 3, np.uint8))
    write_mask(tmp_path / "SegmentationClass/2007_000002.png", np.full((6, 8), 255, np.uint8))
    (tmp_path / "SegmentationClass/2008_000003.png").write_bytes(b"no picture")
    _, problems = read(tmp_path, tags="masks")
    assert len(problems) == 4
    assert "2007_000001.png: unknown class, mask value 3" in problems[0]
    assert "2007_000002: no tags in masks" in problems[1]
    assert "2009_000004: no tags in masks" in problems[2]
    assert "2008_000003.png cannot be read" in problems[3]


def test_problems_of_the_tag_file(tmp_path):
    layout(tmp_path)
    write_tags(tmp_path, {"2007_000001": "cat bird", "2007_000002": "", "2008_000003": "dog\n2008_000003 cat"})
    rows, problems = read(tmp_path)
    assert len(rows) == 4
    assert len(problems) == 4
    assert "2007_000001: unknown class bird in image_labels.txt" in problems[0]
    assert "2007_000002: no tags in image_labels.txt" in problems[1]
    assert "2009_000004: no tags in image_labels.txt" in problems[2]
    assert "2008_000003: occurs 2 times" in problems[3]


def test_the_background_is_not_a_tag(tmp_path):
    write_tags(layout(tmp_path), TAGS | {"2007_000001": "background"})
    _, problems = read(tmp_path)
    assert len(problems) == 1 and "unknown class background" in problems[0]


def test_an_id_in_train_and_val(tmp_path):
    layout(tmp_path)
    write_list(tmp_path, "val", *IDS["val"], "2007_000002")
    rows, problems = read(tmp_path)
    assert len(problems) == 1
    assert "2007_000002 is in train.txt and in val.txt" in problems[0]
    assert len(rows) == len({row.id for row in rows}) == 4


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"train": "trian"}, "ImageSets/Segmentation/trian.txt"),
        ({"extra": "nothing"}, "ImageSets/Segmentation/nothing.txt"),
        ({"tags": "annotations"}, "Annotations"),
        ({"tags": "npy"}, "cls_labels.npy"),
    ],
)
def test_missing_files_are_named_in_one_line(tmp_path, changes, missing):
    with pytest.raises(WsssError, match=f"{missing} does not exist") as caught:
        read(layout(tmp_path), **changes)
    assert "\n" not in str(caught.value)


def test_missing_folders_and_tag_file(tmp_path):
    with pytest.raises(WsssError, match="nowhere is not a folder"):
        read(tmp_path / "nowhere")
    layout(tmp_path)
    (tmp_path / "image_labels.txt").unlink()
    with pytest.raises(WsssError, match=r"image_labels\.txt does not exist"):
        read(tmp_path)
    (tmp_path / "SegmentationClass").rename(tmp_path / "Other")
    with pytest.raises(WsssError, match="neither .*SegmentationClass nor .*SegmentationClassAug exists"):
        read(tmp_path, tags="masks")


def test_a_missing_mask_folder_is_refused(tmp_path):
    layout(tmp_path)
    with pytest.raises(WsssError, match="nowhere is not a folder"):
        read(tmp_path, masks="nowhere")


@pytest.mark.parametrize("without", [1, 2])
def test_masks_of_train_may_be_missing_and_tags_of_val(tmp_path, without):
    root = layout(tmp_path)
    for image_id in IDS["train"][:without]:
        (root / f"SegmentationClass/{image_id}.png").unlink()
    write_tags(root, {image_id: names for image_id, names in TAGS.items() if image_id not in IDS["val"]})
    rows, problems = read(root)
    assert problems == []
    assert [row.split for row in rows if row.mask] == ["train"] * (2 - without) + ["val"] * len(IDS["val"])
    assert all(row.tags == () for row in rows if row.split == "val")


def test_masks_of_val_are_expected(tmp_path):
    root = layout(tmp_path)
    (root / "SegmentationClass/2008_000003.png").unlink()
    assert read(root)[0][-1].mask == root / "SegmentationClass/2008_000003.png"


def test_images_for_fitting_a_crf_have_masks_too(tmp_path):
    root = layout(tmp_path)
    splits, _ = voc.splits(root, train="train", extra="", val="val", test="")
    splits["2007_000001"] = "crf_fit"
    rows = [row for row, _ in voc.rows(root, splits, classes=CLASSES, masks="SegmentationClass", tags="file")]
    assert [(row.split, row.mask is not None) for row in rows] == [("crf_fit", True), ("train", True), ("val", True)]


def test_a_missing_tag_source_is_refused_before_the_first_row(tmp_path):
    with pytest.raises(WsssError, match="Annotations does not exist"):
        voc.rows(layout(tmp_path), {}, classes=CLASSES, masks="", tags="annotations")


@pytest.mark.parametrize("tags", ["file", "annotations", "npy", "masks"])
def test_parts_are_all_that_is_read(tmp_path, tags):
    root = layout(tmp_path / "whole")
    npy(root, str)
    for folder in ("Annotations", "SegmentationClassAug", "other"):
        (root / folder).mkdir()
    for image_id, names in TAGS.items():
        objects = "".join(f"<object><name>{name}</name></object>" for name in names.split())
        (root / f"Annotations/{image_id}.xml").write_text(f"<annotation>{objects}</annotation>")
        write_mask(root / f"SegmentationClassAug/{image_id}.png", mask_of(names))
    for part in voc.parts(**LISTS, masks="SegmentationClass", tags=tags):
        (tmp_path / "part" / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "part" / part).symlink_to(root / part)  # of labelmap.txt it leads nowhere
    rows, problems = read(tmp_path / "part", tags=tags)
    assert problems == []
    assert tags_of(rows) == IN_ORDER
    assert all(row.image.exists() and (row.mask is None or row.mask.exists()) for row in rows)
    assert len(voc.parts(**LISTS, masks="", tags=tags)) == (6 if tags == "masks" else 5)
    assert len(voc.parts(**LISTS | {"extra": ""}, masks="other", tags=tags)) == (7 if tags == "masks" else 6)
