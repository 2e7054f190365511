"""A small run on real photographs, whose scores are compared with recorded ones: before a release.

    PYTHONPATH=. python benchmarks/results_guard.py --root data/voc12-animals

`--root` is a folder as presets/voc12_animals.yaml wants it. PSA runs on every n-th of the sorted photographs that have
masks, with that preset and few epochs, in a temporary folder. The exit status is 1 where a score fell by more than
`TOLERANCE`, or where the recorded ones are of other photographs or settings. `--record` writes the scores beside this
script instead of comparing them.
"""

import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro
import yaml

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).with_suffix(".json")
LISTS = {"train": 64, "val": 32}
"""How many photographs of each list are taken."""

OVERLAY = {
    "methods": ["psa"],
    "classifier": {"epochs": 16},
    "affinity_net": {"epochs": 3},
    "psa_segmenter": {"epochs": 16},
}
"""Beside the preset: 64 steps for the classifier and the segmenter, 24 for AffinityNet."""

TOLERANCE = 0.04
"""A fall of mIoU that is none yet. One machine gives the same digits each time, but the same settings gave 98.9 on one
processor and, after sums were put in another order, 95.5 (docs/first_steps.md); few photographs spread no less."""


def main(root: Path = Path("data/voc12-animals"), cores: int = 2, record: bool = False) -> None:
    """Run, then compare or record.

    Args:
        root: folder of the photographs, in the layout of VOC's devkit.
        cores: of the run.
        record: keep the scores as those to compare with.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        taken = lay_out(root, Path(folder) / "photographs")
        scores = run(Path(folder), cores)
    found = {"of": of(taken), "scores": scores}
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    if record:
        RECORD.write_text(json.dumps(found, indent=2) + "\n")
        print(f"recorded in {RECORD}")
    elif not RECORD.exists():
        sys.exit(f"error: nothing is recorded yet in {RECORD}: run once with --record at a version that is trusted")
    else:
        lines, fell = compared(json.loads(RECORD.read_text()), found)
        print("\n".join(lines))
        sys.exit(1 if fell else 0)


def every_nth(ids: list[str], number: int) -> list[str]:
    """So many of the sorted ids, evenly spaced from the first one on; all where there are no more."""
    ids = sorted(ids)
    return ids[:: max(1, len(ids) // number)][:number]


def lay_out(root: Path, folder: Path) -> dict[str, list[str]]:
    """A data set of links to a part of another one; returns the ids of each list."""
    if not (root / "ImageSets/Segmentation").is_dir():
        sys.exit(f"error: {root} is no folder in VOC's layout, with ImageSets/Segmentation: give it by ROOT=…")
    lists = folder / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for name in ("JPEGImages", "SegmentationClass", "image_labels.txt"):
        (folder / name).symlink_to((root / name).resolve())
    taken = {}
    for name, number in LISTS.items():
        ids = (root / f"ImageSets/Segmentation/{name}.txt").read_text().split()
        taken[name] = every_nth([i for i in ids if (root / f"SegmentationClass/{i}.png").exists()], number)
        (lists / f"{name}.txt").write_text("".join(f"{image_id}\n" for image_id in taken[name]))
    return taken


def run(folder: Path, cores: int) -> dict[str, float]:
    """The mIoU of each kind of maps, of a run in a folder that holds the photographs."""
    overlay = OVERLAY | {"images": {"root": str(folder / "photographs"), "extra": ""}}
    (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    words = ["--cores", cores, "--snakefile", ROOT / "Snakefile", "--directory", folder]
    words += ["--configfile", ROOT / "presets/voc12_animals.yaml", folder / "overlay.yaml"]
    words += ["--", "results/comparison.csv"]
    if subprocess.run([sys.executable, "-m", "snakemake", *map(str, words)], check=False).returncode:
        sys.exit("error: the run did not finish: its lines above say why")
    return read((folder / "results/comparison.csv").read_text())


def read(table: str) -> dict[str, float]:
    """The scores in a text of comparison.csv, by what was scored; those of a threshold chosen by masks are left out."""
    rows = csv.DictReader(table.splitlines())
    return {f"{row['maps']} ({row['split']})": float(row["miou"]) for row in rows if "oracle" not in row["maps"]}


def of(taken: dict[str, list[str]]) -> dict[str, object]:
    """What scores are of: the photographs and what differs from the preset."""
    ids = hashlib.sha256(json.dumps(taken).encode()).hexdigest()[:16]
    return {"images": {name: len(each) for name, each in taken.items()}, "ids": ids, "overlay": OVERLAY}


def compared(recorded: dict, found: dict) -> tuple[list[str], bool]:
    """A line for each score, and whether any fell by more than the tolerance or cannot be compared."""
    if recorded["of"] != found["of"]:
        return [f"recorded of {recorded['of']}", f"found of {found['of']}", "they cannot be compared: --record"], True
    lines, fell = [], False
    for name in dict.fromkeys([*recorded["scores"], *found["scores"]]):
        before, now = (scores.get(name) for scores in (recorded["scores"], found["scores"]))
        bad = before is None or not (now is not None and now >= before - TOLERANCE)  # a NaN is no score either
        shown = " ".join("    -" if score is None else f"{100 * score:5.1f}" for score in (before, now))
        lines.append(f"{name:<40} {shown}{'  FELL OR MISSING' if bad else ''}")
        fell |= bad
    return lines, fell


if __name__ == "__main__":
    tyro.cli(main)
