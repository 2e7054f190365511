"""Kills of stages and of Snakemake: the same command finishes what they left, with the same files, and no orphan."""

import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import finished_run
import kills
import outcomes
import projects
import pytest

DRAWING = (
    "training_images --training_images results/training_images.csv --classes_table results/classes.csv --dataset shapes"
    " --root results/shapes --tags file --table= --train train --extra= --val val --test= --val_share 0"
    " --crf_fit_images 0 --masks SegmentationClass --longest_px 0 --download False --shapes_train 60 --shapes_val 4"
    " --shapes_size 64 --shapes_seed 0 --classes --threads 2"
)


def test_a_killed_drawing_is_finished(tmp_path):
    project = projects.copied(tmp_path / "project")
    stage = kills.Stage(tuple(DRAWING.split()), 1.5)
    assert kills.ended([*kills.COMMAND, *stage.words], project).returncode == 0
    for number, moment in kills.moments(1, 2, least=0.5, most=1):
        assert kills.of_stage(stage, project, number, moment) == "right"


@pytest.mark.faults
def test_killed_stages_are_finished(finished, tmp_path):
    drawn = random.Random(outcomes.SEED)
    tasks = [(stage, number, drawn.uniform(0.1, 1.2)) for stage in kills.stages(finished) for number in kills.SIGNALS]

    def killed(task: tuple) -> str:
        stage, number, moment = task
        project = finished_run.copied(finished, tmp_path / f"{stage.name}_{number.name}")
        found = kills.of_stage(stage, project, number, moment)
        shutil.rmtree(project)
        outcomes.count("kill: stages", found)
        return found if found == "right" else f"{stage.name}, {number.name} at {moment}: {found}"

    with ThreadPoolExecutor(2) as pool:
        assert [found for found in pool.map(killed, tasks) if found != "right"] == []


@pytest.mark.faults
def test_a_killed_run_is_finished(finished, tmp_path):
    project = finished_run.prepared(tmp_path / "project")
    moments = kills.moments(outcomes.SEED, 14, least=3, most=15)
    found = kills.of_snakemake(project, finished_run.digests(finished), moments)
    for outcome in found:
        outcomes.count("kill: Snakemake", outcome)
    assert [outcome for outcome in found if outcome != "right"] == []
