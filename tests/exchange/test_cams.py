"""Activation maps from and to the files of PSA and IRN, and pseudo masks of other programs."""

import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from settings import CLASSES

from wsss.commands.cams_export import cams_export
from wsss.commands.cams_import import cams_import
from wsss.commands.export import export
from wsss.commands.pseudo_masks_import import pseudo_masks_import
from wsss.datasets import manifest
from wsss.labels import VOID
from wsss.runtime.errors import WsssError
from wsss.stores import store

TAGS = {"a": ("dog",), "day 2/Föto (3)": ("cat", "dog")}
SIZE = (22, 31)
CELLS = (6, 8)
"""Of the grid of stride 4."""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with a manifest of two training images and one that is held out; cats have the value 8, dogs 12."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for number, (image_id, tags) in enumerate({**TAGS, "held out": ("cat",)}.items()):
        file = tmp_path / "photographs" / f"{image_id}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1]).save(file)
        rows.append(manifest.Row(image_id, ("train", "extra", "val")[number], file, None, tags, "test"))
    (tmp_path / "results").mkdir()
    manifest.write(tmp_path / "results/images.csv", rows)
    manifest.write_classes(tmp_path / "results/classes.csv", CLASSES)
    return tmp_path


def store_of_cams(path):
    rng = np.random.default_rng(0)
    with store.create(path, "cams", classes=CLASSES, settings={"stride": 4}, inputs={}) as target:
        for image_id, tags in TAGS.items():
            cam = rng.random((len(tags), *CELLS)).astype(np.float16)
            cam /= cam.max((1, 2), keepdims=True)
            target.add(image_id, SIZE, cam=cam, classes=np.array([CLASSES.names.index(tag) for tag in tags], np.uint8))
    return path


def in_folder(folder, content):
    """Files as numpy.save writes them."""
    for image_id, found in content.items():
        path = folder / f"{image_id}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, found, allow_pickle=True)
    return folder


def imported(path="results/imported_cams.h5"):
    with store.read(manifest.Path(path), "cams") as found:
        assert found.stride == 4 and found.classes == CLASSES
        return {image_id: found[image_id] for image_id in found}


def test_psas_files_as_its_program_reads_them(run):
    source = store_of_cams(run / "cams.h5")
    cams_export(source, run / "psa", as_="psa")
    with store.read(source, "cams") as stored:
        for image_id, tags in TAGS.items():
            found = np.load(run / f"psa/{image_id}.npy", allow_pickle=True).item()
            assert list(found) == [{"cat": 7, "dog": 11}[tag] for tag in tags]
            for cells, (_, pixels) in zip(stored[image_id]["cam"], sorted(found.items()), strict=True):
                assert pixels.shape == SIZE and pixels.dtype == np.float32
                # away from the borders, the mean of a cell's 4 x 4 pixels is near its value and its neighbours'
                assert abs(pixels[4:8, 4:8].mean() - cells[1, 1]) < 0.5 * np.ptp(cells[:3, :3])


def test_irns_files_as_its_program_reads_them_and_back(run):
    source = store_of_cams(run / "cams.h5")
    cams_export(source, run / "irn", as_="irn")
    with store.read(source, "cams") as stored:
        for image_id in TAGS:
            found = np.load(run / f"irn/{image_id}.npy", allow_pickle=True).item()
            keys = np.pad(found["keys"] + 1, (1, 0), mode="constant")  # as in make_sem_seg_labels.py
            assert keys.tolist() == [0, *(CLASSES.mask_values[label] for label in stored[image_id]["classes"])]
            assert isinstance(found["cam"], torch.Tensor) and found["high_res"].shape[1:] == SIZE
            np.testing.assert_array_equal(found["cam"].half().numpy(), stored[image_id]["cam"])
        cams_import(run / "irn")
        for image_id, arrays in imported().items():
            np.testing.assert_allclose(arrays["cam"], stored[image_id]["cam"], atol=1e-3)
            np.testing.assert_array_equal(arrays["classes"], stored[image_id]["classes"])
    assert set(imported()) == set(TAGS)


