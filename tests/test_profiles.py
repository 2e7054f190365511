"""profiles/: each rule goes to where its kind of work is done, and a scheduler is asked for what a rule needs."""

import os
import re

import projects
import pytest
import yaml
from projects import ROOT

ALL = ["all", "results/sec_ablation.csv", "results/psa_crf.json"]


def resources_of_rules(project, *words):
    """What a dry run of everything prints, and the resources that it shows, by rule; rules that stay local left out."""
    dry = projects.snakemake(project, "--dry-run", *words, "--configfile", "tiny.yaml", "--", *ALL)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    listing = dry.stdout + dry.stderr
    blocks = re.findall(r"^(rule|localrule) (\w+):\n(?:.*\n)*?    resources: (.*)$", listing, re.M)
    listed = projects.snakemake(project, "--list-rules").stdout
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


def test_another_scheduler_is_asked_for_what_a_rule_needs(tmp_path):
    project = projects.copied(tmp_path / "project")
    (tmp_path / "bin").mkdir()
    qsub = tmp_path / "bin/qsub"  # runs the job at once
    qsub.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nfor script; do :; done\nsh "$script" >&2\necho 17\n')
    qsub.chmod(0o755)
    words = ["--workflow-profile", "profiles/generic", "--configfile", "tiny.yaml"]
    words += [
        "--seconds-between-status-checks",
        1,
        "--set-resources",
        "images:mem_mb=6400",
        "--set-threads",
        "images=4",
    ]
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    run = projects.snakemake(project, *words, "--", "results/images.csv", PATH=path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "with external jobid '17'" in run.stdout + run.stderr
    assert (project / "results/images.csv").exists()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 1
    for option in ["-N wsss.images", "-P project", "-pe smp 4", "-l mem_free=1600M", "-l h_rt=7200", "-l gpu=0"]:
        assert f" {option} " in asked[0]
