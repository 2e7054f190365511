"""A finished run of eight small pictures, whose classes have the names that pages get wrong."""

from dataclasses import replace

import numpy as np
from PIL import Image
from settings import PSA, SAID

from wsss.datasets import manifest
from wsss.labels import Classes
from wsss.stages.cue_scores import cue_scores
from wsss.stages.miou import miou
from wsss.stores import store

CLASSES = Classes(("background", "<script>alert(1)</script>", "dog & cat"), (0, 1, 2))
SIZE = (24, 32)
SPLITS = {"train": 3, "val": 5}
SETTINGS = {
    "supervision": "tags",
    "image_prior": 0,
    **SAID,
    "scales": (1.0,),
    "warped_px": 0,
    "fitted": "no",
    **vars(replace(PSA, engine="none")),
}


def truth_of(number):
    """A mask whose left part is of one class; how wide it is depends on the number."""
    mask = np.zeros(SIZE, np.uint8)
    mask[:, : 8 + 4 * (number % 3)] = 1 + number % 2
    return mask


def predicted(number):
    """The truth where the number is 0, and the more wrong the higher it is."""
    labels = truth_of(number)
    labels[: 4 * number] = 2
    return labels


def rows_of(folder, *, masks):
    for split, count in SPLITS.items():
        for number in range(count):
            name = f"{split} {number}/é"
            photograph = folder / f"{split}{number}.png"
            rng = np.random.default_rng(number)
            Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(photograph)
            mask = folder / f"{split}{number}_mask.png"
            Image.fromarray(truth_of(number)).save(mask)
            tag = CLASSES.names[1 + number % 2]
            yield manifest.Row(name, split, photograph, mask if masks else None, (tag,), "test")


def write_run(folder, *, masks=True):
    """The files of a run in a folder; returns the folder."""
    results = folder / "results"
    results.mkdir(parents=True)
    rows = list(rows_of(folder, masks=masks))
    manifest.write(results / "images.csv", rows)
    manifest.write_classes(results / "classes.csv", CLASSES)

    def create(name, kind, split, settings, arrays):
        about = {"classes": CLASSES, "settings": settings, "inputs": {}}
        with store.create(results / name, kind, **about) as target:
            for number, row in enumerate(row for row in rows if row.split == split):
                target.add(row.id, SIZE, **arrays(number))

    def cam(number):
        grid = np.linspace(0, 1, 48, dtype=np.float16).reshape(1, 6, 8)
        return {"cam": grid, "classes": np.array([1 + number % 2], np.uint8)}

    def scores(number):
        share = np.float16(0.9 - 0.1 * number)
        return {"scores": np.stack([np.full((6, 8), value, np.float16) for value in (share, 1 - share, 0)])}

    create("cams.h5", "cams", "train", {"stride": 4}, cam)
    create("seeds.h5", "seeds", "train", {"cells": 4}, lambda number: {"labels": np.full((4, 4), 255, np.uint8)})
    both = {"engine": "none"}
    create("pseudo_masks.h5", "pseudo_masks", "train", both, lambda number: {"plain": predicted(number)})
    create("psa_val_scores.h5", "scores", "val", SETTINGS | {"stride": 4}, scores)
    create("psa_val_masks.h5", "masks", "val", SETTINGS, lambda number: {"plain": predicted(number)})
    create("psa_variant_val_masks.h5", "masks", "val", SETTINGS, lambda number: {"plain": predicted(0 * number)})
    if masks:
        score_run(results)
    write_records(results)
    return results


def score_run(results):
    images = results / "images.csv"
    table = results / "psa_val_miou"
    texts = {"text": table.with_suffix(".txt"), "json": table.with_suffix(".json")}
    miou(images=images, masks=results / "psa_val_masks.h5", split="val", **texts)
    cues = {"cams": [results / "cams.h5"], "cues": (results / "pseudo_masks.h5",)}
    cue_scores(images=images, **cues, background=0.2, oracle=(0.1, 0.3), json=results / "cue_scores.json")


def write_records(results):
    for folder in ("benchmarks", "curves", "logs"):
        (results / folder).mkdir()
    (results / "benchmarks/classifier.tsv").write_text("s\th:m:s\tmax_rss\n12.5\t0:00:12\t345.6\n")
    (results / "benchmarks/images.tsv").write_text("s\th:m:s\tmax_rss\n0.5\t0:00:00\t-\n")
    (results / "curves/classifier.csv").write_text("step,learning_rate,loss\n0,0.1,0.7\n1,0.1,0.5\n2,0.1,0.4\n")
    lines = [
        "$ wsss classifier --epochs 3 --learning_rate 5e-3 --threads 2",
        "by wsss 1.2.3 (commit abcdef), torch 2.9, Python 3.12",
        "on A processor, 2 cores",
        "for snakemake --cores 2 '<results>'",
    ]
    (results / "logs/classifier.log").write_text("".join(f"12:00:00 {line}\n" for line in lines))
