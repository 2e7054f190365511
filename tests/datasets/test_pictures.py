"""Photographs and masks on disk."""

import os
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from wsss.datasets import pictures
from wsss.runtime.errors import WsssError


@pytest.fixture
def photograph(tmp_path):
    """A JPEG of some kilobytes."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photograph.jpg")
    return tmp_path / "photograph.jpg"


def error_of(function, path):
    with pytest.raises(WsssError) as caught:
        function(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_photograph(tmp_path, photograph):
    found = pictures.read_photograph(photograph)
    assert (found.shape, found.dtype) == ((40, 60, 3), np.uint8)


@pytest.mark.parametrize(("mode", "colour"), [("L", 77), ("RGBA", (77, 77, 77, 9)), ("P", 77), ("1", 1)])
def test_a_photograph_of_another_mode_becomes_rgb(tmp_path, mode, colour):
    picture = Image.new(mode, (3, 2), colour)
    if mode == "P":
        picture.putpalette([value for level in range(256) for value in (level, level, level)])
    picture.save(tmp_path / "x.png")
    found = pictures.read_photograph(tmp_path / "x.png")
    np.testing.assert_array_equal(found, np.full((2, 3, 3), 255 if mode == "1" else 77))


def with_exif(photograph, exif):
    """A copy of the photograph, next to it, with other EXIF data."""
    with Image.open(photograph) as picture:
        picture.save(photograph.with_name("other.jpg"), exif=exif, quality="keep", dpi=(72, 72))
    return photograph.with_name("other.jpg")


def tags(**values):
    exif = Image.Exif()
    exif.update({getattr(ExifTags.Base, name).value: value for name, value in values.items()})
    return exif


@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 are not valid
def test_a_turned_photograph_is_set_upright(photograph, orientation):
    path = with_exif(photograph, tags(Orientation=orientation))
    with Image.open(path) as picture:
        assert picture.getexif()[ExifTags.Base.Orientation] == orientation
        expected = np.array(ImageOps.exif_transpose(picture))
    found = pictures.read_photograph(path)
    np.testing.assert_array_equal(found, expected)
    assert pictures.photograph_size(path) == found.shape[:2] == ((60, 40) if 4 < orientation < 9 else (40, 60))


@pytest.mark.parametrize("data", [b"no header", b"MM\0*"])
def test_damaged_exif_data_do_not_turn_a_photograph(photograph, data):
    upright = pictures.read_photograph(with_exif(photograph, tags()))
    path = with_exif(photograph, b"Exif\0\0" + data)
    with Image.open(path) as picture, pytest.raises((SyntaxError, struct.error)):
        picture.getexif()
    np.testing.assert_array_equal(pictures.read_photograph(path), upright)
    assert pictures.photograph_size(path) == (40, 60)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])  # Pillow maps grey ones into memory
def test_a_turned_tiff_photograph_is_set_upright(tmp_path, orientation, mode):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).convert(mode)
    picture.save(path := tmp_path / "a.tif", tiffinfo={ExifTags.Base.Orientation: orientation})
    picture.getexif()[ExifTags.Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(pictures.read_photograph(path), upright)
    assert pictures.photograph_size(path) == upright.shape[:2]


def test_transparency_of_a_palette_is_left_out_without_a_word(tmp_path):
    picture = Image.new("P", (4, 3), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.save(path := tmp_path / "a.png", transparency=bytes([0, 100]))
    assert (pictures.read_photograph(path) == (10, 20, 30)).all()


def test_a_turned_photograph_with_a_tag_of_a_wrong_type(photograph):
    path = with_exif(photograph, tags(Orientation=6, Make=7))
    assert pictures.read_photograph(path).shape == (60, 40, 3)


def test_a_truncated_jpeg(photograph):
    content = photograph.read_bytes()
    for kept in (len(content) - 40, len(content) // 2, 100):
        photograph.write_bytes(content[:kept])
        assert error_of(pictures.read_photograph, photograph).startswith(f"{photograph} cannot be read as a picture (")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_not_a_picture(tmp_path, content):
    (tmp_path / "x.jpg").write_bytes(content)
    assert f"{tmp_path / 'x.jpg'} cannot be read as a picture (" in error_of(
        pictures.read_photograph, tmp_path / "x.jpg"
    )


def test_a_folder_instead_of_a_file(tmp_path):
    assert error_of(pictures.read_photograph, tmp_path).startswith(f"{tmp_path} is a folder, no file: remove it")


def test_a_named_pipe_is_no_picture(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for read in (pictures.read_photograph, pictures.photograph_size):
        assert "is a pipe or device, no file: remove it" in error_of(read, tmp_path / "pipe.jpg")


def test_other_formats_than_pictures_start_no_program(tmp_path):
    """Pillow would hand an EPS file to Ghostscript, whatever its suffix."""
    path = tmp_path / "x.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    assert "cannot be read as a picture" in error_of(pictures.read_photograph, path)


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "tif", "gif", "ppm", "PNG"])
def test_formats_of_pictures(tmp_path, suffix):
    Image.new("RGB", (5, 4), (10, 200, 30)).save(
        tmp_path / f"x.{suffix}", **({"lossless": True} if suffix == "webp" else {})
    )
    found = pictures.read_photograph(tmp_path / f"x.{suffix}")
    assert found.shape == (4, 5, 3)
    np.testing.assert_allclose(found[0, 0], (10, 200, 30), atol=2)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_scaled_not_clipped(tmp_path, suffix):
    Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(tmp_path / f"x.{suffix}")
    assert pictures.read_photograph(tmp_path / f"x.{suffix}")[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_fractions_and_32_bits_have_no_known_range(tmp_path, kind):
    """Of bytes in 32 bits, as programs for microscopes write them, 16 bits would leave black."""
    Image.fromarray(np.full((2, 2), 255, kind)).save(tmp_path / "x.tif")
    assert "floating-point or 32-bit values" in error_of(pictures.read_photograph, tmp_path / "x.tif")


def test_a_missing_file(tmp_path):
    told = f"{tmp_path / 'gone.png'} does not exist: put it there, or remove it from the list"
    assert error_of(pictures.read_photograph, tmp_path / "gone.png") == told


def test_a_warped_photograph_is_a_square_that_shows_all_of_it():
    photograph = np.zeros((6, 20, 3), np.uint8)
    photograph[:, 10:] = (0, 100, 200)
    found = pictures.warped(photograph, 8)
    assert found.shape == (8, 8, 3) and found.dtype == np.uint8
    assert (found[:, 0] == 0).all() and (found[:, 7] == (0, 100, 200)).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_of_which_12_are_used_are_refused(tmp_path, suffix):
    """As cameras of microscopes write them: in 8 bits next to nothing would be left. A black picture is one."""
    grey = np.linspace(0, 4095, 48, dtype=np.uint16).reshape(6, 8)
    Image.fromarray(grey).save(tmp_path / f"x.{suffix}")
    told = error_of(pictures.read_photograph, tmp_path / f"x.{suffix}")
    assert "has 16 bits a sample, of which the highest four are empty" in told and "stretch its values" in told
    Image.fromarray(grey * 16).save(tmp_path / f"bright.{suffix}")
    assert pictures.read_photograph(tmp_path / f"bright.{suffix}").max() == 255
    Image.fromarray(grey * 0).save(tmp_path / f"black.{suffix}")
    assert not pictures.read_photograph(tmp_path / f"black.{suffix}").any()


def tiff_of(path, values, *, photometric, planes):
    """A TIFF picture of 16 bits, little endian and not compressed: grey, or colours in planes."""
    height, width = values.shape[-2:]
    samples = len(values) if values.ndim == 3 else 1
    size = height * width * 2
    tags = [(256, 4, 1, width), (257, 4, 1, height), (259, 3, 1, 1), (262, 3, 1, photometric), (277, 3, 1, samples)]
    tags += [(278, 4, 1, height), (284, 3, 1, planes)]
    after = 8 + 2 + 12 * 10 + 4
    bits, offsets, counts = after, after + 8, after + 8 + 4 * samples
    data = counts + 4 * samples
    of_all = samples > 1
    tags += [(258, 3, samples, bits if of_all else 16), (273, 4, samples, offsets if of_all else data)]
    tags += [(279, 4, samples, counts if of_all else size)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    head = struct.pack("<2sHIH", b"II", 42, 8, 10) + entries + struct.pack("<I", 0)
    head += struct.pack("<4H", *([16] * samples), *([0] * (4 - samples)))
    head += struct.pack(f"<{samples}I", *(data + size * plane for plane in range(samples)))
    head += struct.pack(f"<{samples}I", *([size] * samples))
    path.write_bytes(head + values.astype("<u2").tobytes())


def test_tiff_of_16_bits_that_pillow_garbles_is_refused(tmp_path):
    grey = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    tiff_of(tmp_path / "grey.tif", grey, photometric=1, planes=1)
    np.testing.assert_array_equal(pictures.read_photograph(tmp_path / "grey.tif")[:, :, 0], grey >> 8)
    tiff_of(tmp_path / "white.tif", grey, photometric=0, planes=1)
    tiff_of(tmp_path / "planes.tif", np.stack([grey] * 3), photometric=2, planes=2)
    for name in ("white.tif", "planes.tif"):
        told = error_of(pictures.read_photograph, tmp_path / name)
        assert "TIFF of 16 bits with 0 for white, or with its colours in planes: save it as PNG" in told


def test_what_is_no_picture_is_told_without_names_of_objects(tmp_path, monkeypatch):
    (tmp_path / "x.jpg").write_text("no picture")
    for reader in (pictures.read_photograph, pictures.photograph_size):
        told = error_of(reader, tmp_path / "x.jpg")
        assert "(it is of none of the formats JPEG, PNG," in told and "<" not in told
    (tmp_path / "x.heic").write_text("a phone's")
    monkeypatch.setattr(pictures, "formats", lambda: pictures.FORMATS)
    told = error_of(pictures.read_photograph, tmp_path / "x.heic")
    assert told.endswith("without the package of its format: pip install 'wsss[heic]'")


def test_a_size_that_takes_all_memory_is_told_with_the_file(tmp_path, monkeypatch):
    Image.new("RGB", (8, 6)).save(tmp_path / "x.png")

    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr(pictures.Image, "open", fails)
    for reader in (pictures.read_photograph, pictures.photograph_size):
        assert error_of(reader, tmp_path / "x.png").startswith(f"{tmp_path / 'x.png'} cannot be read as a picture (not")
