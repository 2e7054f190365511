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


def test_one_of_several_runs_takes_a_lock_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run._is_first()  # nothing was run here
    pipeline.RUNS.mkdir(parents=True)
    other = os.open(pipeline.RUNS, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not run._is_first()
    os.close(other)
    assert run._is_first()
