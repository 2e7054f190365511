"""Many stages in one folder at once: whole files, and the results of before. Two runs: one is refused."""

import random
import subprocess
import time
from pathlib import Path

import finished_run
import kills
import outcomes
import projects
import pytest

AT_ONCE = 8


def started(command: list[str], project: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command,
        cwd=project,
        env=projects.environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def at_once(stages: list[kills.Stage], project: Path) -> str:
    """What becomes of stages that are started together: each must end well, and change no result."""
    expected = finished_run.digests(project)
    running = [started([*kills.COMMAND, *stage.words], project) for stage in stages]
    said = [process.communicate(timeout=600)[0] for process in running]
    for process, stage, words in zip(running, stages, said, strict=True):
        if process.returncode:
            return f"traceback: {stage.name}: {words[-800:]}"
    return kills.compared(finished_run.digests(project), expected)


@pytest.mark.faults
def test_stages_may_write_into_one_folder_at_once(finished, tmp_path):
    """Also those that read what others replace at that time."""
    project = finished_run.copied(finished, tmp_path / "project")
    stages = [stage for stage in kills.stages(project) if stage.words not in kills.OF_SCORES]
    random.Random(outcomes.SEED).shuffle(stages)
    for first in range(0, len(stages), AT_ONCE):
        found = at_once(stages[first : first + AT_ONCE], project)
        outcomes.count("load: stages at once", found)
        assert found == "right"


@pytest.mark.faults
@pytest.mark.parametrize("name", ["saliency", "images", "classifier", "gather"])
def test_twins_may_write_one_file_at_once(finished, tmp_path, name):
    """Such as where a cluster restarts a job whose first process is alive."""
    project = finished_run.copied(finished, tmp_path / "project")
    (stage,) = (stage for stage in kills.stages(project) if stage.name == name)
    for path in stage.outputs():
        (project / path).unlink()
    twins = [started([*kills.COMMAND, *stage.words], project) for _ in range(AT_ONCE)]
    said = [process.communicate(timeout=600)[0] for process in twins]
    assert [process.returncode for process in twins] == [0] * AT_ONCE, said
    found = kills.compared(finished_run.digests(project), finished_run.digests(finished))
    outcomes.count("load: one stage at once", found)
    assert found == "right"


@pytest.fixture
def unfinished(finished, tmp_path) -> Path:
    """A run that lacks its last stages."""
    project = finished_run.copied(finished, tmp_path / "project")
    for path in (project / "results").rglob("psa_val_m*/*.h5"):
        path.unlink()
    for name in ("psa_val_masks.h5", "psa_val_miou.json", "psa_val_miou.txt"):
        (project / "results" / name).unlink()
    return project


def running(project: Path) -> subprocess.Popen:
    """A run that has the lock of its folder."""
    process = started(kills.RUN, project)
    until = time.monotonic() + 120
    while not list((project / ".snakemake/locks").glob("*.lock")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    return process


def is_refusal(status: int, said: str) -> bool:
    return status == 1 and "LockException" in said and "Traceback" not in said


@pytest.mark.faults
def test_a_second_run_in_a_folder_is_refused(finished, unfinished):
    first = running(unfinished)
    second = kills.ended(kills.RUN, unfinished)
    said = second.stdout + second.stderr
    found = "told" if is_refusal(second.returncode, said) else f"silent: {said[-500:]}"
    outcomes.count("load: a second run", found)
    assert found == "told"
    words = first.communicate(timeout=600)[0]
    assert first.returncode == 0, words
    assert kills.compared(finished_run.digests(unfinished), finished_run.digests(finished)) == "right"


@pytest.mark.faults
@pytest.mark.parametrize("seconds", [0, 2, 4])
def test_of_two_runs_after_a_killed_one_one_is_refused(finished, unfinished, seconds):
    """Both find a lock that nobody holds: neither may take away that of the other."""
    killed = running(unfinished)
    killed.kill()
    killed.communicate()
    runs = [started(kills.RUN, unfinished)]
    time.sleep(seconds)
    runs.append(started(kills.RUN, unfinished))
    said = [run.communicate(timeout=600)[0] for run in runs]
    refused = [is_refusal(run.returncode, words) for run, words in zip(runs, said, strict=True)]
    found = "told" if sorted(refused) == [False, True] else f"silent: {said}"
    outcomes.count("load: two runs after a killed one", found)
    assert found == "told"
    assert sorted(run.returncode for run in runs) == [0, 1]
    assert kills.compared(finished_run.digests(unfinished), finished_run.digests(finished)) == "right"
