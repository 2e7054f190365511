"""COCO: photographs, annotations in its format, and the layout in which WSSS repositories keep it."""

import json

import coco_layout
import numpy as np
import projects
import pytest
from coco_layout import NUMBERS, SIZE, annotation, code, file_name, rectangle

from wsss.datasets import coco, listing, masks, source
from wsss.datasets.coco import COCO_CLASSES
from wsss.datasets.pictures import write_mask
from wsss.labels import Classes
from wsss.options import configuration
from wsss.options.data_set import DataSet
from wsss.runtime.errors import WsssError

pytest.importorskip("pycocotools")

DEFAULTS = configuration.read(projects.ROOT / "config.yaml")["images"]
CLASSES = Classes.of({name: value for value, name in enumerate(COCO_CLASSES, 1)})
LISTS = dict(train="train2014", extra="", val="val2014", test="")
PERSON, CAT, DOG, TIE = 1, 17, 18, 32
VALUES = {number: value for value, number in enumerate(NUMBERS, 1)}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "coco"


def write(root, train: dict, val: dict | None = None, **options) -> None:
    coco_layout.write(root, "train2014", train, **options)
    coco_layout.write(root, "val2014", val or {900: [annotation(900, CAT, rectangle(0, 0, 3, 3))]})


def read(root, *, masks="annotations", tags="annotations", classes=CLASSES, **lists):
    """The rows by id, and the problems of lists, tags and outlines."""
    found = coco.read(root, **LISTS | lists, masks=masks, tags=tags)
    rows = list(coco.rows(found, found.splits, classes=classes, masks=masks, drawn=root.parent / "results/true_masks"))
    return {row.id: row for row, _ in rows}, found.problems + [problem for _, problem in rows if problem]


def test_81_classes_have_consecutive_values_in_the_order_of_their_numbers(root):
    write(root, {n: [annotation(n, number, rectangle(2, 3, 4, 5))] for n, number in enumerate(NUMBERS, 1)})
    found = coco.read(root, **LISTS, masks="annotations", tags="annotations")
    assert found.classes == COCO_CLASSES and len(COCO_CLASSES) == 80
    rows, problems = read(root)
    assert problems == []
    for n, name in enumerate(COCO_CLASSES, 1):
        row = rows[f"COCO_train2014_{n:012}"]
        assert (row.tags, row.split, row.tag_source) == ((name,), "train", "instances")
        expected = np.zeros(SIZE, np.uint8)
        expected[2:6, 3:8] = n
        np.testing.assert_array_equal(masks.read(row.mask, CLASSES), expected)


def test_2017_names_images_by_digits_alone(root):
    coco_layout.write(root, "train2017", {9: [annotation(9, DOG, rectangle(0, 0, 3, 3))]})
    coco_layout.write(root, "val2017", {10: [annotation(10, DOG, rectangle(0, 0, 3, 3))]})
    rows, problems = read(root, train="train2017", val="val2017")
    assert problems == []
    assert [(row.id, row.image) for row in rows.values()] == [
        ("000000000009", root / "train2017/000000000009.jpg"),
        ("000000000010", root / "val2017/000000000010.jpg"),
    ]


