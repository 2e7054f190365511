"""True masks: read by what they say, however they are stored, or refused with the reason."""

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

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


def in_colours(values: np.ndarray) -> np.ndarray:
    return np.array(labels.palette(), np.uint8).reshape(256, 3)[values]


def test_a_mask_round_trip(tmp_path):
    mask = np.array([[*VOC.mask_values, 255]], np.uint8)
    pictures.write_mask(tmp_path / "mask.png", mask)
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), mask)
    with Image.open(tmp_path / "mask.png") as picture:
        assert (picture.mode, picture.format) == ("P", "PNG")
        assert picture.getpalette() == labels.palette()


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
    raw = np.packbits(np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(2, -1), axis=1)
    header = np.array([values.shape[1], 2], ">u4").tobytes() + bytes([bits, 0, 0, 0, 0])
    with (tmp_path / "mask.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", header)
        rows = b"".join(b"\0" + row.tobytes() for row in raw)
        PngImagePlugin.putchunk(file, b"IDAT", PngImagePlugin.zlib.compress(rows))
        PngImagePlugin.putchunk(file, b"IEND", b"")
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png", VOC), values)


def test_large_16_bit_values_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 5000]], np.uint16)).save(tmp_path / "mask.png")
    assert "16-bit values up to 5000" in error_of(tmp_path / "mask.png")


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_formats_are_refused(tmp_path, suffix):
    Image.fromarray(VALUES).save(tmp_path / f"mask.{suffix}")
    assert "compression changes values: save masks as PNG" in error_of(tmp_path / f"mask.{suffix}")


@pytest.mark.parametrize("mode", ["CMYK", "F"])
def test_other_modes_are_refused(tmp_path, mode):
    Image.new(mode, (3, 2)).save(tmp_path / "mask.tif")
    assert f"is a picture of mode {mode}" in error_of(tmp_path / "mask.tif")


def test_interpolated_edges_are_called_so(tmp_path):
    values = np.arange(0, 200, dtype=np.uint8)[None]
    assert "was the mask resized with interpolation?" in masks.unknown_values(tmp_path, values, VOC)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)).save(tmp_path / "mask.png")
    assert "was the mask resized with interpolation?" in error_of(tmp_path / "mask.png")


def test_unknown_values_are_named(tmp_path):
    assert masks.unknown_values(tmp_path, VALUES, VOC) is None
    others = np.array([[0, 21, 30, 255]], np.uint8)
    assert "unknown class, mask value 21, 30: add it to classes" in masks.unknown_values(tmp_path, others, VOC)


def test_a_truncated_mask(tmp_path):
    path = tmp_path / "mask.png"
    pictures.write_mask(path, np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8))
    path.write_bytes(path.read_bytes()[:-200])
    assert error_of(path).startswith(f"{path} cannot be read as a picture (")
