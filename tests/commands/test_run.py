"""`wsss run` beside other runs; what it does alone is tested in test_installed.py."""

import fcntl
import os

from wsss.commands import run
from wsss.runtime import pipeline


def test_one_of_several_runs_takes_a_lock_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run._is_first()  # nothing was run here
    pipeline.RUNS.mkdir(parents=True)
    other = os.open(pipeline.RUNS, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not run._is_first()
    os.close(other)
    assert run._is_first()
