"""Stores whose digests are right, and that wsss did not make: refused in one line, and nothing large is read."""

import h5py
import numpy as np
import pytest
from forged_stores import CAM, GRID, LABELS, SIZE, WHOLE, assert_refused, attribute, forged, read_all, written

from wsss.runtime.errors import WsssError
from wsss.stores import store
from wsss.stores.kinds import FORMS, KINDS
from wsss.stores.shared import Shared


def counted(change):
    """A change of what a file holds, which has the number of images then counted again."""

    def changed(file):
        change(file)
        file.attrs["images"] = len(file)

    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_store_of_any_kind_is_read_and_joined(tmp_path, kind):
    path = written(tmp_path / "a.h5", kind)
    store.gather([path], tmp_path / "joined.h5")
    for made in (path, tmp_path / "joined.h5"):
        [(arrays, size)] = read_all(made)
        assert size == SIZE
        assert arrays.keys() == WHOLE[kind][1].keys()
        forms = {name: each.type for name, each in FORMS[kind].items()}
        assert {name: array.dtype.name for name, array in arrays.items()}.items() <= forms.items()


# what stands in the place of an image, or of an array of it


def placed(name, what, *, in_image=False):
    """Put something under a name: a link, an array, a type, or what a function of the file gives; None: nothing."""

    def change(file):
        place = file["a"] if in_image else file
        if name in place:
            file.move(place[name].name, "/kept")
        if what is not None:
            place[name] = what(file) if callable(what) else what
        if in_image or what is None:
            file.pop("kept", None)

    return counted(change)


LINKS = {
    "a link": h5py.SoftLink("/kept"),
    "a link to nothing": h5py.SoftLink("/nowhere"),
    "a link to another file": h5py.ExternalLink("/etc/passwd", "/a"),
}
INSTEAD = LINKS | {
    "an array": np.zeros(3, np.uint8),
    "a type": np.dtype("f4"),
    "the root": lambda file: file["/"],
    "nothing": None,
}
PLACES = {f"{name} for an image": placed("a", what) for name, what in INSTEAD.items()}
PLACES |= {f"{name} beside the images": placed("b", what) for name, what in INSTEAD.items() if what is not None}
PLACES |= {
    f"{name} for an array": placed("cam", what, in_image=True)
    for name, what in (INSTEAD | {"a group": lambda file: file.create_group("group")}).items()
}
PLACES |= {
    f"{name} beside the arrays": placed("more", what, in_image=True)
    for name, what in INSTEAD.items()
    if what is not None
}
PLACES |= {
    "no values for an array": placed("cam", h5py.Empty("f2"), in_image=True),
    "a name that is not UTF-8": counted(lambda file: h5py.h5g.create(file.id, b"\xff\xfe")),
    "a name of no image": counted(lambda file: file.create_group("%zz")),
    "a group without attributes": counted(lambda file: file.create_group("b")),
}


OF_IMAGES = {
    "no digest": ("digest", None),
    "a number as digest": ("digest", 3),
    "a digest that is not hex": ("digest", "z" * 64),
    "a short digest": ("digest", "1"),
    "another digest": ("digest", "1" * 64),
    "no size": ("size", None),
    "one number as size": ("size", 5),
    "three numbers as size": ("size", [12, 16, 3]),
    "no numbers as size": ("size", h5py.Empty("i4")),
    "fractions as size": ("size", [12.0, 16.0]),
    "a size of nothing": ("size", [0, 16]),
    "a size below nothing": ("size", [-12, -16]),
    "a size without end": ("size", [2**40, 2**40]),
    "texts as size": ("size", ["12", "16"]),
    "another attribute that is not UTF-8": ("more", np.bytes_(b"\xff\xfe")),
}
PLACES |= {name: attribute(*what, of_image=True) for name, what in OF_IMAGES.items()}