def test_smaller_objects_lie_on_top_and_crowds_are_void_beneath_all(root):
    crowd = np.zeros(SIZE, np.uint8)
    crowd[:, 8:] = 1
    objects = [
        annotation(1, TIE, rectangle(4, 4, 2, 2)),
        annotation(1, PERSON, rectangle(2, 2, 8, 8)),
        annotation(1, PERSON, code(crowd), crowd=True),
    ]
    write(root, {1: objects})
    rows, problems = read(root)
    expected = np.zeros(SIZE, np.uint8)
    expected[:, 8:] = 255
    expected[2:10, 2:10] = VALUES[PERSON]
    expected[4:6, 4:6] = VALUES[TIE]
    row = rows["COCO_train2014_000000000001"]
    assert problems == [] and row.tags == ("person", "tie")
    np.testing.assert_array_equal(masks.read(row.mask, CLASSES), expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_outlines_are_those_of_pycocotools(root):
    """Two polygons with slanted sides, and run-length codes of both kinds, against pycocotools' own reading."""
    from pycocotools import mask as outlines
    from pycocotools.coco import COCO

    disc = (np.hypot(*(np.mgrid[: SIZE[0], : SIZE[1]] - 5)) < 4).astype(np.uint8)
    compressed = outlines.encode(np.asfortranarray(disc))
    segmentations = [
        [[1.3, 1.2, 9.7, 3.1, 4.4, 10.9], [10, 6, 15, 6.5, 12, 11]],
        code(disc),
        {"size": compressed["size"], "counts": compressed["counts"].decode()},
    ]
    write(root, {n: [annotation(n, DOG, one)] for n, one in enumerate(segmentations, 1)})
    rows, problems = read(root)
    assert problems == []
    theirs = COCO(root / "annotations/instances_train2014.json")
    for n in theirs.anns:
        expected = theirs.annToMask(theirs.anns[n]) * VALUES[DOG]
        assert expected.any() and not expected.all()
        np.testing.assert_array_equal(
            masks.read(rows[f"COCO_train2014_{n:012}"].mask, CLASSES), expected, err_msg=f"annotation {n}"
        )


def test_an_object_without_an_outline_is_void_in_its_box(root):
    write(root, {1: [annotation(1, DOG, []), annotation(1, CAT, rectangle(5, 5, 3, 3))]})
    rows, problems = read(root)
    mask = masks.read(rows["COCO_train2014_000000000001"].mask, CLASSES)
    assert problems == []
    assert (mask[:2, :2] == 255).all() and (mask == 255).sum() == 4 and (mask[5:8, 5:8] == VALUES[CAT]).all()


def test_images_without_objects_are_left_out(root, caplog):
    caplog.set_level("INFO", "wsss")
    write(root, {1: [annotation(1, DOG, rectangle(0, 0, 3, 3))], 2: []}, {3: [], 4: [annotation(4, DOG, [])]})
    rows, problems = read(root)
    assert problems == []
    assert list(rows) == ["COCO_train2014_000000000001", "COCO_val2014_000000000004"]
    assert "1 of train2014 show no object" in caplog.text


def test_missing_images_are_one_problem(root):
    shown = {n: [annotation(n, DOG, rectangle(0, 0, 3, 3))] for n in range(1, 8)}
    write(root, shown, missing=(3, 4, 5, 6))
    rows, problems = read(root)
    assert len(rows) == 4
    (problem,) = problems
    assert problem.startswith(f"4 images of {root}/annotations/instances_train2014.json are not in {root}/train2014")
    assert problem.endswith(
        "_000000000003.jpg; COCO_train2014_000000000004.jpg; COCO_train2014_000000000005.jpg, …: unpack all of them"
    )


def test_some_of_the_classes(root):
    write(root, {1: [annotation(1, DOG, rectangle(0, 0, 3, 3)), annotation(1, CAT, rectangle(6, 6, 3, 3))]})
    rows, problems = read(root, classes=Classes.of({"dog": 5}))
    assert "unknown class cat in instances: add it to classes" in problems[0]
    rows, problems = read(root, classes=Classes.of({"dog": 5, "cat": 9}))
    assert problems == []
    assert set(np.unique(masks.read(rows["COCO_train2014_000000000001"].mask, Classes.of({"dog": 5, "cat": 9})))) == {
        0,
        5,
        9,
    }


def test_an_image_in_two_lists_is_a_problem_and_one_of_extra_is_left_out(root):
    write(root, {1: [annotation(1, DOG, [])], 2: [annotation(2, DOG, [])]})
    _, problems = read(root, val="train2014")
    assert "2 images of train2014 are also in train2014, which is held out" in problems[0]
    rows, problems = read(root, extra="train2014")
    assert problems == [] and {row.split for row in rows.values()} == {"train", "val"}


def test_images_of_test_need_no_annotations(root):
    write(root, {1: [annotation(1, DOG, [])]})
    coco_layout.photograph(root / "test2014/COCO_test2014_000000000005.jpg")
    rows, problems = read(root, test="test2014")
    row = rows["COCO_test2014_000000000005"]
    assert problems == []
    assert (row.split, row.tags, row.mask, row.tag_source) == ("test", (), None, "")


def test_images_of_test_that_differ_in_their_suffix_are_a_problem(root):
    write(root, {1: [annotation(1, DOG, [])]})
    for suffix in (".jpg", ".png"):
        coco_layout.photograph(root / f"test2014/a{suffix}")
    _, (problem,) = read(root, test="test2014")
    assert problem.startswith(f"{root}/test2014: photographs differ in nothing but their suffix, such as a.jpg")


@pytest.mark.parametrize("names", [["background"], [" dog "], [f"class {number}" for number in range(200)]])
def test_categories_that_can_be_no_classes_are_told_with_the_folder(root, names):
    write(root, {1: [annotation(1, DOG, rectangle(0, 0, 3, 3))]})
    more = [{"id": number, "name": name} for number, name in enumerate(names, 1000)]
    change(root, lambda content: content["categories"].extend(more))
    data_set = DataSet.of(DEFAULTS | LISTS | dict(dataset="coco", root=str(root), masks="", tags="annotations"))
    with pytest.raises(WsssError, match=f"^{root}.* name (some|those that are used) in classes"):
        source.read(data_set, drawn=root)


def wsss_layout(root, key) -> None:
    """As WSSS repositories keep COCO: pictures by split, and vectors of tags in one file."""
    vectors = {}
    for split, image_id, number in (("train2014", 9, DOG), ("train2014", 25, PERSON), ("val2014", 42, CAT)):
        name = file_name(split, image_id).removesuffix(".jpg")
        coco_layout.photograph(root / f"JPEGImages/{split}/{name}.jpg")
        mask = np.zeros(SIZE, np.uint8)
        mask[2:6, 3:8] = VALUES[number]
        (root / f"SegmentationClass/{split}").mkdir(parents=True, exist_ok=True)
        write_mask(root / f"SegmentationClass/{split}/{name}.png", mask)
        vectors[key(name, image_id)] = np.eye(80)[VALUES[number] - 1]
    np.save(root / "cls_labels_coco.npy", vectors, allow_pickle=True)


@pytest.mark.parametrize(
    "key",
    [
        lambda name, image_id: image_id,
        lambda name, image_id: str(image_id),
        lambda name, image_id: f"{image_id:012}",
        lambda name, image_id: name,
    ],
    ids=["number", "digits", "twelve digits", "name"],
)
def test_the_layout_of_wsss_repositories(root, key):
    wsss_layout(root, key)
    coco_layout.photograph(root / "JPEGImages/train2014/COCO_train2014_000000000099.jpg")  # without an entry: no object
    rows, problems = read(root, masks="SegmentationClass", tags="npy")
    assert problems == []
    assert [(row.tags, row.split, row.mask.name) for row in rows.values()] == [
        (("dog",), "train", "COCO_train2014_000000000009.png"),
        (("person",), "train", "COCO_train2014_000000000025.png"),
        (("cat",), "val", "COCO_val2014_000000000042.png"),
    ]
    assert {row.tag_source for row in rows.values()} == {"cls_labels_coco.npy"}


def test_vectors_may_begin_with_the_background(root):
    wsss_layout(root, lambda name, image_id: image_id)
    vectors = {9: np.eye(81)[VALUES[DOG]] + np.eye(81)[0], 42: np.eye(81)[0]}
    np.save(root / "cls_labels_coco.npy", vectors, allow_pickle=True)
    rows, problems = read(root, masks="SegmentationClass", tags="npy")
    assert problems == []
    assert {row.id: row.tags for row in rows.values()} == {"COCO_train2014_000000000009": ("dog",)}


def test_masks_may_be_named_by_digits_alone(root):
    wsss_layout(root, lambda name, image_id: image_id)
    for path in list((root / "SegmentationClass").rglob("*.png")):
        path.rename(path.with_name(path.name[-16:]))
    rows, _ = read(root, masks="SegmentationClass", tags="npy")
    assert rows["COCO_val2014_000000000042"].mask == root / "SegmentationClass/val2014/000000000042.png"
    assert all(row.mask.exists() for row in rows.values())


def test_val_images_are_kept_where_only_others_have_tags(root):
    wsss_layout(root, lambda name, image_id: image_id)
    vectors = {9: np.eye(80)[0], 25: np.eye(80)[1]}
    np.save(root / "cls_labels_coco.npy", vectors, allow_pickle=True)
    rows, problems = read(root, masks="SegmentationClass", tags="npy")
    assert problems == [] and rows["COCO_val2014_000000000042"].tags == ()


def test_tags_and_masks_of_different_sources(root):
    write(root, {1: [annotation(1, DOG, rectangle(0, 0, 3, 3))]})
    np.save(root / "cls_labels_coco.npy", {1: np.eye(80)[0], 900: np.eye(80)[1]}, allow_pickle=True)
    rows, problems = read(root, tags="npy")
    assert problems == []
    assert rows["COCO_train2014_000000000001"].tags == ("person",)
    assert VALUES[DOG] in masks.read(rows["COCO_train2014_000000000001"].mask, CLASSES)
    rows, problems = read(root, masks="")
    assert problems == [] and all(row.mask is None for row in rows.values())


@pytest.mark.parametrize(
    "options, expected",
    [
        (dict(tags="file"), "tags: file is no source of tags for the data set coco: set it to annotations or npy"),
        (dict(train="train2015"), "instances_train2015.json does not exist: unpack COCO's annotations there"),
        (dict(masks="elsewhere"), "elsewhere is not a folder: give that of the masks"),
        (dict(test="test2014"), "JPEGImages/test2014 is a folder: unpack the photographs of test2014 there"),
        (dict(tags="npy"), "cls_labels_coco.npy does not exist"),
    ],
)
def test_what_is_missing_is_said(root, options, expected):
    write(root, {1: [annotation(1, DOG, [])]})
    with pytest.raises(WsssError) as caught:
        read(root, **options)
    assert expected in str(caught.value)


def change(root, edit) -> None:
    path = root / "annotations/instances_train2014.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "edit, expected",
    [
        (lambda content: content.pop("annotations"), "'annotations' is missing in it"),
        (lambda content: content["annotations"][0].update(category_id=12), "12 is missing in it"),
        (lambda content: content["annotations"][0].update(image_id=77), "77 is missing in it"),
        (lambda content: content["annotations"][0].update(segmentation=[[1, 2, 3, "x"]]), "could not convert"),
        (lambda content: content.update(images=3), "not iterable"),
    ],
)
def test_a_file_that_is_not_in_the_format(root, edit, expected):
    write(root, {1: [annotation(1, DOG, [])]})
    change(root, edit)
    with pytest.raises(WsssError, match="instances_train2014.json is not in COCO's format of instances") as caught:
        read(root)
    assert expected in str(caught.value)
    (root / "annotations/instances_train2014.json").write_text("{")
    with pytest.raises(WsssError, match="is no JSON"):
        read(root)


