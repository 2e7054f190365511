"""COCO's format of annotations: what is no such file is refused, and no outline takes the memory of the machine."""

import json
import math

import coco_layout
import numpy as np
import pytest
from coco_layout import SIZE, annotation, code, rectangle

from wsss.datasets import instances
from wsss.runtime.errors import WsssError

pytest.importorskip("pycocotools")

CAT, DOG = 17, 18
VALUES = {"cat": 8, "dog": 12}


def content(root, *annotations: dict) -> tuple:
    """A file of two images, with annotations of the first, and its content."""
    path = coco_layout.write(root, "train2017", {1: list(annotations), 2: []})
    return path, json.loads(path.read_text())


def twice(entries: list[dict]) -> None:
    entries[1]["id"] = entries[0]["id"]


NO_FORM = {
    "an image's id twice": (lambda found: twice(found["images"]), "the id 1 stands for two"),
    "a category's id twice": (lambda found: twice(found["categories"]), "the id 1 stands for two"),
    "a category's id of a word": (lambda found: found["categories"][0].update(id="x"), "'x'"),
    "a category's id of None": (lambda found: found["categories"][0].update(id=None), "None is no whole number"),
    "an image's id of NaN": (lambda found: found["images"][0].update(id=math.nan), "nan is no whole number"),
    "a file above the folder": (lambda found: found["images"][0].update(file_name="../a.jpg"), "'../a.jpg' is no name"),
    "a file anywhere": (lambda found: found["images"][0].update(file_name="/tmp/a.jpg"), "'/tmp/a.jpg' is no name"),
    "a file without a name": (lambda found: found["images"][0].update(file_name="."), "'.' is no name"),
    "a height of true": (lambda found: found["images"][0].update(height=True), "True x 16 px"),
    "more pixels than are opened": (lambda found: found["images"][0].update(height=20_000, width=20_000), "20000 x"),
    "a crowd of 2": (lambda found: found["annotations"][0].update(iscrowd=2), "iscrowd is 2"),
    "an annotation of a word": (lambda found: found["annotations"].append("x"), "str"),
    "an annotation of None": (lambda found: found["annotations"].append(None), "None"),
}


@pytest.mark.parametrize("case", NO_FORM)
def test_what_is_not_in_the_format_is_refused(tmp_path, case):
    edit, expected = NO_FORM[case]
    path, found = content(tmp_path, annotation(1, CAT, []))
    edit(found)
    path.write_text(json.dumps(found))
    with pytest.raises(WsssError, match=f"{path} is not in COCO's format of instances") as caught:
        instances.read(path)
    assert expected in str(caught.value)


def test_ids_may_be_fractions_without_a_rest_or_texts(tmp_path):
    path, found = content(tmp_path, annotation(1, CAT, []))
    found["annotations"][0].update(image_id=1.0, category_id=17.0, iscrowd=None)
    found["images"][1]["id"] = "second"
    path.write_text(json.dumps(found))
    assert [[one.category for one in image.objects] for image in instances.read(path).images] == [["cat"], []]


PIXELS = SIZE[0] * SIZE[1]
NO_OUTLINE = {
    "a polygon that goes to infinity": [[math.inf, 1, 5, 1, 5, 5, 1, 5]],
    "a polygon of NaN": [[math.nan] * 8],
    "a polygon beyond any image": [[1e9, 1, 5, 1, 5, 5, 1, 5]],
    "a point beyond any image": [[1e9, 1e9] * 4],
    "a polygon that goes to and fro": [[0, 0, 60_000, 0] * 100],
    "an odd number of coordinates": [[1, 1, 5, 1, 5, 5, 1]],
    "numbers that are in no polygon": [1, 1, 5, 1, 5, 5, 1, 5],
    "a polygon in a polygon": [[[1, 1, 5, 1, 5, 5]]],
    "a code that is too short": {"size": SIZE, "counts": [5]},
    "a code that is too long": {"size": SIZE, "counts": [0, PIXELS + 1]},
    "a code of fractions": {"size": SIZE, "counts": [5.5, PIXELS - 5.5]},
    "a code with a negative length": {"size": SIZE, "counts": [PIXELS + 1, -1]},
    "a code of the turned image": {"size": SIZE[::-1], "counts": [0, PIXELS]},
    "a code of letters without any": {"size": SIZE, "counts": ""},
    "a code of letters without end": {"size": SIZE, "counts": "o" * 1_000_000},
    "a code of other letters": {"size": SIZE, "counts": "1 "},
    "a text": "x",
}
NO_BOX = {"words": "abcd", "NaN": [math.nan] * 4, "infinity": [0, 0, math.inf, 1], "None": [None] * 4, "three": [1] * 3}


@pytest.mark.parametrize("case", NO_OUTLINE)
def test_an_outline_that_is_none_is_refused(tmp_path, case):
    path, _ = content(tmp_path, annotation(1, CAT, NO_OUTLINE[case]))
    with pytest.raises(WsssError, match="the outline of cat cannot be read"):
        instances.drawn(instances.read(path).images[0], VALUES)


@pytest.mark.parametrize("case", NO_BOX)
def test_a_box_that_is_none_is_refused(tmp_path, case):
    path, _ = content(tmp_path, annotation(1, CAT, []) | {"bbox": NO_BOX[case]})
    with pytest.raises(WsssError, match="the box of cat cannot be read"):
        instances.drawn(instances.read(path).images[0], VALUES)


def test_what_lies_beyond_the_image_is_cut_off(tmp_path):
    beyond = annotation(1, DOG, [[-5, -5, 5, -5, 5, 5, -5, 5], []])
    path, _ = content(tmp_path, beyond, annotation(1, CAT, []) | {"bbox": [-2, 10, 5, 1000]})
    expected = np.zeros(SIZE, np.uint8)
    expected[:5, :5], expected[10:, :3] = 12, 255
    np.testing.assert_array_equal(instances.drawn(instances.read(path).images[0], VALUES), expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_codes_of_letters_are_those_of_pycocotools():
    """Random masks, whose lengths are large and small, and whose differences are negative."""
    from pycocotools import mask as outlines

    generator = np.random.default_rng(0)
    for share in (0.001, 0.1, 0.5, 0.99):
        mask = generator.random((200, 150)) < share
        text = outlines.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        found = instances.Object("cat", {"size": [200, 150], "counts": text}, None, False)
        drawn = instances.drawn(instances.Image("a.jpg", (200, 150), [found]), VALUES)
        np.testing.assert_array_equal(drawn, mask * 8)
        lengths = instances.Object("cat", code(mask), None, False)
        np.testing.assert_array_equal(instances.drawn(instances.Image("", (200, 150), [lengths]), VALUES), mask * 8)


def test_a_rectangle_is_drawn():
    found = instances.Object("cat", [np.array(rectangle(2, 3, 4, 5)[0], float)], None, False)
    expected = np.zeros(SIZE, np.uint8)
    expected[2:6, 3:8] = 8
    np.testing.assert_array_equal(instances.drawn(instances.Image("a.jpg", SIZE, [found]), VALUES), expected)
