"""Label maps of a store as PNG files."""

import numpy as np
import pytest
from PIL import Image
from settings import CLASSES

from wsss.commands.export import export
from wsss.datasets import masks as true_masks
from wsss.labels import VOID
from wsss.runtime.errors import WsssError
from wsss.stores import store


def masks(path, **maps):
    with store.create(path, "masks", classes=CLASSES, settings={}, inputs={}) as target:
        for image_id in ("a", "b"):
            target.add(image_id, (12, 16), **maps)
    return path


def test_export(tmp_path, capsys):
    plain = np.array([[0, 1], [2, VOID]], np.uint8).repeat(6, 0).repeat(8, 1)
    path = masks(tmp_path / "masks.h5", plain=plain, refined=np.zeros_like(plain))
    export(path, tmp_path / "new/plain", maps="plain")
    assert "2 masks" in capsys.readouterr().out
    written = true_masks.read(tmp_path / "new/plain/b.png", CLASSES)
    assert written[[0, 0, 11, 11], [0, 15, 0, 15]].tolist() == [0, 8, 12, VOID]  # as in the true masks
    with Image.open(tmp_path / "new/plain/b.png") as picture:
        assert picture.size == (16, 12) and picture.mode == "P"
    export(path, tmp_path / "refined")
    assert not true_masks.read(tmp_path / "refined/a.png", CLASSES).any()


def test_export_without_a_crf_writes_what_there_is(tmp_path):
    path = masks(tmp_path / "masks.h5", plain=np.full((12, 16), 1, np.uint8))
    export(path, tmp_path / "masks")
    assert (true_masks.read(tmp_path / "masks/a.png", CLASSES) == 8).all()


def test_only_label_maps_are_exported(tmp_path):
    with store.create(tmp_path / "x.h5", "cams", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", (12, 16), cam=np.zeros((1, 3, 4), np.float16), classes=np.array([1], np.uint8))
    with pytest.raises(WsssError, match="holds 'cams': only masks and pseudo_masks"):
        export(tmp_path / "x.h5", tmp_path / "masks")
