"""A finished run of the tiny configuration in two shards, and copies of it."""

import hashlib
import shutil
from pathlib import Path

import projects

OVERLAY = "{checkpoint_steps: 1, fit_crf: true, crf: {split: train, most_images: 4}}"
"""A training that is killed resumes at its last step; masks read the numbers of their CRF from a file."""

RUN = ("--cores", 2, "--set-scatter", "shards=2", "--configfile", "tiny.yaml", "overlay.yaml", "--")
TARGETS = [
    "results/psa_val_miou.txt",
    "results/psa_crf.json",
    "results/psa_examples.png",
    "results/cue_scores.json",
    "results/sec_segmenter.safetensors",
    "results/lcrf_segmenter.safetensors",
    "results/psa_relabels.h5",
]
"""Each stage but ablation and comparison, which would take more trainings, is needed for one of them."""

VARYING = {"logs", "benchmarks"}
"""Results that hold times, and differ between two undisturbed runs."""


def made(project: Path) -> Path:
    """A copy of the project whose workflow has been run."""
    prepared(project)
    run = projects.snakemake(project, *RUN, *TARGETS)
    assert run.returncode == 0, run.stdout + run.stderr
    return project


def prepared(project: Path) -> Path:
    """A copy of the project that is ready to be run."""
    projects.copied(project)
    (project / "overlay.yaml").write_text(OVERLAY)
    return project


def copied(finished: Path, folder: Path) -> Path:
    """A copy of a finished run, with what Snakemake knows of it."""
    shutil.copytree(finished, folder)
    return folder


def digests(project: Path) -> dict[str, str]:
    """The digest of each result that does not vary, hidden files included, by its path below the results."""
    results = project / "results"
    paths = (path for path in sorted(results.rglob("*")) if path.is_file())
    names = {path: path.relative_to(results) for path in paths}
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for path, name in names.items()
        if name.parts[0] not in VARYING
    }
