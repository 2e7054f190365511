"""What an export may write over: its own files, as it wrote them, and nothing else."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from labelled_photographs import SIZE, masks
from PIL import Image
from settings import CLASSES

from wsss.commands.export import export
from wsss.datasets import manifest
from wsss.runtime.errors import WsssError
from wsss.stores import store


@pytest.mark.parametrize("as_", ["png", "grey", "overlay"])
def test_no_photograph_and_no_true_mask_is_written_over(tmp_path, as_):
    source, _ = masks(tmp_path, CLASSES)
    table, suffix = tmp_path / "results/images.csv", ".jpg" if as_ == "overlay" else ".png"
    photograph, truth = tmp_path / f"day/a{suffix}", tmp_path / "true/a.png"
    for path in (photograph, truth):
        path.parent.mkdir()
        Image.new("RGB", SIZE[::-1]).save(path)
    rows = [manifest.Row("a", "val", photograph, truth, (), "test"), *manifest.read(table)[1:]]
    manifest.write(table, rows)
    for folder in [photograph.parent, *([] if as_ == "overlay" else [truth.parent])]:
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(WsssError, match=f"a{suffix} is one of the files that are read"):
            export(source, folder, as_=as_)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before


FILES = {
    "png": "out/a.png",
    "grey": "out/a.png",
    "overlay": "out/a.jpg",
    "voc_server": "out/results/VOC2012/Segmentation/comp6_test_cls/a.png",
    "coco": "out.json",
    "cvat": "out.zip",
    "npz": "out/a.npz",
}
"""Of the image a, by format."""


def exported(folder: Path, as_: str) -> Path:
    """Export a store, and return the file of the image a."""
    if as_ == "coco":
        pytest.importorskip("pycocotools")
    source, _ = masks(folder, CLASSES, void=False)
    if as_ == "npz":
        source = folder / "results/scores.h5"
        with store.create(source, "scores", classes=CLASSES, settings={"stride": 4, "warped_px": 0}, inputs={}) as new:
            new.add("a", SIZE, scores=np.zeros((3, 6, 8), np.float16))
    file = folder / FILES[as_]
    export(source, file if as_ in ("coco", "cvat") else folder / "out", as_=as_)
    return file


@pytest.mark.parametrize("as_", FILES)
def test_an_export_may_be_written_again(tmp_path, as_):
    first = exported(tmp_path, as_).read_bytes()
    assert (again := exported(tmp_path, as_).read_bytes())[:4] == first[:4]
    assert as_ == "npz" or again == first  # which holds the time


def edited(file: Path) -> None:
    """Change a file as programs do that keep what they do not know, its mark among it."""
    if file.suffix in (".zip", ".npz"):
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("more.npy", b"by hand")
    elif file.suffix == ".json":
        content = json.loads(file.read_text(encoding="utf-8"))
        content["annotations"].pop()
        file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    else:
        content = bytearray(file.read_bytes())
        content[-30] ^= 1
        file.write_bytes(content)


def without_mark(file: Path) -> None:
    """Write a file as an earlier version, or another program, did."""
    if file.suffix in (".zip", ".npz"):
        with zipfile.ZipFile(file, "a") as archive:
            archive.comment = b""
    elif file.suffix == ".json":
        content = json.loads(file.read_text(encoding="utf-8"))
        del content["info"]
        file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    else:
        picture = Image.open(file)
        picture.load()
        picture.info.clear()
        picture.save(file)


@pytest.mark.parametrize("change", [edited, without_mark])
@pytest.mark.parametrize("as_", FILES)
def test_what_no_export_wrote_or_was_changed_since_is_not_written_over(tmp_path, as_, change):
    file = exported(tmp_path, as_)
    change(file)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    before[file] = file.read_bytes()
    with pytest.raises(WsssError, match=r"a?\.\w+ is there already, is not what wsss has written and may hold work by"):
        exported(tmp_path, as_)
    assert {path: path.read_bytes() for path in before} == before
    file.unlink()
    exported(tmp_path, as_)


def test_polygons_that_may_be_corrected_by_hand_are_not_written_over(run, tmp_path):
    source, _ = run
    export(source, tmp_path / "out", as_="labelme")
    with pytest.raises(WsssError, match=r"a\.json is there already and may hold work by hand"):
        export(source, tmp_path / "out", as_="labelme")
