"""A look into stores, networks, fitted CRFs and tables."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from settings import CLASSES
from small_manifest import colours, write_manifest

from wsss.commands.inspect import _nearest, inspect
from wsss.crf.potentials import potentials_of
from wsss.labels import VOID, Classes
from wsss.networks import file
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.options.crf import PSA
from wsss.options.network import Features
from wsss.results import fitted_crf
from wsss.runtime.errors import WsssError
from wsss.stores import store

VOC_CREAM, GREY = (224, 224, 192), (128, 128, 128)


@pytest.fixture
def cams(tmp_path):
    """A store of seven images, whose manifest is beside it."""
    write_manifest(tmp_path, tuple("abcdefg"))
    maps = np.linspace(0, 1, 12, dtype=np.float16).reshape(1, 3, 4)
    settings = {"scales": (0.5, 1.0), "stride": 4}
    with store.create(tmp_path / "cams.h5", "cams", classes=CLASSES, settings=settings, inputs={}) as target:
        for image_id in "abcdefg":
            target.add(image_id, (12, 16), cam=maps, classes=np.array([2], np.uint8))
    return tmp_path / "cams.h5"


def test_a_store_lists_its_attributes_and_first_ids(cams, capsys):
    inspect(cams)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{cams}: 7 images of kind cams"
    assert lines[-1] == "ids: a b c d e …"
    assert "setting.scales: 0.5 1.0" in lines
    assert "classes: ['background' 'cat' 'dog']" in lines


def test_an_image_is_drawn_and_its_store_not_touched(cams, capsys):
    before = cams.stat().st_mtime_ns
    picture = cams.parent / "x.png"
    inspect(cams, "b", images=cams.parent / "images.csv", picture=picture)
    assert capsys.readouterr().out == f"b: size (12, 16), cam float16[1, 3, 4]; drawn in {picture}\n"
    with Image.open(picture) as drawn:
        assert min(drawn.size) > 100
    assert len(colours(picture)) > 50
    assert cams.stat().st_mtime_ns == before


def test_a_photograph_is_not_written_over(cams):
    photograph = cams.parent / "a.png"
    before = photograph.read_bytes()
    with pytest.raises(WsssError, match=r"a\.png is one of the files that are read, and would be written over"):
        inspect(cams, "b", images=cams.parent / "images.csv", picture=photograph)
    assert photograph.read_bytes() == before


def test_masks_are_drawn_in_the_colours_of_their_classes(tmp_path):
    mask = np.zeros((12, 16), np.uint8)
    mask[:, :5], mask[:, 5] = 2, VOID
    with store.create(tmp_path / "masks.h5", "masks", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", (12, 16), plain=mask, refined=mask)
    inspect(tmp_path / "masks.h5", "a", images=write_manifest(tmp_path), picture=tmp_path / "deep/x.png")
    assert {CLASSES.colours[2], VOC_CREAM, GREY} <= colours(tmp_path / "deep/x.png")


@pytest.mark.parametrize(
    ("kind", "settings", "arrays"),
    [
        ("saliency", {"stride": 4}, {"saliency": np.linspace(0, 1, 12, dtype=np.float16).reshape(3, 4)}),
        ("seeds", {"cells": 2}, {"labels": np.array([[0, 1], [2, VOID]], np.uint8)}),
        ("affinity_labels", {"stride": 4}, {"labels": np.arange(12, dtype=np.uint8).reshape(3, 4) % 3}),
        ("scores", {"stride": 4}, {"scores": np.linspace(0, 1, 36, dtype=np.float16).reshape(3, 3, 4)}),
    ],
)
def test_any_kind_is_drawn(tmp_path, capsys, kind, settings, arrays):
    images = write_manifest(tmp_path)
    with store.create(tmp_path / "x.h5", kind, classes=CLASSES, settings=settings, inputs={}) as target:
        target.add("a", (12, 16), **arrays)
    inspect(tmp_path / "x.h5", "a", images=images, picture=tmp_path / "x.png")
    assert f"a: size (12, 16), {kind if kind in arrays else 'labels'} " in capsys.readouterr().out
    found = colours(tmp_path / "x.png")
    if kind in ("seeds", "affinity_labels"):
        assert set(CLASSES.colours) <= found
    else:
        assert len(found) > 40


def test_a_network_is_described(tmp_path, capsys):
    torch.manual_seed(0)
    features = Features("timm/test_efficientnet", stride=8, weights="none", freeze=False)
    network = Segmenter.build(features, classes=3, dilation=2)
    made = {"settings": {"epochs": 3}, "inputs": {"images.csv": "0a"}, "code": "1b"}
    path = tmp_path / "x.safetensors"
    file.save(path, network, About(CLASSES, "tags and cues", warped_px=64, **made))
    inspect(path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}: a network of kind segmenter, ") and lines[0].endswith(" MB")
    assert "backbone: timm/test_efficientnet, stride 8 px" in lines
    assert f"parameters: {sum(parameter.numel() for parameter in network.parameters()):,}" in lines
    assert "trained on: tags and cues" in lines and "setting.epochs: 3" in lines
    assert "input.images.csv: 0a" in lines and "code: 1b" in lines
    assert any(line.startswith("images: warped to 64 x 64 px; normalised by mean 0.485 ") for line in lines)
    assert "classes: background = 0 #000000, cat = 8 #400000, dog = 12 #400080" in lines


def test_a_fitted_crf_is_described(tmp_path, capsys):
    crf = replace(PSA, steps=5)
    learned = {"smoothness_weight": torch.tensor(2.5), "compatibility": torch.zeros(3, 3, 1, 1)}
    potentials = replace(potentials_of(crf, like=torch.zeros(())), **learned)
    fitted_crf.write(
        tmp_path / "x.json", crf, potentials, classes=CLASSES, about={"images": 7, "split": "train", "masks": "pseudo"}
    )
    inspect(tmp_path / "x.json")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path / 'x.json'}: a fitted CRF for 3 classes"
    assert "fitted to: images 7, split train, masks pseudo" in lines
    assert "smoothness_weight: 2.5, before fitting 3" in lines
    assert "compatibility: learned, (3, 3, 1, 1)" in lines
    assert "setting.engine: cells" in lines


def test_a_fitted_crf_that_was_changed_is_told(tmp_path):
    path = tmp_path / "x.json"
    about = {"images": 7, "split": "train", "masks": "pseudo"}
    fitted_crf.write(path, PSA, potentials_of(PSA, like=torch.zeros(())), classes=CLASSES, about=about)
    path.write_text(path.read_text().replace('"split": "train"', '"split": "brain"'))
    with pytest.raises(WsssError, match=r"x\.json is damaged: remove it and rerun"):
        inspect(path)
    path.write_text('{"kind": "wsss fitted CRF", "classes": 7}')
    with pytest.raises(WsssError, match=r"x\.json cannot be read as a fitted CRF .*: remove it and rerun"):
        inspect(path)


def test_the_lists_of_images_and_of_classes_are_summed_up(tmp_path, capsys):
    inspect(write_manifest(tmp_path, ("a", "b")))
    inspect(tmp_path / "classes.csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["train: 2 images, 0 with a mask", "tags: dog 2"]
    assert lines[4:] == ["background = 0 #000000", "cat = 8 #400000", "dog = 12 #400080"]


@pytest.mark.parametrize(
    ("image_id", "words"),
    [
        ("trian_00042", "holds no image 'trian_00042': did you mean train_00042 or "),
        ("train_0042", "holds no image 'train_0042': did you mean train_00042 or "),
        ("other", "lists the first ids"),
    ],
)
def test_an_unknown_id_is_answered_with_the_nearest(tmp_path, image_id, words):
    with store.create(tmp_path / "x.h5", "seeds", classes=CLASSES, settings={"cells": 2}, inputs={}) as target:
        for number in range(90):
            target.add(f"train_{number:05}", (12, 16), labels=np.zeros((2, 2), np.uint8))
    with pytest.raises(WsssError) as refused:
        inspect(tmp_path / "x.h5", image_id)
    assert words in str(refused.value)


def test_the_nearest_of_many_ids_is_found_quickly():
    known = [f"{year}_{number:06}" for year in range(2007, 2012) for number in range(4000)]
    start = time.process_time()
    assert _nearest("2007_00063", known)[0] == "2007_000063"
    assert _nearest("2010-003123", known)[0] == "2010_003123"
    assert _nearest("kitchen", known) == []
    assert time.process_time() - start < 5  # a comparison with every id takes several times as long


UNKNOWN = (
    "cannot be described: give a store (.h5), a network (.safetensors), a fitted CRF (.json), images.csv or classes.csv"
)
NO_NETWORK = "is damaged, or no network: copy it again, or run its stage again"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.log", b"a log", UNKNOWN),
        ("x.h5", b"a text under the name of a store", UNKNOWN),
        ("x.pth", b"\x80\x02 weights in an old format", UNKNOWN),
        ("x.pt", b"PK\x03\x04 weights", UNKNOWN),
        ("x.json", b"{", UNKNOWN),
        ("x.json", b"[1]", UNKNOWN),
        ("miou.json", b'{"miou": 0.5}', "is not a fitted CRF; `wsss summary` shows the scores of a run"),
        ("curve.csv", b"step,learning_rate,loss\n", UNKNOWN),
        ("x.csv", b"id,name\n1,\xff\n", UNKNOWN),
        ("x.safetensors", b"PK\x03\x04 weights", NO_NETWORK),
        ("x.safetensors", b"\xa0\x01\x00\x00\x00\x00\x00\x00{ and no more", NO_NETWORK),
    ],
)
def test_what_is_no_store_is_not_called_a_broken_store(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WsssError) as refused:
        inspect(tmp_path / name)
    assert words in str(refused.value) and "remove" not in str(refused.value)


def test_archives_and_weights_of_others_are_no_networks(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "weights.safetensors")
    torch.save({"path": tmp_path}, tmp_path / "objects.pt")  # an object, which is not unpickled
    cases = {"x.npz": UNKNOWN, "weights.safetensors": "is not a network of wsss: ", "objects.pt": UNKNOWN}
    for name, words in cases.items():
        with pytest.raises(WsssError) as refused:
            inspect(tmp_path / name)
        assert words in str(refused.value) and "remove" not in str(refused.value)


def test_what_is_asked_for_in_vain(cams, tmp_path):
    cases = {"gone.h5": "does not exist: run the stage that writes it first", ".": "is a folder: name a file in it"}
    for name, words in cases.items():
        with pytest.raises(WsssError, match=words):
            inspect(tmp_path / name)
    with pytest.raises(WsssError, match="is not a store: only the images of a store can be drawn"):
        inspect(tmp_path / "images.csv", "a")
    with pytest.raises(WsssError, match="lists no image 'a': give the manifest of this run"):
        inspect(cams, "a", images=write_manifest(tmp_path, ("z",)))


def test_a_damaged_store_is_named(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(WsssError, match="x.h5 cannot be read as an HDF5 file"):
        inspect(tmp_path / "x.h5")


def test_of_many_classes_the_highest_scores_are_drawn(tmp_path, monkeypatch):
    classes = Classes(("background", *(f"class {number}" for number in range(80))), tuple(range(81)))
    write_manifest(tmp_path)
    scores = np.zeros((81, 3, 4), np.float16)
    scores[::10] = np.linspace(0.1, 0.9, 9, dtype=np.float16)[:, None, None]
    with store.create(tmp_path / "s.h5", "scores", classes=classes, settings={"stride": 4}, inputs={}) as target:
        target.add("a", (12, 16), scores=scores)
    drawn = {}
    monkeypatch.setattr("wsss.results.figures.write", lambda path, groups, _: drawn.update(groups))
    inspect(tmp_path / "s.h5", "a", images=tmp_path / "images.csv", picture=tmp_path / "x.png")
    (row,) = drawn[str(tmp_path / "s.h5")]
    assert list(row.pictures) == ["photograph", *(f"scores class {number}" for number in range(9, 80, 10))]