@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_image_is_neither_read_nor_joined(tmp_path, name):
    path = forged(tmp_path / "a.h5", PLACES[name])
    if name != "nothing for an image":  # then there is nothing to read
        assert_refused(path, lambda: read_all(path))
    assert_refused(path, lambda: store.gather([path], tmp_path / "joined.h5"))
    assert not (tmp_path / "joined.h5").exists()


def test_a_link_in_a_shard_is_not_followed(tmp_path):
    path = written(tmp_path / "a.h5")
    store.gather([path], tmp_path / "joined.h5")
    written(tmp_path / "other.h5")
    forged(path, placed("a", h5py.ExternalLink("other.h5", "/a")))
    with pytest.raises(WsssError, match=r"a\.h5 is damaged \('a' is a link\): remove it and .*joined\.h5"):
        read_all(tmp_path / "joined.h5")


# attributes of the file


ATTRIBUTES = {
    "no classes": ("classes", None),
    "a number as classes": ("classes", 3),
    "numbers as classes": ("classes", [1, 2, 3]),
    "a text as classes": ("classes", "cat"),
    "too few classes": ("classes", ["background", "cat"]),
    "too many classes": ("classes", ["background", "cat", "dog", "cow"]),
    "a class twice": ("classes", ["background", "cat", "cat"]),
    "a table of classes": ("classes", np.array([[b"background", b"cat", b"dog"]])),
    "a class in two lines": ("classes", ["background", "cat\ndog", "dog"]),
    "no mask values": ("mask_values", None),
    "NaN as a mask value": ("mask_values", [0, np.nan, 12]),
    "a large mask value": ("mask_values", [0, 8, 1000]),
    "a text as mask values": ("mask_values", "0 8 12"),
    "no kind": ("kind", None),
    "an unknown kind": ("kind", "maps"),
    "a list as kind": ("kind", ["cams"]),
    "a number as kind": ("kind", 3),
    "seeds without cells": ("kind", "seeds"),
    "no digest": ("digest", None),
    "a digest that is not hex": ("digest", "z" * 64),
    "a number as digest": ("digest", 3),
    "another number of images": ("images", 2),
    "no number of images": ("images", None),
    "a text as number of images": ("images", "1"),
    "no schema": ("schema", None),
    "a list as schema": ("schema", [4, 4]),
    "a word as stride": ("setting.stride", "x"),
    "a stride of 0": ("setting.stride", "0"),
    "a number as stride": ("setting.stride", 4),
    "a stride without end": ("setting.stride", "9" * 5000),
    "a side below 0": ("setting.warped_px", "-8"),
    "a fraction as side": ("setting.warped_px", "8.5"),
    "a number of cells of 0": ("setting.cells", "0"),
    "a number as setting": ("setting.gamma", 1.0),
    "nothing as setting": ("setting.gamma", h5py.Empty("f4")),
    "a number as digest of an input": ("input.images", 3),
    "a setting that is not UTF-8": ("setting.gamma", np.bytes_(b"\xff\xfe")),
    "a setting with a name in two lines": ("setting.a\nb", 3),
    "shards without digests": ("files", ["b.h5"]),
    "a number as shards": ("files", 3),
}
FORGED = {name: attribute(*what) for name, what in ATTRIBUTES.items()}
FORGED |= {
    "a text of variable length": lambda file: file.attrs.update({"setting.gamma": "1"}),
    "a reference": lambda file: file.attrs.update({"setting.gamma": file["a"].ref}),
    "lists of variable length": lambda file: file.attrs.create(
        "setting.gamma", np.array([np.zeros(2), np.zeros(3)], object), dtype=h5py.vlen_dtype("f8")
    ),
    "a time, which numpy lacks": lambda file: h5py.h5a.create(
        file.id, b"setting.gamma", h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR)
    ),
    "texts as lists of shards": lambda file: [attribute(name, "b.h5")(file) for name in ("files", "digests")],
    "more shards than digests": lambda file: [
        attribute(name, list)(file) for name, list in (("files", ["b.h5", "c.h5"]), ("digests", ["1" * 64]))
    ],
}


