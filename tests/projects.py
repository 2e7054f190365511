"""Copies of the project for tests that run its workflow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import preloaded

ROOT = Path(__file__).parent.parent


def copied(folder: Path) -> Path:
    """What a run of the workflow takes, package included, in a folder that is made."""
    folder.mkdir()
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "wsss"):
        source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
    shutil.copy(ROOT / "tests/tiny.yaml", folder)
    return folder


def environment(project: Path) -> dict[str, str]:
    """That of commands which use the copy's package."""
    return {**os.environ, "PYTHONPATH": str(project), "PYTHONWARNINGS": "ignore"}


def command(*words: object) -> list[str]:
    """snakemake, of the Python that runs the tests."""
    return [sys.executable, "-m", "snakemake", *map(str, words)]


def snakemake(project: Path, *words: object, **more: str) -> subprocess.CompletedProcess:
    """Run the copy's workflow to its end, with changes of the environment, whatever becomes of it."""
    return ended(preloaded.commands() / "snakemake", *words, folder=project, **more)


def ended(*command: object, folder: Path, **more: str) -> subprocess.CompletedProcess:
    """Run a command in a copy of the project, with the copy's package and changes of the environment."""
    environment_of_it = {**environment(folder), **more}
    return subprocess.run(
        [*map(str, command)], cwd=folder, env=environment_of_it, capture_output=True, text=True, check=False
    )