def test_an_outline_that_cannot_be_read_is_a_problem_of_its_image(root):
    write(root, {1: [annotation(1, DOG, {"size": SIZE, "counts": [1, "x"]})], 2: [annotation(2, DOG, [])]})
    rows, (problem,) = read(root)
    assert problem.startswith("COCO_train2014_000000000001: the outline of dog cannot be read")
    assert rows["COCO_train2014_000000000001"].mask is None


@pytest.mark.parametrize("box", [["left", 1, 2, 3], [float("nan"), 1, 2, 3], [0, 0, float("inf"), 3]])
def test_a_box_that_cannot_be_read_is_a_problem_of_its_image(root, box):
    write(root, {1: [annotation(1, DOG, [])], 2: [annotation(2, DOG, rectangle(0, 0, 3, 3))]})
    change(root, lambda content: content["annotations"][0].update(bbox=box))
    rows, (problem,) = read(root)
    assert problem.startswith("COCO_train2014_000000000001: the box of dog cannot be read")
    assert rows["COCO_train2014_000000000001"].mask is None


def test_a_change_of_what_is_read_is_noticed(root):
    write(root, {1: [annotation(1, DOG, rectangle(0, 0, 3, 3))]})
    options = LISTS | dict(
        dataset="coco", root=str(root), download=False, masks="annotations", tags="annotations", table=""
    )
    digests = [listing.listing(options)]
    change(root, lambda content: content["annotations"].clear())
    digests.append(listing.listing(options))
    coco_layout.photograph(root / "val2014/COCO_val2014_000000000901.jpg")
    digests.append(listing.listing(options))
    coco_layout.photograph(root / "JPEGImages/val2014/new.jpg")
    digests.append(listing.listing(options))
    assert len(set(digests)) == 4
