import functools
import gc
import hashlib
import http.server
import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from wsss.datasets import download as source
from wsss.datasets import masks as true_masks
from wsss.datasets.download import download
from wsss.labels import VOC_CLASSES, Classes
from wsss.runtime.errors import WsssError

CLASSES = Classes.of({name: value for value, name in enumerate(VOC_CLASSES, 1)})
TRAIN, VAL, OTHER = "2007_000001", "2007_000002", ["2008_000003", "2008_000004"]
SBD = {"train": [VAL, OTHER[1]], "val": [TRAIN, OTHER[0]]}
LIST = "ImageSets/Segmentation/train_aug.txt"


def archive(path: Path, mode: str, files: dict[str, bytes]) -> str:
    """Write a tar; returns its MD5."""
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


def picture(value: int | None) -> bytes:
    """A mask full of the value, or a photograph."""
    buffer = io.BytesIO()
    if value is None:
        Image.new("RGB", (5, 4)).save(buffer, "JPEG")
    else:
        Image.fromarray(np.full((4, 5), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def sbd_mask(value: int) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {"GTcls": {"Segmentation": np.full((4, 5), value, np.uint8), "CategoriesPresent": value}})
    return buffer.getvalue()


def voc_files() -> dict[str, bytes]:
    files = {f"JPEGImages/{image_id}.jpg": picture(None) for image_id in (TRAIN, VAL, *OTHER)}
    files |= {f"SegmentationClass/{image_id}.png": picture(255) for image_id in (TRAIN, VAL)}
    files |= {f"Annotations/{TRAIN}.xml": b"<annotation/>"}
    lists = {"train": TRAIN, "val": VAL}
    files |= {f"ImageSets/Segmentation/{name}.txt": f"{image_id}\n".encode() for name, image_id in lists.items()}
    return {f"VOCdevkit/VOC2012/{name}": content for name, content in files.items()}


def sbd_files() -> dict[str, bytes]:
    ids = sorted({*SBD["train"], *SBD["val"]})
    files = {f"cls/{image_id}.mat": sbd_mask(number) for number, image_id in enumerate(ids, 1)}
    files |= {f"{folder}/{image_id}.dat": b"" for folder in ("img", "inst") for image_id in ids}
    files |= {f"{name}.txt": "".join(f"{image_id}\n" for image_id in listed).encode() for name, listed in SBD.items()}
    return {f"benchmark_RELEASE/dataset/{name}": content for name, content in files.items()}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with both archives, served on this machine, with torchvision's addresses pointed at it."""
    from torchvision.datasets import SBDataset
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    voc = DATASET_YEAR_DICT["2012"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setitem(voc, "md5", archive(folder / "voc.tar", "w", voc_files()))
        monkeypatch.setitem(voc, "url", f"{address}/voc.tar")
        monkeypatch.setattr(SBDataset, "md5", archive(folder / "sbd.tgz", "w:gz", sbd_files()))
        monkeypatch.setattr(SBDataset, "url", f"{address}/sbd.tgz")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield folder
        server.shutdown()


def assert_complete(root: Path) -> None:
    assert (root / LIST).read_text().split() == [TRAIN, *OTHER]
    masks = root / "SegmentationClassAug"
    assert sorted(path.stem for path in masks.iterdir()) == [TRAIN, *OTHER]
    assert [int(true_masks.read(masks / f"{image_id}.png", CLASSES).max()) for image_id in (TRAIN, *OTHER)] == [
        255,
        3,
        4,
    ]
    with Image.open(masks / f"{OTHER[0]}.png") as mask:
        assert mask.mode == "P"
    assert (root / f"JPEGImages/{OTHER[1]}.jpg").exists()
    assert (root / f"Annotations/{TRAIN}.xml").exists()
    assert not (root / "download.partial").exists()


def test_download(tmp_path, site):
    root = tmp_path / "data" / "voc"
    download(root)
    assert_complete(root)
    for path in site.iterdir():
        path.unlink()
    made = (root / LIST).stat().st_mtime_ns
    download(root)  # does nothing
    assert (root / LIST).stat().st_mtime_ns == made


def test_after_an_interruption_nothing_is_downloaded_again(tmp_path, site, monkeypatch):
    root = tmp_path / "voc"
    with monkeypatch.context() as patch:
        patch.setattr(source.pictures, "write_mask", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            download(root)
    assert not (root / LIST).exists()
    for path in site.iterdir():
        path.unlink()
    download(root)
    assert_complete(root)


def test_a_partly_unpacked_archive_is_unpacked_again(tmp_path, site):
    root = tmp_path / "voc"
    partly = root / "download.partial"
    (partly / "cls").mkdir(parents=True)
    (partly / "VOCdevkit/VOC2012/ImageSets").mkdir(parents=True)
    download(root)
    assert_complete(root)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # urllib's error keeps its socket open until it is collected
def test_a_failed_download_is_one_line(tmp_path, site):
    root = tmp_path / "voc"
    (site / "sbd.tgz").unlink()
    with pytest.raises(WsssError, match="SBD could not be downloaded .*404.*: try again, or put its archive") as caught:
        download(root)
    assert "\n" not in str(caught.value)
    (site / "voc.tar").write_bytes(b"something else")
    with pytest.raises(WsssError, match=r"VOC 2012 could not be downloaded \(File not found or corrupted"):
        download(tmp_path / "elsewhere")
    del caught
    gc.collect()


def test_incomplete_folders_are_refused(tmp_path, site):
    root = tmp_path / "voc"
    (root / "ImageSets").mkdir(parents=True)
    with pytest.raises(WsssError, match="move them away"):
        download(root)
