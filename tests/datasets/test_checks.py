from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from settings import CLASSES

from wsss.datasets import checks, manifest
from wsss.datasets.manifest import Row
from wsss.datasets.pictures import write_mask
from wsss.labels import Classes


def good_row(folder: Path, name: str, split: str) -> Row:
    """A row with its image and mask, 6 x 8 pixels."""
    image, mask = folder / f"{name}.jpg", folder / f"{name}.png"
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(noise).save(image)
    write_mask(mask, np.array([[0, 8, 12, 255] * 2] * 6, np.uint8))
    return Row(name, split, image, mask, ("cat", "dog"), "image_labels.txt")


def problems_of(rows: list[Row]) -> list[str]:
    """The problems of the files of the rows."""
    checked = checks.checked(((row, None) for row in rows), CLASSES)
    return [problem for row in checked for problem in row.problems]


@pytest.fixture
def rows(tmp_path):
    return [good_row(tmp_path, name, split) for name, split in (("a", "train"), ("b", "extra"), ("c", "val"))]


def test_nothing_wrong(rows):
    found = list(checks.checked([(row, None) for row in rows], CLASSES))
    assert [each[:4] for each in found] == [(manifest.with_digest(row), [], ("cat", "dog"), False) for row in rows]


def test_masks_of_background_and_void_show_no_class(rows):
    write_mask(rows[0].mask, np.array([[0, 255] * 4] * 6, np.uint8))
    rows[1] = replace(rows[1], mask=None)
    found = checks.checked([(row, None) for row in rows], CLASSES)
    assert [bool(checked.shown) for checked in found] == [False, False, True]


def findings(folder: Path, masks: list[np.ndarray]) -> list[str]:
    """The problems of a data set with these masks."""
    rows = [replace(good_row(folder, f"m{n}", "train"), mask=folder / f"m{n}.png") for n in range(len(masks))]
    for row, mask in zip(rows, masks, strict=True):
        write_mask(row.mask, mask)
    found = checks.Findings([])
    for checked in checks.checked([(row, None) for row in rows], Classes.of({f"c{n}": n for n in range(1, 16)})):
        found.add(checked)
    return found.problems(folder)


def test_masks_that_show_other_classes_than_the_tags(tmp_path):
    found = checks.Findings([])
    for number in range(10):
        row = replace(good_row(tmp_path, f"m{number}", "train"), tags=("cat",) if number < 3 else ("cat", "dog"))
        for checked in checks.checked([(row, None)], CLASSES):
            found.add(checked)
        (warning,) = found.strange_masks() or [""]
        assert (number >= 2) == ("3 of" in warning)
    assert "3 of 10 masks show classes that their photographs' tags lack" in warning and "m0.png (dog)" in warning


def test_masks_that_were_interpolated(tmp_path):
    plain = np.repeat(np.uint8([[0], [0], [0], [15], [15], [15]]), 8, axis=1)
    edges = np.repeat(np.uint8([[0], [0], [4], [11], [15], [15]]), 8, axis=1)
    assert findings(tmp_path, [plain] * 4) == []
    assert findings(tmp_path, [edges] * 2 + [plain] * 3) == []  # an object on an edge looks like this by chance
    (problem,) = findings(tmp_path, [edges] * 3 + [plain] * 2)
    assert problem.startswith(f"3 of 5 masks, such as {tmp_path}/m0.png, have values that occur only between")


def test_a_labelmap_belongs_to_what_a_mask_shows(tmp_path):
    row = good_row(tmp_path, "a", "train")
    (before,) = checks.checked([(row, None)], CLASSES)
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\ncat:64,0,0::\ndog:64,0,128::\n")
    (after,) = checks.checked([(row, None)], CLASSES)
    assert before.problems == after.problems == []
    assert before.row.digest != after.row.digest


