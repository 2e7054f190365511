"""Many stages, and two runs, in one folder at once: whole files, the results of one after another, one clear refusal."""

import random
import subprocess
import time
from pathlib import Path

import finished_run
import kills
import outcomes
import projects
import pytest

SEED = 5
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
    random.Random(SEED).shuffle(stages)
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


@pytest.mark.faults
def test_a_second_run_in_a_folder_is_refused(finished, tmp_path):
    project = finished_run.copied(finished, tmp_path / "project")
    for path in (project / "results").glob("psa_val_masks*"):
        path.unlink() if path.is_file() else [shard.unlink() for shard in path.iterdir()]
    (project / "results/psa_val_miou.json").unlink()
    first = started(kills.RUN, project)
    until = time.monotonic() + 120
    while not list((project / ".snakemake/locks").glob("*.lock")):
        assert first.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    second = kills.ended(kills.RUN, project)
    said = second.stdout + second.stderr
    refused = second.returncode == 1 and "LockException" in said and "Traceback" not in said
    outcomes.count("load: a second run", "told" if refused else f"silent: {said[-500:]}")
    assert refused, said
    words = first.communicate(timeout=600)[0]
    assert first.returncode == 0, words
    assert kills.compared(finished_run.digests(project), finished_run.digests(finished)) == "right"
