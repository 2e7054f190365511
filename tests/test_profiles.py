"""profiles/: each rule goes to where its kind of work is done, and a scheduler is asked for what a rule needs."""

import os
import re
import subprocess

import projects
import pytest
import yaml
from projects import ROOT

ALL = ["all", "results/sec_ablation.csv", "results/psa_crf.json", "results/psa_relabels.h5"]


def resources_of_rules(project, *words):
    """What a dry run of everything prints, and the resources that it shows, by rule; rules that stay local left out."""
    dry = projects.snakemake(project, "--dry-run", *words, "--configfile", "tiny.yaml", "--", *ALL)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    listing = dry.stdout + dry.stderr
    blocks = re.findall(r"^(rule|localrule) (\w+):\n(?:.*\n)*?    resources: (.*)$", listing, re.M)
    listed = projects.snakemake(project, "--list-rules", *words).stdout
    assert {name for _, name, _ in blocks} == set(re.findall(r"^(\w+)(?: \(.*\))?$", listed, re.M))
    sent = [(name, text) for where, name, text in blocks if where == "rule" and name != "all"]
    return listing, {name: dict(re.findall(r"(\w+)=([^,]*)", text)) for name, text in sent}


@pytest.mark.parametrize(("profile", "place"), [("slurm", "slurm_partition"), ("generic", "queue")])
def test_rules_with_a_gpu_go_to_where_gpus_are_and_no_others(tmp_path, profile, place):
    project = projects.copied(tmp_path / "project")
    listing, rules = resources_of_rules(project, "--workflow-profile", f"profiles/{profile}")
    assert f"Using workflow specific profile profiles/{profile}" in listing
    assert "-of-8.h5" in listing
    with_gpu = {name for name, resources in rules.items() if int(resources["gpu"])}
    assert {"classifier", "cams", "psa_segmenter"} <= with_gpu < rules.keys()
    assert {name for name, resources in rules.items() if resources[place] == "gpu"} == with_gpu
    assert {resources[place] for name, resources in rules.items() if name not in with_gpu} == {"cpu"}
    named = yaml.safe_load((ROOT / f"profiles/{profile}/profile.yaml").read_text())["set-resources"]
    assert named.keys() == with_gpu  # Snakemake says nothing of a name that is no rule


@pytest.mark.parametrize("profile", ["slurm", "generic"])
def test_three_lines_are_a_sites_own(profile):
    lines = (ROOT / f"profiles/{profile}/profile.yaml").read_text().splitlines()
    assert len([line for line in lines if "# SITE: " in line]) == 3


def stand_in(folder, name, script):
    """A command that is found first on the PATH that is returned."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_another_scheduler_is_asked_for_what_a_rule_needs(tmp_path):
    project = projects.copied(tmp_path / "project")
    # runs the job at once
    lines = [f'echo "$@" >>{tmp_path}/asked', f'echo "$WSSS_LIBRARIES" >{tmp_path}/libraries']
    lines += ["while [ $# -gt 2 ]; do shift; done", 'JOB_ID=17 sh "$1" "$2" >&2', "echo 17"]
    path = stand_in(tmp_path / "bin", "qsub", "\n".join(lines))
    words = ["--workflow-profile", "profiles/generic", "--seconds-between-status-checks", 1]
    words += ["--set-resources", "images:mem_mb=6400", "--set-threads", "images=4"]
    words += ["--configfile", "tiny.yaml", "--directory", tmp_path / "elsewhere"]
    run = projects.snakemake(project, *words, "--", "results/images.csv", PATH=path, LD_LIBRARY_PATH="/some/lib")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "with external jobid '17'" in run.stdout + run.stderr
    assert (tmp_path / "elsewhere/results/images.csv").exists()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 2
    assert " -N wsss.training_images " in asked[0]
    for option in ["-N wsss.images", "-P project", "-pe smp 4", "-l mem_free=1600M", "-l h_rt=7200"]:
        assert f" {option} " in asked[1]
    assert not any("gpu" in words for words in asked)
    assert (tmp_path / "libraries").read_text() == "/some/lib\n"


# how a scheduler says that it has no such job
GONE = {
    "gridengine": ("qstat", "Following jobs do not exist: \\n17\\n"),
    "pbs": ("qstat", "qstat: Unknown Job Id 17\\n"),
    "lsf": ("bjobs", "Job <17> is not found\\n"),
}
FAILURE = "error: commlib error: got select error (Connection refused)\\n"


def status(folder, words, path):
    run = subprocess.run(
        ["sh", ROOT / "profiles/generic/status.sh", *words, "17"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    return run.stdout.strip() or run.stderr.strip()


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / ".snakemake/tmp.abc").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("scheduler", GONE)
def test_a_job_is_given_up_when_the_scheduler_has_not_known_it_for_a_while(workdir, scheduler):
    command, words = GONE[scheduler]
    path = stand_in(workdir / "bin", command, f"printf '{words}' >&2; exit 1")
    assert status(workdir, [scheduler, "60"], path) == "running"
    assert status(workdir, [scheduler, "0"], path) == "failed"
    assert status(workdir, [scheduler, "60"], path) == "running"
    stand_in(workdir / "bin", command, "echo RUN")  # known again: the next time is counted from its own start
    assert status(workdir, [scheduler, "60"], path) == "running"
    assert not (workdir / ".snakemake/17.missed").exists()


@pytest.mark.parametrize("scheduler", GONE)
def test_a_scheduler_that_does_not_answer_kills_no_job(workdir, scheduler):
    path = stand_in(workdir / "bin", GONE[scheduler][0], f"printf '{FAILURE}' >&2; exit 1")
    assert status(workdir, [scheduler, "0"], path) == "running"


@pytest.mark.parametrize(("code", "said"), [(0, "success"), (1, "failed"), (137, "failed")])
def test_what_a_job_says_of_itself_counts_first(workdir, code, said):
    path = stand_in(workdir / "bin", "qstat", f"printf '{GONE['gridengine'][1]}'")
    script = workdir / ".snakemake/tmp.abc/script.sh"
    script.write_text(f"exit {code}")
    job = ["sh", ROOT / "profiles/generic/job.sh", script]
    assert subprocess.run(job, env={**os.environ, "JOB_ID": "17"}).returncode == code
    assert status(workdir, ["gridengine", "0"], path) == said


def test_an_unknown_scheduler_is_named(workdir):
    said = status(workdir, ["slurm", "0"], os.environ["PATH"])
    assert "scheduler is 'slurm', expected gridengine, pbs or lsf" in said
