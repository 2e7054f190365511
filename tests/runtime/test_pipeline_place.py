"""Where the workflow is, and whether the runs that left a record are alive."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wsss.runtime import machine, pipeline


def test_in_a_clone_it_is_the_clones():
    assert (pipeline.root() / "Snakefile").exists()
    assert (pipeline.root() / "presets/voc12_animals.yaml").exists()


def test_in_an_installation_it_is_the_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "PACKAGE", tmp_path / "site-packages/wsss")
    assert pipeline.root() == tmp_path / "site-packages/wsss/pipeline"


def after_the_prefix(command):
    return subprocess.run(["bash", "-c", pipeline.before_each_command() + command], capture_output=True, text=True)


def test_commands_are_those_of_the_environment_that_runs_the_workflow():
    found = after_the_prefix("command -v python").stdout.strip()
    assert Path(found).parent == Path(sys.executable).parent


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [("bash -c 'kill -KILL $$'", 137, True), ("bash -c 'kill -TERM $$'", 143, False), ("exit 1", 1, False)],
)
def test_of_a_command_that_the_system_killed_the_shell_says_why_that_may_be(command, status, told):
    # as rules have it: a command, and no more
    ended = after_the_prefix(f"{command}; exit $?")
    assert ended.returncode == status
    assert ("probably out of memory" in ended.stderr) == told


@pytest.fixture
def records(tmp_path):
    """A function that leaves the record of a run."""

    def leave(host=None, process=0, began="1"):
        tmp_path.joinpath(f"{host or socket.gethostname()}:{process}:{began}").touch()

    return leave


def killed():
    """The number of a process that has ended, and when it began."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = machine.began(process.pid)
    process.kill()
    process.wait()
    process.stdin.close()
    return process.pid, began


def test_records_of_killed_runs_alone_free_the_lock(tmp_path, records):
    assert pipeline.dead(tmp_path) == []
    records(process=killed()[0], began=killed()[1])
    assert len(pipeline.dead(tmp_path)) == 1


def test_a_number_that_another_process_has_now_is_no_run(tmp_path, records):
    records(process=os.getpid(), began="1")
    assert len(pipeline.dead(tmp_path)) == 1


def test_beside_a_run_that_is_alive_nothing_is_freed(tmp_path, records):
    records(process=killed()[0])
    records(process=os.getpid(), began=machine.began(os.getpid()))
    assert pipeline.dead(tmp_path) == []


def test_a_run_on_another_host_may_be_alive(tmp_path, records):
    records(process=killed()[0])
    records(host="elsewhere", process=1)
    assert pipeline.dead(tmp_path) == []


def test_a_run_leaves_no_record_when_it_ends(tmp_path):
    program = "from wsss.runtime import pipeline; pipeline.announce(); print(len(list(pipeline.RUNS.iterdir())))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert list((tmp_path / pipeline.RUNS).iterdir()) == []
