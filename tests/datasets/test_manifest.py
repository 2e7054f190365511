"""The manifest, its parts, and the table of classes."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss import labels
from wsss.datasets import manifest, pictures
from wsss.datasets.manifest import Row
from wsss.labels import Classes
from wsss.runtime.errors import WsssError

ROWS = [
    Row("2007_000032", "train", Path("a b/x,y.jpg"), Path("masks/x.png"), ("aeroplane", "person"), "Annotations"),
    Row("2007_000039", "extra", Path("/data/Grün.jpg"), None, ("tvmonitor",), "image_labels.txt"),
    Row("2007_000063", "val", Path('JPEG"Images/z.jpg'), Path("z.png"), (), "masks"),
    Row("2007_000068", "train", Path("q.jpg"), None, ("bird",), "masks"),
]


@pytest.fixture
def table(tmp_path):
    manifest.write(tmp_path / "results/images.csv", ROWS)
    return tmp_path / "results/images.csv"


def test_round_trip(table):
    assert manifest.read(table) == ROWS
    assert [path.name for path in table.parent.iterdir()] == ["images.csv"]


def test_the_file_by_hand(table):
    lines = table.read_text().split("\n")
    assert lines[0] == "id,split,image,mask,tags,tag_source,digest,original,check"
    values = [line.rpartition(",")[0] for line in lines]
    assert values[1] == '2007_000032,train,"a b/x,y.jpg",masks/x.png,aeroplane;person,Annotations,,'
    assert values[4] == "2007_000068,train,q.jpg,,bird,masks,,"
    assert lines[5:] == [""]


@pytest.mark.parametrize(
    ("splits", "ids"),
    [(["train"], [0, 3]), (["val"], [2]), (["extra", "train"], [0, 1, 3]), (manifest.TRAINING_SPLITS, [0, 1, 3])],
)
def test_splits_keep_the_order_of_the_file(table, splits, ids):
    assert manifest.read(table, *splits) == [ROWS[number] for number in ids]


def test_an_empty_split(tmp_path):
    path = tmp_path / "images.csv"
    manifest.write(path, ROWS[:2])
    with pytest.raises(WsssError) as caught:
        manifest.read(path, "val")
    assert str(caught.value) == f"{path} lists no image of the split val: is the data set's list empty?"
    manifest.write(path, [])
    with pytest.raises(WsssError, match="of the split train or extra"):
        manifest.read(path, "train", "extra")
    with pytest.raises(WsssError, match="images.csv lists no image"):
        manifest.read(path)


def test_reading_keeps_only_the_rows_in_memory(tmp_path):
    manifest.write(tmp_path / "images.csv", [replace(ROWS[0], id=str(number)) for number in range(5000)])
    tracemalloc.start()
    rows = manifest.read(tmp_path / "images.csv")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 5000 and peak < 1.1 * kept


def test_a_missing_file(tmp_path):
    for read in (manifest.read, manifest.read_classes):
        with pytest.raises(WsssError) as caught:
            read(tmp_path / "gone.csv")
        assert str(caught.value) == f"{tmp_path / 'gone.csv'} does not exist: run the stage images first"


@given(images=st.integers(0, 200), shards=st.integers(1, 60))
@settings(deadline=None)
def test_shards_are_a_partition(images, shards):
    rows = [Row(str(number), "train", Path("x"), None, (), "") for number in range(images)]
    parts = [manifest.part(rows, f"{number}-of-{shards}") for number in range(1, shards + 1)]
    assert [row for part in parts for row in part] == rows
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_shards_by_hand():
    assert manifest.part(ROWS, "1-of-1") == ROWS
    assert [manifest.part(ROWS, f"{number}-of-3") for number in (1, 2, 3)] == [ROWS[:1], ROWS[1:2], ROWS[2:]]


@pytest.mark.parametrize("shard", ["", "1", "0-of-3", "4-of-3", "1-of-0", "01-of-3", "-1-of-3", "1-of-3 ", "a-of-b"])
def test_an_invalid_shard_is_refused(shard):
    with pytest.raises(WsssError) as caught:
        manifest.part(ROWS, shard)
    words = "expected its number and the number of shards, such as 1-of-1 or 2-of-3"
    assert str(caught.value) == f"the shard is {shard!r}: {words}"


# classes


def test_classes_of_a_table():
    classes = Classes.of({"dog": 12, "cat": 8})
    assert classes.names == ("background", "dog", "cat")
    assert classes.mask_values == (0, 12, 8)
    assert classes.foreground == ("dog", "cat")


@pytest.mark.parametrize(
    ("foreground", "words"),
    [
        ({"cat": 0}, "occurs twice"),
        (
            {"cat": 255},
            "'cat' with mask value 255: expected a name in one line, without spaces around it, and a mask value",
        ),
        ({"cat": -1}, "a mask value from 1 to 254"),
        ({"cat": 8, "dog": 8}, "occurs twice"),
        ({"background": 3}, "occurs twice"),
        ({" cat": 3}, "without spaces around it"),
        ({"big\ncat": 3}, "a name in one line"),
        ({"": 3}, "'' with mask value 3"),
        ({"file_name": 3}, "file_name is the first column of tables of areas"),
    ],
)
def test_classes_that_are_refused(foreground, words):
    with pytest.raises(WsssError, match="^classes: ") as caught:
        Classes.of(foreground)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_round_trip(tmp_path):
    path = tmp_path / "new/classes.csv"
    classes = Classes.of({"zebra": 254, "aeroplane": 1, "person": 15})
    manifest.write_classes(path, classes)
    assert manifest.read_classes(path) == classes
    assert [line.rpartition(",")[0] for line in path.read_text().splitlines()] == [
        "class,name,mask_value,colour",
        "0,background,0,#000000",
        "1,zebra,254,#60e0c0",
        "2,aeroplane,1,#800000",
        "3,person,15,#c08080",
    ]
    assert [file.name for file in path.parent.iterdir()] == ["classes.csv"]


# VOC's palette, as in the devkit's VOClabelcolormap and on the benchmark's page


@pytest.mark.parametrize(
    ("value", "rgb"),
    [
        (0, (0, 0, 0)),
        (1, (128, 0, 0)),
        (2, (0, 128, 0)),
        (3, (128, 128, 0)),
        (4, (0, 0, 128)),
        (8, (64, 0, 0)),
        (12, (64, 0, 128)),
        (15, (192, 128, 128)),
        (20, (0, 64, 128)),
        (254, (96, 224, 192)),
        (255, (224, 224, 192)),
    ],
)
def test_colours_of_voc(value, rgb):
    assert labels.colour(value) == rgb
    assert labels.palette()[3 * value : 3 * value + 3] == list(rgb)


def test_the_palette_is_complete_and_its_colours_are_unique():
    flat = labels.palette()
    assert len(flat) == 768
    assert len({tuple(flat[start : start + 3]) for start in range(0, 768, 3)}) == 256
    assert min(flat) >= 0
    assert max(flat) <= 255


def test_colours_of_classes_are_those_of_their_mask_values():
    assert Classes.of({"person": 15, "aeroplane": 1}).colours == ((0, 0, 0), (192, 128, 128), (128, 0, 0))


def test_there_are_twenty_object_classes_in_the_order_of_voc():
    assert len(labels.VOC_CLASSES) == 20
    assert list(labels.VOC_CLASSES) == sorted(labels.VOC_CLASSES)
    assert labels.VOC_CLASSES.index("person") + 1 == 15


def test_a_photograph_that_was_replaced_since_is_refused(tmp_path):
    image = tmp_path / "a.png"
    pictures.write_mask(image, np.zeros((4, 5), np.uint8))
    row = manifest.with_digest(Row("a", "train", image, None, ("cat",), "masks"))
    assert pictures.photograph_of(row).shape == (4, 5, 3)
    pictures.write_mask(image, np.ones((4, 5), np.uint8))
    with pytest.raises(WsssError, match=r"a\.png has changed .* rerun the stages images and training_images"):
        pictures.photograph_of(row)
    assert pictures.photograph_of(replace(row, digest="")).shape == (4, 5, 3)


def test_a_replaced_file_changes_the_digest(tmp_path):
    image, mask = tmp_path / "a.jpg", tmp_path / "a.png"
    image.write_bytes(b"photograph")
    mask.write_bytes(b"mask")
    row = Row("a", "train", image, mask, ("cat",), "masks")
    digests = [manifest.with_digest(row).digest]
    mask.write_bytes(b"face")
    digests.append(manifest.with_digest(row).digest)
    image.write_bytes(b"another one")
    digests.append(manifest.with_digest(row).digest)
    assert len(set(digests)) == 3 and all([len(part) for part in digest.split("-")] == [16, 16] for digest in digests)
    assert manifest.with_digest(row) == manifest.with_digest(row)


@pytest.mark.parametrize("names", [("traffic light", "potted plant"), ("a;b", "c\\", "\\;"), ("交通灯",), ("a,b", '"')])
def test_names_of_classes_as_people_write_them(tmp_path, names):
    row = Row("a", "train", Path("a.jpg"), None, names, "test")
    manifest.write(tmp_path / "images.csv", [row])
    assert manifest.read(tmp_path / "images.csv")[0].tags == names
    classes = Classes.of({name: value for value, name in enumerate(names, 1)})
    manifest.write_classes(tmp_path / "classes.csv", classes)
    assert manifest.read_classes(tmp_path / "classes.csv") == classes


def test_a_store_of_other_classes_is_refused(tmp_path):
    rows = [Row("a", "train", tmp_path / "a.jpg", None, ("cow", "dog"), "test")]
    manifest.require_classes(rows, Classes.of({"cow": 1, "dog": 2, "cat": 3}), tmp_path / "seeds.h5")
    with pytest.raises(WsssError, match="seeds.h5 has the classes cat, dog, but images are tagged cow"):
        manifest.require_classes(rows, Classes.of({"cat": 1, "dog": 2}), tmp_path / "seeds.h5")
