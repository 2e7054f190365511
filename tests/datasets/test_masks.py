"""True masks: read by what they say, however they are stored, or refused with the reason."""

import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from wsss import labels
from wsss.datasets import masks, pictures
from wsss.labels import VOC_CLASSES, Classes
from wsss.runtime.errors import WsssError

VOC = Classes.of({name: value for value, name in enumerate(VOC_CLASSES, 1)})
VALUES = np.array([[0, 0, 8, 8], [0, 15, 15, 255]], np.uint8)


def error_of(path, classes: Classes = VOC) -> str:
    with pytest.raises(WsssError) as caught:
        masks.read(path, classes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_png(path, rows: np.ndarray, *, width: int, bits: int, colour_type: int) -> None:
    """A PNG of a depth that Pillow does not write, from the bytes of its rows."""
    header = np.array([width, len(rows)], ">u4").tobytes() + bytes([bits, colour_type, 0, 0, 0])
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", header)
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        PngImagePlugin.putchunk(file, b"IEND", b"")


def in_colours(values: np.ndarray) -> np.ndarray:
    return np.array(labels.palette(), np.uint8).reshape(256, 3)[values]


def test_a_mask_round_trip(tmp_path):
    mask = np.array([[*VOC.mask_values, 255]], np.uint8)
    pictures.write_mask(tmp_path / "mask.png", mask)
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), mask)
    with Image.open(tmp_path / "mask.png") as picture:
        assert (picture.mode, picture.format) == ("P", "PNG")
        assert picture.getpalette() == labels.palette()


@pytest.mark.parametrize("kind", ["P", "L", "RGB"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_set_upright_as_its_photograph_is(tmp_path, orientation, kind):
    """Of a camera's photograph that was saved as PNG, drawn on and saved, the mask has the orientation as well."""
    picture = Image.fromarray(in_colours(VALUES) if kind == "RGB" else VALUES)
    if kind == "P":
        picture.putpalette(labels.palette())
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture.save(tmp_path / "mask.png", exif=exif)
    with Image.open(tmp_path / "mask.png") as saved:
        expected = np.asarray(ImageOps.exif_transpose(saved))
    found = masks.read(tmp_path / "mask.png", VOC)
    np.testing.assert_array_equal(in_colours(found) if kind == "RGB" else found, expected)


def test_a_small_mask_round_trip(tmp_path):
    # few values: Pillow could write fewer than 8 bits a pixel
    mask = np.array([[0, 1], [255, 0], [1, 1]], np.uint8)
    pictures.write_mask(tmp_path / "mask.png", mask)
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), mask)


def test_a_palette_of_renumbered_colours_is_read_by_its_colours(tmp_path):
    """As Pillow and others save the colours of a mask: 0, 1, 2, ... in the order of their frequency."""
    picture = Image.fromarray(in_colours(VALUES)).quantize(4)
    picture.save(tmp_path / "mask.png")
    assert set(np.unique(picture)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), VALUES)


def test_a_palette_of_other_colours_is_read_by_its_indices(tmp_path):
    picture = Image.fromarray(VALUES, mode="P")
    picture.putpalette([level for index in range(256) for level in (index, 255 - index, 7)])
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), VALUES)


def test_a_black_and_white_palette_is_read_by_its_indices(tmp_path):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), [[0, 1]])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_classes(tmp_path, mode):
    Image.fromarray(in_colours(VALUES)).convert(mode).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), VALUES)


def test_colours_of_no_class_are_named(tmp_path):
    colours = in_colours(VALUES)
    colours[0, 0] = 1, 2, 3
    Image.fromarray(colours).save(tmp_path / "mask.png")
    assert "1 of its 5 colours are those of no class, such as #010203: " in error_of(tmp_path / "mask.png")


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "RGB"])
def test_grey_levels_are_values(tmp_path, mode):
    picture = Image.fromarray(VALUES)
    picture = Image.fromarray(VALUES.astype(np.uint16)) if mode == "I;16" else picture.convert(mode)
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), VALUES)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_not_stretched(tmp_path, bits):
    """A grey PNG of 1, 2 or 4 bits holds small numbers, which Pillow would show as levels up to 255."""
    values = np.arange(2**bits, dtype=np.uint8)[None].repeat(2, 0)
    packed = np.packbits(np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(2, -1), axis=1)
    write_png(tmp_path / "mask.png", packed, width=values.shape[1], bits=bits, colour_type=0)
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), values)


def test_large_16_bit_values_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 5000]], np.uint16)).save(tmp_path / "mask.png")
    assert "16-bit values up to 5000" in error_of(tmp_path / "mask.png")


@pytest.mark.parametrize("name", ["mask.jpg", "mask.webp", "mask.jp2", "mask.pgm"])
def test_formats_that_may_change_values_are_refused(tmp_path, name):
    """Of a PGM whose values end below 255 Pillow would stretch them."""
    Image.fromarray(VALUES).save(tmp_path / name)
    assert "may not keep the values that were saved: save masks as PNG" in error_of(tmp_path / name)


def test_a_jpeg_under_the_name_of_a_png_is_refused(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "mask.png", format="JPEG")
    assert "is a JPEG picture" in error_of(tmp_path / "mask.png")