def test_numpy_before_2_knows_the_names_in_a_file(run):
    cams_export(store_of_cams(run / "cams.h5"), run / "psa")
    content = (run / "psa/a.npy").read_bytes()
    assert b"numpy.core.multiarray" in content and b"numpy._core" not in content


def maps_of(image_id, *, size=SIZE):
    """Class numbers of PSA, each with a map whose left half is 2; the maximum of a map becomes 1."""
    half = np.zeros(size, np.float32)
    half[:, : size[1] // 2] = 2
    half[:, -1] = -1
    return {{"cat": 7, "dog": 11}[tag]: half for tag in TAGS[image_id]}


@pytest.mark.parametrize("size", [SIZE, CELLS, (11, 15), (44, 62)])
def test_maps_of_any_size_are_brought_to_the_grid(run, size):
    cams_import(in_folder(run / "psa", {image_id: maps_of(image_id, size=size) for image_id in TAGS}))
    for image_id, arrays in imported().items():
        assert arrays["classes"].tolist() == [CLASSES.names.index(tag) for tag in TAGS[image_id]]
        assert arrays["cam"].shape == (len(TAGS[image_id]), *CELLS) and arrays["cam"].dtype == np.float16
        np.testing.assert_allclose(arrays["cam"][:, :, :3], 1, atol=0.01)
        np.testing.assert_allclose(arrays["cam"][:, :, 5:], 0, atol=0.01)


def test_npz_of_both_programs(run):
    (run / "npz/day 2").mkdir(parents=True)
    np.savez(run / "npz/a.npz", **{str(key): value for key, value in maps_of("a").items()})
    both = maps_of("day 2/Föto (3)")
    np.savez(run / "npz/day 2/Föto (3).npz", keys=np.array(list(both)), high_res=np.stack(list(both.values())))
    cams_import(run / "npz", out=run / "npz.h5")
    cams_import(in_folder(run / "psa", {image_id: maps_of(image_id) for image_id in TAGS}), out=run / "npy.h5")
    for image_id, arrays in imported(run / "npz.h5").items():
        np.testing.assert_array_equal(arrays["cam"], imported(run / "npy.h5")[image_id]["cam"])


def test_tags_decide_which_maps_are_kept(run, log):
    content = {"a": maps_of("a") | {3: np.ones(SIZE)}, "day 2/Föto (3)": {7: np.ones(SIZE)}}
    cams_import(in_folder(run / "psa", content))
    found = imported()
    assert found["a"]["classes"].tolist() == [2] and found["day 2/Föto (3)"]["classes"].tolist() == [1, 2]
    assert found["day 2/Föto (3)"]["cam"].max((1, 2)).tolist() == [1, 0]
    assert "2 maps; 1 of classes that tags lack left out; 1 tags have none" in log.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "expected a dict of PSA or IRN"),
        ({"cat": np.ones(SIZE)}, "has the key 'cat', expected a class's number"),
        ({7: np.ones((1, *SIZE))}, r"the map of class 7 is float64 of shape \(1, 22, 31\)"),
        ({7: np.full(SIZE, np.nan)}, "the map of class 7 is NaN"),
        ({7: "x"}, "the map of class 7 is <U1 of shape"),
        ({"keys": np.array([7, 11]), "cam": np.ones((1, *CELLS))}, "has 2 keys and 1 maps"),
        ({7: np.full(SIZE, 1e39)}, r"a\.npy: the map of class 7 is NaN, infinite or beyond 1e\+30"),
        ({7: np.full(SIZE, 3e38, np.float32)}, r"a\.npy: the map of class 7 is NaN, infinite or beyond 1e\+30"),
        ({7.5: np.ones(SIZE)}, "has the key 7.5, expected a class's number"),
        ({np.inf: np.ones(SIZE)}, "has the key inf, expected a class's number"),
        ({7: np.ones(SIZE), "7": np.zeros(SIZE)}, "has 2 maps of 1 classes: keep one of each class"),
        ({"keys": np.array([7, 7]), "cam": np.ones((2, *CELLS))}, "has 2 maps of 1 classes: keep one of each class"),
        ({"keys": np.array([7])}, "has 1 keys and 0 maps"),
        ({8: np.ones(SIZE)}, "are its classes counted from 0"),
    ],
)
def test_files_in_neither_format_are_refused(run, content, words):
    with pytest.raises(WsssError, match=words):
        cams_import(in_folder(run / "psa", dict.fromkeys(TAGS, content)))
    assert not (run / "results/imported_cams.h5").exists()