def test_problems_that_are_already_known_come_first(rows):
    rows[1].image.unlink()
    found = list(checks.checked([(rows[0], None), (rows[1], "no tags")], CLASSES))
    assert found[0].problems == []
    known, seen = found[1].problems
    assert known == "no tags" and "b.jpg does not exist" in seen


def test_all_problems_of_all_files(tmp_path, rows):
    bad = [good_row(tmp_path, name, "train") for name in ("gone", "cut", "text", "size", "value", "colour", "both")]
    (tmp_path / "gone.jpg").unlink()
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-60])
    (tmp_path / "text.png").write_text("no picture")
    write_mask(tmp_path / "size.png", np.zeros((8, 6), np.uint8))
    write_mask(tmp_path / "value.png", np.array([[0, 3, 8, 40] * 2] * 6, np.uint8))
    Image.new("RGB", (8, 6), (1, 2, 3)).save(tmp_path / "colour.png")
    (tmp_path / "both.jpg").unlink()
    (tmp_path / "both.png").unlink()
    problems = problems_of(rows + bad)
    expected = [
        "gone.jpg does not exist",
        "cut.jpg cannot be read",
        "text.png cannot be read",
        "size.png: the mask has 8 x 6 pixels (height x width), but its image",
        "value.png: unknown class, mask value 3, 40",
        "colour.png: 1 of its 1 colours are those of no class",
        "both.jpg does not exist",
        "both.png does not exist",
    ]
    assert len(problems) == len(expected)
    for problem, words in zip(problems, expected, strict=True):
        assert words in problem
        assert "\n" not in problem


def test_empty_splits():
    assert checks.empty_splits(["train", "extra", "val"], ["train", "val"]) == []
    assert checks.empty_splits(["train", "extra"], ["train"]) == []
    assert checks.empty_splits(["train", "extra"], ["train", "val"]) == [
        "the split val holds no image: is its list empty?"
    ]
    assert len(checks.empty_splits(["extra"], ["train", "val"])) == 2


def test_rows_without_mask(rows):
    assert problems_of([replace(row, mask=None) for row in rows]) == []


def test_processes_find_the_same_in_the_same_order(rows, tmp_path, monkeypatch):
    rows += [good_row(tmp_path, f"more{number}", "train") for number in range(20)]
    for row in rows[5::4]:
        row.image.unlink()
    alone = problems_of(rows)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert problems_of(rows) == alone
    assert len(alone) == len(rows[5::4])


def test_tag_problem(rows):
    row = rows[0]
    assert checks.tag_problem(row, CLASSES) is None
    for tags, words in (((), "a: no tags in image_labels.txt"), (("cat", "bird"), "a: unknown class bird in")):
        problem = checks.tag_problem(Row(row.id, row.split, row.image, row.mask, tags, row.tag_source), CLASSES)
        assert words in problem


@pytest.mark.parametrize("name", ["\u0441at", "C\u0430t", "c\u03b1\u03c4"])
def test_names_in_letters_of_another_script_look_alike(name):
    (warning,) = checks.alike({"cat": 100, name: 50, "dog": 100})
    assert "nearly alike" in warning


def test_one_photograph_with_different_tags_is_told(tmp_path):
    """As where a photograph of two classes lies in the folders of both."""
    rows = []
    for name in ("cats/a", "dogs/a", "dogs/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tag = name.partition("/")[0].removesuffix("s")
        rows.append(replace(good_row(tmp_path, name, "train"), tags=(tag,), mask=None))
    found = checks.Findings([])
    for checked in checks.checked([(row, None) for row in rows], CLASSES):
        found.add(checked)
    (told,) = [warning for warning in found.warnings(CLASSES) if "byte for byte" in warning]
    assert told.startswith("2 photographs are trained on twice, byte for byte, with different tags")
    assert told.endswith("such as cats/a (cat) and dogs/a (dog); cats/a (cat) and dogs/b (dog)")


def test_tags_that_differ_in_blanks_are_nearly_alike():
    (warning,) = checks.alike({"traffic light": 20, "traffic  light": 20})
    assert "nearly alike" in warning