def test_a_tiff_is_read_unless_its_compression_has_losses(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "mask.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.tif", VOC), VALUES)
    Image.fromarray(VALUES).save(tmp_path / "mask.tif", compression="jpeg")
    assert "is a TIFF picture compressed by jpeg" in error_of(tmp_path / "mask.tif")


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tif"])
def test_other_formats_without_losses(tmp_path, suffix):
    Image.fromarray(VALUES).save(tmp_path / f"mask.{suffix}")
    np.testing.assert_array_equal(masks.read(tmp_path / f"mask.{suffix}", VOC), VALUES)


@pytest.mark.parametrize("colour_type, channels", [(4, 2), (2, 3), (6, 4)])
def test_16_bits_in_each_of_several_channels_are_refused(tmp_path, colour_type, channels):
    """Pillow keeps the upper 8 bits alone, so that small values would all be 0."""
    small = np.ones((2, 4, channels), ">u2")
    write_png(tmp_path / "mask.png", small.reshape(2, -1).view(np.uint8), width=4, bits=16, colour_type=colour_type)
    assert "has 16 bits in each channel, of which 8 would be lost" in error_of(tmp_path / "mask.png")


@pytest.mark.parametrize("mode", ["CMYK", "F"])
def test_other_modes_are_refused(tmp_path, mode):
    Image.new(mode, (3, 2)).save(tmp_path / "mask.tif")
    assert f"is a picture of mode {mode}" in error_of(tmp_path / "mask.tif")


def test_interpolated_edges_are_called_so(tmp_path):
    values = np.arange(0, 200, dtype=np.uint8)[None]
    assert "was the mask resized with interpolation?" in masks.problem(tmp_path, values, VOC)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)).save(tmp_path / "mask.png")
    assert "was the mask resized with interpolation?" in error_of(tmp_path / "mask.png")


def edge(low: int, high: int, size: int) -> np.ndarray:
    """The edge between two values, enlarged with interpolation."""
    values = np.array([[low, low, high, high]] * 4, np.uint8)
    return np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.BILINEAR))


def test_interpolated_edges_are_called_so_where_all_their_values_are_classes(tmp_path):
    mask = edge(0, 15, 8)
    assert set(np.unique(mask)) <= set(VOC.mask_values)
    assert masks.problem(tmp_path, mask, VOC) is None
    assert masks.blended(mask)


def test_small_and_thin_objects_are_no_interpolated_edges():
    mask = np.zeros((40, 40), np.uint8)
    mask[20:] = 15
    for number in range(1, 12):
        mask[3 * number, ::7] = number  # single pixels on either class
    mask[:, 30] = 255
    assert not masks.blended(mask)


def test_unknown_values_are_named(tmp_path):
    assert masks.problem(tmp_path, VALUES, VOC) is None
    others = np.array([[0, 21, 30, 255]], np.uint8)
    assert "unknown class, mask value 21, 30: add it to classes" in masks.problem(tmp_path, others, VOC)


def test_a_truncated_mask(tmp_path):
    path = tmp_path / "mask.png"
    pictures.write_mask(path, np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8))
    path.write_bytes(path.read_bytes()[:-200])
    assert error_of(path).startswith(f"{path} cannot be read as a picture (")


LABELMAP = """# label:color_rgb:parts:actions
background:0,0,0::
dog:12,34,56::
traffic light:200,0,7:left,right:
"""
NAMED = Classes.of({"traffic light": 3, "dog": 5})


@pytest.mark.parametrize("place", ["labelmap.txt", "masks/labelmap.txt", "masks/camera 1/labelmap.txt"])
@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_colours_of_a_labelmap(tmp_path, place, mode):
    """CVAT's export of segmentation masks: colours that its users chose, listed in labelmap.txt."""
    path = tmp_path / "masks/camera 1/a.png"
    path.parent.mkdir(parents=True)
    (tmp_path / place).write_text(LABELMAP, encoding="utf-8-sig")
    colours = np.array([[[0, 0, 0], [200, 0, 7], [12, 34, 56], [224, 224, 192]]], np.uint8)
    Image.fromarray(colours).convert(mode, palette=Image.Palette.ADAPTIVE).save(path)
    np.testing.assert_array_equal(masks.read(path, NAMED), [[0, 3, 5, 255]])


def test_a_label_that_is_no_class_is_refused(tmp_path):
    (tmp_path / "labelmap.txt").write_text(LABELMAP, encoding="utf-8")
    Image.fromarray(np.array([[[200, 0, 7]]], np.uint8)).save(tmp_path / "mask.png")
    assert "such as #c80007: draw classes in the colours of" in error_of(tmp_path / "mask.png", Classes.of({"dog": 5}))


@pytest.mark.parametrize("name", ["a b.png", "a b.PNG", "a b.tif", "a b.JPG"])
def test_the_mask_of_an_image_is_found_whatever_its_suffix(tmp_path, name):
    (tmp_path / name).touch()
    assert masks.find(tmp_path, "a b").name == name


def test_a_mask_that_is_missing_is_expected_as_a_png(tmp_path):
    assert masks.find(tmp_path, "a") == tmp_path / "a.png"