def test_missing_and_damaged_files_are_refused(run):
    folder = in_folder(run / "psa", {"a": maps_of("a")})
    with pytest.raises(WsssError, match=r"has no maps of 1 of 2 images, e\.g\. day 2/Föto \(3\)\.npy"):
        cams_import(folder)
    (folder / "day 2").mkdir()
    (folder / "day 2/Föto (3).npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(WsssError, match=r"Föto \(3\)\.npz cannot be read"):
        cams_import(folder)


class Payload:
    """Creates the folder `made` when Python's own unpickler loads it."""

    def __reduce__(self):
        return os.mkdir, ("made",)


def test_nothing_is_executed(run):
    payload = Payload()
    for content in ({7: payload}, {"keys": payload}):
        with pytest.raises(WsssError, match=r"refers to posix\.mkdir"):
            cams_import(in_folder(run / "psa", dict.fromkeys(TAGS, content)))
    assert not (run / "made").exists()
    pickle.loads(pickle.dumps(payload))
    assert (run / "made").exists()  # so it would have been


def pseudo_masks(folder, labels):
    for image_id in TAGS:
        path = folder / f"{image_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(path)
    return folder


def test_pseudo_masks_go_in_and_out(run):
    values = np.random.default_rng(0).choice([0, 8, 12, VOID], SIZE).astype(np.uint8)
    pseudo_masks_import(pseudo_masks(run / "psa", values))
    path = run / "results/imported_pseudo_masks.h5"
    with store.read(path, "pseudo_masks") as found:
        assert set(found) == set(TAGS) and found.classes == CLASSES
        for image_id in TAGS:
            np.testing.assert_array_equal(CLASSES.values_of(found[image_id]["plain"]), values)
            assert found.size(image_id) == SIZE
    export(path, run / "back", as_="grey")
    for image_id in TAGS:
        with Image.open(run / f"back/{image_id}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), values)


def test_pseudo_masks_of_large_photographs_are_those_of_their_copies(run):
    Image.new("RGB", (62, 44)).save(run / "large.png")
    rows = [manifest.replace(row, original=run / "large.png") for row in manifest.read(run / "results/images.csv")]
    manifest.write(run / "results/images.csv", rows)
    pseudo_masks_import(pseudo_masks(run / "psa", np.full((44, 62), 12, np.uint8)))
    with store.read(run / "results/imported_pseudo_masks.h5", "pseudo_masks") as found:
        assert (found["a"]["plain"] == 2).all() and found["a"]["plain"].shape == SIZE


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((5, 6), np.uint8), r"cannot be used \(2 found\):\n  .*a\.png has \(5, 6\) pixels, its photograph"),
        (np.full(SIZE, 9, np.uint8), "unknown class, mask value 9"),
    ],
)
def test_pseudo_masks_that_do_not_fit_are_refused(run, labels, words):
    with pytest.raises(WsssError, match=words):
        pseudo_masks_import(pseudo_masks(run / "psa", labels))
    with pytest.raises(WsssError, match=r"has no masks of 2 of 2 images, e\.g\. .*none/a\.png"):
        pseudo_masks_import(run / "none")
    assert not (run / "results/imported_pseudo_masks.h5").exists()
