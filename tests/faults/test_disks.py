"""Each stage on a disk that is full at a random place, with files that may not be longer, and on one that is read-only.

One line tells; what is there is whole; and once there is room, the same command ends with the results of before.
"""

import contextlib
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import disks
import finished_run
import kills
import outcomes
import preloaded
import projects
import pytest

ROOM = 2**26
"""Bytes that are left of the disk beside the results: more than any stage of the tiny configuration writes anew."""

NO_ROOM = ("full disk", "limit of files")

OF_EARLIER_STEPS = ("checkpoints/", "curves/")
"""What a training leaves may be whole and differ: it goes on from there."""


@contextlib.contextmanager
def on_a_disk_of_its_own(project: Path) -> Iterator[None]:
    """The results of a run on a disk with little room."""
    results, kept = project / "results", project / "kept"
    results.rename(kept)
    results.mkdir()
    pages = sum(-(-path.lstat().st_size // 4096) + 1 for path in kept.rglob("*"))
    with disks.mounted(results, pages * 4096 + ROOM):
        shutil.copytree(kept, results, dirs_exist_ok=True)
        yield


@contextlib.contextmanager
def full(results: Path, free: int) -> Iterator[None]:
    """So many bytes of the disk, and less than a page more, are free."""
    filler = results / "filler"
    room = os.statvfs(results)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - free // 4096 * 4096)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(results: Path) -> Iterator[None]:
    disks.mount("-o", "remount,ro", results)
    try:
        yield
    finally:
        disks.mount("-o", "remount,rw", results)


def on_a_read_only_disk(stage: kills.Stage, project: Path) -> str:
    """What becomes of a stage that may not write; it has no log, which would be all that fails."""
    expected = finished_run.digests(project)
    with read_only(project / "results"):
        run = ended([preloaded.commands() / "wsss", *kills.without_log(stage.words)], project)
    found = told(run, "Read-only file system")
    return found if (same := kills.compared(finished_run.digests(project), expected)) == "right" else same


def without_room(stage: kills.Stage, project: Path, fault: str, generator: random.Random) -> str:
    """What becomes of a stage whose results find no room, and of the same command once there is some."""
    expected = finished_run.digests(project)
    paths = [project / path for path in stage.outputs()]
    files = [each for path in paths for each in (path.rglob("*") if path.is_dir() else [path]) if each.is_file()]
    sizes = [path.stat().st_size for path in files]
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    command = [preloaded.commands() / "wsss", *stage.words]
    if fault == "limit of files":
        limited = [*kills.COMMAND, *stage.words]  # a process of its own, which the limit holds for
        found = told(ended(limited, project, most=generator.randrange(max(sizes))), "File too large")
    else:
        with full(project / "results", generator.randrange(sum(sizes))):
            found = told(ended(command, project), "No space left")
    left = finished_run.digests(project)
    half = [name for name in left if left[name] != expected.get(name) and not name.startswith(OF_EARLIER_STEPS)]
    again = ended(command, project)
    if again.returncode:
        return f"traceback: afterwards, {again.stderr[-500:]}"
    if half or "from scratch" in again.stderr:
        return f"silent: half files {half or again.stderr}"
    return found if (same := kills.compared(finished_run.digests(project), expected)) == "right" else same


def ended(command: list[str | Path], project: Path, most: int = resource.RLIM_INFINITY) -> subprocess.CompletedProcess:
    """Run a command that may write `most` bytes into a file."""
    words = ["prlimit", f"--fsize={most}", *command] if most != resource.RLIM_INFINITY else command
    return subprocess.run(
        words, cwd=project, env=projects.environment(project), capture_output=True, text=True, timeout=300, check=False
    )


def told(run: subprocess.CompletedProcess, error: str) -> str:
    """Whether a command that was to fail told it in one error that names a file and the way out."""
    if run.returncode == 0:
        return "right"  # what was written took less room
    errors = [line.partition("error: ")[2] for line in run.stderr.splitlines() if "error: " in line]
    if "Traceback" in run.stderr or run.returncode != 1:
        return f"traceback: {run.returncode}, {run.stderr[-800:]}"
    if len(errors) != 1 or error not in errors[0]:
        return f"unclear: {run.stderr[-800:]}"
    return outcomes.of_message(errors[0], "results/")


@pytest.mark.faults
def test_stages_on_failing_disks(finished, tmp_path):
    generator = random.Random(outcomes.SEED)
    stages = [stage for stage in kills.stages(finished) if stage.words not in kills.OF_SCORES]

    def tried(stage: kills.Stage, seed: float) -> list[str]:
        project = finished_run.copied(finished, tmp_path / stage.name)
        with on_a_disk_of_its_own(project):
            for fault in (*NO_ROOM, "read-only disk"):
                if fault in NO_ROOM:
                    found = without_room(stage, project, fault, random.Random(seed))
                else:
                    found = on_a_read_only_disk(stage, project)
                outcomes.count(f"disk: {fault}", found)
                if found not in ("right", "told"):  # and the results are not those that the next fault begins with
                    return [f"{stage.name}, {fault}: {found}"]
        shutil.rmtree(project)
        return []

    with ThreadPoolExecutor(2) as pool:
        wrong = pool.map(tried, stages, [generator.random() for _ in stages])
        assert [line for lines in wrong for line in lines] == []
