"""Contact sheets of stores."""

import numpy as np
import pytest
from PIL import Image
from settings import CLASSES
from small_manifest import colours, write_manifest

from wsss.commands.sheet import sheet
from wsss.runtime.errors import WsssError
from wsss.stores import store


@pytest.fixture
def masks(tmp_path):
    """A store of twelve label maps, whose left half is dog, and the manifest beside it."""
    ids = tuple("abcdefghijkl")
    write_manifest(tmp_path, ids)
    labels = np.zeros((12, 16), np.uint8)
    labels[:, :8] = 2
    with store.create(tmp_path / "masks.h5", "masks", classes=CLASSES, settings={}, inputs={}) as target:
        for image_id in ids:
            target.add(image_id, (12, 16), plain=labels)
    return tmp_path / "masks.h5"


def drawn(store_of_maps, **options):
    picture = store_of_maps.parent / "sheet.png"
    sheet(store_of_maps, images=store_of_maps.parent / "images.csv", picture=picture, **options)
    return picture


def test_label_maps_lie_over_the_photographs(masks, capsys):
    picture = drawn(masks)
    assert capsys.readouterr().out == f"{picture}: 12 of 12 images\n"
    # the photographs are grey; half of each is mixed with the colour of class 12 in VOC, blue
    assert any(blue > red + 40 for red, _, blue in colours(picture))


def test_never_more_images_than_asked_for(masks, capsys):
    drawn(masks, count=5)
    assert "5 of 12 images" in capsys.readouterr().out


def test_a_sheet_of_no_image_is_refused(masks):
    for count in (0, -3):
        with pytest.raises(WsssError, match=f"--count is {count}: give the number of images to draw, at least 1"):
            drawn(masks, count=count)


def test_a_photograph_is_not_written_over(masks):
    photograph = masks.parent / "a.png"
    before = photograph.read_bytes()
    with pytest.raises(WsssError, match=r"a\.png is one of the files that are read, and would be written over"):
        sheet(masks, images=masks.parent / "images.csv", picture=photograph)
    assert photograph.read_bytes() == before


def test_activation_maps_are_drawn_as_heat(tmp_path):
    write_manifest(tmp_path)
    cam = np.linspace(0, 1, 12, dtype=np.float16).reshape(1, 3, 4)
    with store.create(tmp_path / "cams.h5", "cams", classes=CLASSES, settings={"stride": 4}, inputs={}) as target:
        target.add("a", (12, 16), cam=cam, classes=np.array([2], np.uint8))
    assert len(colours(drawn(tmp_path / "cams.h5"))) > 50


def test_images_of_one_class(masks, capsys):
    drawn(masks, label="dog")
    assert "12 of 12 images" in capsys.readouterr().out
    with pytest.raises(WsssError, match="holds no image tagged 'cat'"):
        drawn(masks, label="cat")
    with pytest.raises(WsssError, match="has no class 'cow': its classes are background, cat, dog"):
        drawn(masks, label="cow")


def test_the_sheet_grows_with_the_images(masks):
    sizes = []
    for count in (8, 12):
        with Image.open(drawn(masks, count=count)) as picture:
            sizes.append(picture.size)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][1] < sizes[1][1]
