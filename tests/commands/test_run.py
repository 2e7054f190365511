"""`wsss run` beside other runs; what it does alone is tested in test_installed.py."""

import fcntl
import os

import pytest

from wsss.commands import run
from wsss.runtime import pipeline
from wsss.runtime.errors import WsssError


@pytest.mark.parametrize(
    "words",
    [
        ("--configfile", "typo.yaml"),
        ("--configfile=typo.yaml",),
        ("--configfile", "there.yaml", "typo.yaml", "--", "x"),
    ],
)
def test_a_configuration_that_is_not_there_is_named(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.yaml").touch()
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("began a run"))
    with pytest.raises(WsssError, match=r"^typo\.yaml does not exist: name configurations after --configfile"):
        run.run("--cores", "2", *words)


@pytest.mark.parametrize("form", ["{option} {path}", "{option}={path}"])
def test_presets_and_profiles_are_found_beside_the_snakefile(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    given = []
    monkeypatch.setattr(os, "execv", lambda _, words: given.extend(words))
    options = {"--configfile": "presets/voc12_sec.yaml", "--workflow-profile": "profiles/slurm"}
    words = " ".join(form.format(option=option, path=path) for option, path in options.items())
    run.run(*words.split())
    beside = {option: pipeline.root() / path for option, path in options.items()}
    expected = " ".join(form.format(option=option, path=path) for option, path in beside.items())
    assert " ".join(given).endswith(expected)


def test_one_of_several_runs_takes_a_lock_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run._is_first()  # nothing was run here
    pipeline.RUNS.mkdir(parents=True)
    other = os.open(pipeline.RUNS, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not run._is_first()
    os.close(other)
    assert run._is_first()
