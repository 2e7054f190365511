"""Download VOC 2012 and SBD from their own sites, by torchvision, and build the training list train_aug."""

import http.client
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from wsss.datasets import pictures
from wsss.datasets.voc import read_list
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent
from wsss.runtime.progress import track

FAILURES = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError)
SBD_PARTS = ("cls", "img", "inst", "train.txt", "val.txt", "benchmark_RELEASE")


def download(root: Path) -> None:
    """Download VOC 2012 and SBD into the root and write the list train_aug; do nothing if that list exists.

    train_aug is VOC's train and all of SBD except VOC's val. SegmentationClassAug gets VOC's own masks for VOC's train,
    and SBD's masks, which have no void, for the rest. After an interruption, complete parts are not downloaded again.

    Raises:
        WsssError: an archive could not be downloaded or unpacked.
    """
    target = root / "ImageSets" / "Segmentation" / "train_aug.txt"
    if target.exists():
        return
    archives = root / "download.partial"
    archives.mkdir(parents=True, exist_ok=True)
    if not _has_voc(root):
        _fetch("VOC 2012", lambda: _voc(root, archives), archives)
    _fetch("SBD", lambda: _sbd(archives), archives)
    ids = _train_aug_masks(root, archives)
    with whole_or_absent(target) as partial:
        partial.write_text("".join(f"{image_id}\n" for image_id in ids))
    shutil.rmtree(archives)


def _fetch(name: str, action: Callable[[], None], archives: Path) -> None:
    try:
        action()
    except FAILURES as error:
        reason = " ".join(str(error).split())
        raise WsssError(
            f"{name} could not be downloaded ({reason}): try again, or put its archive into {archives} yourself"
        ) from error


def _has_voc(root: Path) -> bool:
    lists = root / "ImageSets" / "Segmentation"
    needed = [lists / "train.txt", lists / "val.txt", root / "JPEGImages", root / "SegmentationClass"]
    return all(path.exists() for path in needed)


def _voc(root: Path, archives: Path) -> None:
    from torchvision.datasets import VOCSegmentation

    VOCSegmentation(archives, year="2012", image_set="train", download=True)
    folders = sorted((archives / "VOCdevkit" / "VOC2012").iterdir(), key=lambda folder: folder.name == "ImageSets")
    for folder in folders:  # the lists are moved last: their presence means that the rest is complete
        if not (root / folder.name).exists():
            folder.rename(root / folder.name)
    if not _has_voc(root):
        raise RuntimeError(f"{root} already has some of its folders, and they are incomplete: move them away")


def _sbd(archives: Path) -> None:
    from torchvision.datasets import SBDataset

    if (archives / "val.txt").exists():  # the file that torchvision moves into place last
        return
    for part in SBD_PARTS:
        path = archives / part
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
    SBDataset(archives, image_set="train", mode="segmentation", download=True)


def _train_aug_masks(root: Path, archives: Path) -> list[str]:
    """Write SegmentationClassAug; returns the ids of train_aug, sorted."""
    from scipy.io import loadmat

    train, val = read_list(root, "train"), read_list(root, "val")
    sbd = [line.strip() for name in ("train", "val") for line in (archives / f"{name}.txt").read_text().splitlines()]
    added = sorted(set(filter(None, sbd)) - {*train, *val})
    masks = root / "SegmentationClassAug"
    masks.mkdir(exist_ok=True)
    for image_id in train:
        shutil.copyfile(root / "SegmentationClass" / f"{image_id}.png", masks / f"{image_id}.png")
    for image_id in track(added, "SBD masks", total=len(added)):
        mask = loadmat(archives / "cls" / f"{image_id}.mat")["GTcls"]["Segmentation"][0, 0]
        pictures.write_mask(masks / f"{image_id}.png", mask)
    return sorted([*train, *added])
