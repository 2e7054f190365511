"""The report of a large run: its size, the time to write it, and the time until a browser has drawn its first images.

    PYTHONPATH=. python benchmarks/report.py

Made-up photographs of 320 x 240 px, with the cues and predictions of one method. Without Debian's chromium and
playwright the last figure is left out.
"""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from wsss.datasets import manifest
from wsss.labels import Classes
from wsss.report import page
from wsss.stores import store

CLASSES = Classes.of({"cat": 1, "dog": 2, "sheep": 3})
SIZE = (240, 320)


def smooth(rng: np.random.Generator, cells: int, channels: int) -> np.ndarray:
    """Smooth noise in [0, 1], float (height, width, channels)."""
    coarse = rng.random((cells, cells, channels), np.float32)
    maps = [Image.fromarray(coarse[..., c]).resize(SIZE[::-1], Image.Resampling.BICUBIC) for c in range(channels)]
    return np.stack([np.asarray(each) for each in maps], axis=-1).clip(0, 1)


def labels(rng: np.random.Generator) -> np.ndarray:
    return smooth(rng, 6, 4).argmax(-1).astype(np.uint8)


def write_run(folder: Path, images: int) -> Path:
    """The folder of a run with so many images of train and of val."""
    rng = np.random.default_rng(0)
    rows = []
    for split in ("train", "val"):
        for number in range(images):
            name = f"{split}_{number}"
            texture = 0.8 * smooth(rng, 12, 3) + 0.2 * rng.random((*SIZE, 3))
            Image.fromarray((255 * texture).astype(np.uint8)).save(folder / f"{name}.jpg", quality=90)
            Image.fromarray(labels(rng)).save(folder / f"{name}.png")
            paths = folder / f"{name}.jpg", folder / f"{name}.png"
            rows.append(manifest.Row(name, split, *paths, ("cat", "dog"), "made up"))
    results = folder / "results"
    manifest.write(results / "images.csv", rows)
    manifest.write_classes(results / "classes.csv", CLASSES)

    def create(name: str, kind: str, split: str, settings: dict, arrays) -> None:
        with store.create(results / name, kind, classes=CLASSES, settings=settings, inputs={}) as target:
            for row in rows:
                if row.split == split:
                    target.add(row.id, SIZE, **arrays())

    def cam() -> dict:
        maps = smooth(rng, 5, 2)[::8, ::8].transpose(2, 0, 1).astype(np.float16)
        return {"cam": maps, "classes": np.array([1, 2], np.uint8)}

    both = lambda: {"plain": labels(rng), "refined": labels(rng)}  # noqa: E731
    create("cams.h5", "cams", "train", {"stride": 8}, cam)
    create("pseudo_masks.h5", "pseudo_masks", "train", {}, both)
    create("psa_val_masks.h5", "masks", "val", {}, both)
    return results


def seconds_to_draw(path: Path) -> float | None:
    """Until a browser has drawn an image of the page; None without one."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if not chromium:
        return None
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        began = time.perf_counter()
        opened.goto(path.as_uri())
        drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, 1, 1).data[3] === 255"
        opened.wait_for_function(f"[...document.querySelectorAll('article canvas')].slice(0, 1).some({drawn})")
        took = time.perf_counter() - began
        browser.close()
    return took


def main(images: int = 200) -> None:
    """Print the figures for so many images of train and of val."""
    with tempfile.TemporaryDirectory() as folder:
        results = write_run(Path(folder), images)
        target = results / "report.html"
        began = time.perf_counter()
        page.write([results], target, images=images, longest_px=320)
        took = time.perf_counter() - began
        size = target.stat().st_size
        print(
            f"{2 * images} images: {size / 1e6:.1f} MB, {size / 2000 / images:.0f} kB an image, written in {took:.1f} s"
        )
        drawn = seconds_to_draw(target)
        print(f"the first image is drawn after {drawn:.2f} s" if drawn else "no browser: the drawing was not measured")


if __name__ == "__main__":
    tyro.cli(main)
