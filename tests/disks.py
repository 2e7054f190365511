"""Disks of a test's own, in memory."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=True)


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[None]:
    """A disk of so many bytes in the place of an empty folder; the test is skipped where none may be mounted."""
    try:
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"only root may mount a disk, and not in every container: {error.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