@pytest.mark.parametrize("name", FORGED)
def test_attributes_that_no_store_has_are_refused(tmp_path, name):
    path = forged(tmp_path / "a.h5", FORGED[name])
    for function in (
        lambda: read_all(path),
        lambda: store.kind_of(path),
        lambda: store.digest(path),
        lambda: Shared(path, "cams"),
        lambda: store.gather([path], tmp_path / "joined.h5"),
    ):
        assert_refused(path, function)


def test_a_missing_setting_is_told_where_it_is_asked_for(tmp_path):
    with store.read(written(tmp_path / "a.h5"), "cams") as source:
        assert_refused(source.path, lambda: source.attributes["setting.gamma"], "lacks the attribute 'setting.gamma'")
        assert source.attributes.get("setting.gamma") is None


# arrays: written by wsss itself, so that their digests are right


def real(*shape):
    return np.zeros(shape, np.float16)


def label(*shape, value=0):
    return np.full(shape, value, np.uint8)


ARRAYS = {
    "a cam of labels": ("cams", {"cam": label(1, *GRID)}),
    "a cam of one class alone": ("cams", {"cam": real(*GRID)}),
    "a cam of no dimension": ("cams", {"classes": label(1, value=1), "cam": real(1)}),
    "more cams than classes in them": ("cams", {"cam": real(2, *GRID)}),
    "more cams than the store has classes": ("cams", {"cam": real(3, *GRID), "classes": label(3, value=1)}),
    "cams of one more row": ("cams", {"cam": real(1, 4, 4)}),
    "cams of the image's size": ("cams", {"cam": real(1, *SIZE)}),
    "cams of infinite numbers": ("cams", {"cam": CAM * np.float16(np.inf)}),
    "cams of NaN": ("cams", {"cam": CAM * np.float16(np.nan)}),
    "cams above 1": ("cams", {"cam": CAM * 3}),
    "cams below 0": ("cams", {"cam": -CAM}),
    "a cam of a class beyond the last": ("cams", {"classes": label(1, value=3)}),
    "a cam of class 250": ("cams", {"classes": label(1, value=250)}),
    "a cam of void": ("cams", {"classes": label(1, value=255)}),
    "a cam of the background": ("cams", {"classes": label(1, value=0)}),
    "classes in a table": ("cams", {"classes": label(1, 1, value=1)}),
    "no classes of the cams": ("cams", {"classes": None}),
    "no cams": ("cams", {"cam": None}),
    "one more array": ("cams", {"more": label(1)}),
    "an array of another kind": ("affinity_labels", {"labels": None, "plain": LABELS}),
    "labels of class 250": ("affinity_labels", {"labels": LABELS + np.uint8(248)}),
    "labels of the image's size": ("affinity_labels", {"labels": label(*SIZE)}),
    "numbers for labels": ("affinity_labels", {"labels": real(*GRID)}),
    "a mask on a grid": ("pseudo_masks", {"plain": label(*GRID)}),
    "a mask of three channels": ("masks", {"plain": label(*SIZE, 3)}),
    "a mask with an unknown class": ("masks", {"refined": label(*SIZE, value=3)}),
    "a refined mask alone": ("masks", {"plain": None}),
    "a refined mask of another size": ("masks", {"refined": label(16, 12)}),
    "saliency of classes": ("saliency", {"saliency": real(1, *GRID)}),
    "seeds on a grid that is not square": ("seeds", {"labels": label(*GRID)}),
    "scores of two classes": ("scores", {"scores": real(2, 2, 2)}),
    "scores on the grid of the image": ("scores", {"scores": real(3, *GRID)}),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_the_kind_does_not_have_are_refused(tmp_path, monkeypatch, name):
    kind, changes = ARRAYS[name]
    monkeypatch.setattr(np, "isfinite", lambda array: np.array(True))  # the writer refuses NaN
    path = written(tmp_path / "a.h5", kind, **changes)
    assert_refused(path, lambda: read_all(path))
