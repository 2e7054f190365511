"""The walk of docs/adding_a_method.md, carried out on a copy of the project: each block is a file or an edit."""

import ast
import json
import os
import re
import subprocess
import sys

import projects
import pytest
import yaml
from projects import ROOT

BLOCK = re.compile(r'^```\w+ title="([^"]+)"(?: (after|replace)="((?:[^"\\]|\\.)*)")?\n(.*?)^```$', re.M | re.S)
NEW_FILES = 6
EDITED = {
    "wsss/cli.py",
    "workflow/rules/common.smk",
    "config.yaml",
    "workflow/config.schema.yaml",
    "tests/test_layers.py",
    "tests/tiny.yaml",
    "profiles/slurm/profile.yaml",
    "profiles/generic/profile.yaml",
}


def steps():
    """(path, how, place, text) of each block of the page, in order; `how` is empty for a new file."""
    page = (ROOT / "docs/adding_a_method.md").read_text()
    return [(path, how, place.replace('\\"', '"'), text) for path, how, place, text in BLOCK.findall(page)]


def carried_out(folder):
    """Follow the steps in a copy of the project."""
    for path, how, place, text in steps():
        file = folder / path
        if not how:
            assert not file.exists(), f"{path} is there already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            continue
        before = file.read_text()
        old, new = (f"\n{place}\n", f"\n{place}\n{text}") if how == "after" else (place, text.rstrip("\n"))
        assert before.count(old) == 1, f"{path}: {place!r} stands there {before.count(old)} times"
        file.write_text(before.replace(old, new))


def digests(folder):
    """The digest of the code of each stage of a copy."""
    program = "from wsss.cli import STAGES; from wsss.runtime import provenance; import json; "
    program += "print(json.dumps({stage: provenance.code(stage) for stage in STAGES}))"
    run = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A copy of the project with the method, and the digests of the stages before."""
    copy = projects.copied(tmp_path_factory.mktemp("walk") / "project")
    (copy / "tests").mkdir()
    for name in ("test_layers.py", "conftest.py", "tiny.yaml"):
        (copy / f"tests/{name}").write_bytes((ROOT / f"tests/{name}").read_bytes())
    (copy / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    before = digests(copy)
    carried_out(copy)
    return copy, before


def test_few_files_that_exist_are_touched():
    touched = {path for path, how, _, _ in steps() if how}
    assert touched == EDITED and len({path for path, how, _, _ in steps() if not how}) == NEW_FILES


def test_no_other_stage_has_another_digest(walked):
    copy, before = walked
    after = digests(copy)
    assert after.keys() - before.keys() == {"mil_segmenter"}
    assert {stage: after[stage] for stage in before} == before


def test_its_files_are_python():
    for path, _, _, text in steps():
        if path.endswith(".py") and not path.endswith(("cli.py", "test_layers.py")):
            ast.parse(text)


def test_its_own_tests_and_the_order_of_rooms_hold(walked):
    copy, _ = walked
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "pytest", "-q", "tests/mil", "tests/test_layers.py"]
    run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("profile", ["slurm", "generic"])
def test_a_cluster_trains_it_where_the_other_trainings_run(walked, profile):
    copy, _ = walked
    places = yaml.safe_load((copy / f"profiles/{profile}/profile.yaml").read_text())["set-resources"]
    assert places["mil_segmenter"] == places["lcrf_segmenter"]


def test_it_runs_to_its_scores(walked):
    copy, _ = walked
    words = ["--cores", 1, "--configfile", "tests/tiny.yaml", "--"]
    run = projects.snakemake(copy, *words, "results/mil_val_miou.txt")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "supervision: tags\n" in (copy / "results/mil_val_miou.txt").read_text()
    dry = projects.snakemake(copy, "--dry-run", *words, "results/mil_ablation.csv", "results/mil_examples.png")
    assert dry.returncode == 0 and "results/mil_soft_segmenter.safetensors" in dry.stdout + dry.stderr
