"""The digest of what trainings depend on: what changes it, and what leaves every training as it is."""

import numpy as np
import pytest
from PIL import Image
from voc_layout import IDS, OPTIONS, TAGS, layout, write_list, write_tags

from wsss.datasets import listing
from wsss.datasets.pictures import write_mask


@pytest.fixture
def root(tmp_path):
    return layout(tmp_path / "data")


def digest(root, **changes):
    return listing.training(OPTIONS | {"root": str(root)} | changes)


def add_photograph(root, name="2010_000001", colour="blue"):
    Image.new("RGB", (8, 6), colour).save(root / f"JPEGImages/{name}.jpg")
    write_mask(root / f"SegmentationClass/{name}.png", np.full((6, 8), 8, np.uint8))


def add_to_val(root):
    add_photograph(root)
    write_list(root, "val", *IDS["val"], "2010_000001")
    write_tags(root, TAGS | {"2010_000001": "cat"})


def correct_a_mask_of_val(root):
    write_mask(root / "SegmentationClass/2008_000003.png", np.full((6, 8), 12, np.uint8))


def correct_a_mask_of_train(root):
    write_mask(root / "SegmentationClass/2007_000001.png", np.full((6, 8), 8, np.uint8))


def correct_a_tag_of_val(root):
    write_tags(root, TAGS | {"2008_000003": "cat"})


def add_a_photograph_in_no_list(root):
    add_photograph(root)


@pytest.mark.parametrize(
    "change",
    [add_to_val, correct_a_mask_of_val, correct_a_mask_of_train, correct_a_tag_of_val, add_a_photograph_in_no_list],
)
def test_what_is_not_learned_changes_nothing(root, change):
    before = digest(root)
    change(root)
    assert digest(root) == before


def test_a_list_of_test_images_changes_nothing(root):
    before = digest(root)
    add_photograph(root)
    write_list(root, "new", "2010_000001")
    assert digest(root, test="new") == before
    assert digest(root, masks="") == before


def add_to_train(root):
    add_photograph(root)
    write_list(root, "train", *IDS["train"], "2010_000001")
    write_tags(root, TAGS | {"2010_000001": "cat"})


def move_from_extra_to_val(root):
    write_list(root, "val", *IDS["val"], "2009_000004")


def correct_a_tag_of_train(root):
    write_tags(root, TAGS | {"2007_000001": "dog"})


def replace_a_photograph_of_train(root):
    Image.new("RGB", (80, 60), "red").save(root / "JPEGImages/2007_000001.jpg")


def remove_a_photograph_of_train(root):
    (root / "JPEGImages/2007_000001.jpg").unlink()


@pytest.mark.parametrize(
    "change",
    [
        add_to_train,
        move_from_extra_to_val,
        correct_a_tag_of_train,
        replace_a_photograph_of_train,
        remove_a_photograph_of_train,
    ],
)
def test_what_is_learned_changes_it(root, change):
    before = digest(root)
    change(root)
    assert digest(root) != before


@pytest.mark.parametrize(
    "changes",
    [{"classes": ["cat=8", "dog=12", "cow=10"]}, {"crf_fit_images": 1}, {"longest_px": 4}, {"extra": ""}],
    ids=lambda changes: next(iter(changes)),
)
def test_settings_of_training_change_it(root, changes):
    assert digest(root, **changes) != digest(root)


def test_a_data_set_that_is_not_there_has_a_digest(tmp_path):
    assert digest(tmp_path / "nowhere") != digest(tmp_path / "elsewhere")


def test_of_a_folder_another_val_photograph_changes_nothing(tmp_path):
    for name in ("a", "b", "c", "d"):
        Image.new("RGB", (8, 6), "green").save(tmp_path / f"{name}.png")
    (tmp_path / "val.txt").write_text("c\n")
    (tmp_path / "tags.csv").write_text("file_name,tags\na.png,cat\nb.png,dog\nc.png,dog\n")
    folder = dict(dataset="folder", classes=[], table="tags.csv", train="", extra="", val="val", masks="")
    before = digest(tmp_path, **folder)
    (tmp_path / "val.txt").write_text("c\nd\n")
    (tmp_path / "tags.csv").write_text("file_name,tags\na.png,cat\nb.png,dog\nc.png,dog\nd.png,cat\n")
    assert digest(tmp_path, **folder) == before
    (tmp_path / "tags.csv").write_text("file_name,tags\na.png,cat\nb.png,cat\nc.png,dog\nd.png,cat\n")
    assert digest(tmp_path, **folder) != before
