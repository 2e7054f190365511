"""Processes end with what started them, even if that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import os, subprocess, sys
from wsss.runtime import machine
machine.announce_run()
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
child.wait()
"""
QUIET = "import time; from wsss.runtime import machine; machine.end_with_run(); print(1, flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; from wsss.runtime import machine; machine.PATIENCE = 1;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); machine.end_with_run(); print(1, flush=True); time.sleep(60)"
)
WITH_WORKERS = """
import time
from wsss.runtime import machine, parallel
if __name__ == "__main__":
    machine.end_with_run()
    machine.cores = lambda: 2
    for _ in parallel.mapped(time.sleep, [0, 60, 60, 60]):
        print(1, flush=True)
"""
"""Stages that say when they, and what they start, are there."""


def started(program: str) -> tuple[subprocess.Popen, int]:
    """A parent that is a run, and the number of the child that it started."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    return parent, int(parent.stdout.readline())


def of_session(leader: int) -> set[int]:
    """The processes that a parent, and those after it, have started and that have not ended."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.add(int(stat.parent.name))
    return found


@pytest.mark.parametrize("program", [QUIET, STUBBORN, WITH_WORKERS])
def test_a_killed_run_leaves_no_process(program):
    parent, child = started(program)
    parent.stdout.readline()
    assert child in of_session(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 12
    while of_session(parent.pid) and time.monotonic() < until:
        time.sleep(0.2)
    assert of_session(parent.pid) == set()


def test_a_stage_without_a_run_waits_for_nothing(monkeypatch):
    ended = subprocess.run(
        [sys.executable, "-c", "from wsss.runtime import machine; machine.end_with_run(); print('done')"],
        env={name: value for name, value in os.environ.items() if name != "WSSS_RUN"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "done\n"


@pytest.mark.parametrize(("namespace", "status"), [("own", -signal.SIGTERM), ("other", 0)])
def test_a_stage_whose_run_ended_while_it_started_ends_too(namespace, status):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    program = (
        "import os, time; from wsss.runtime import machine; machine.announce_run();"
        "host, _, counted = os.environ[machine.RUN].split(':');"
        f"os.environ[machine.RUN] = f'{{host}}:{ended.pid}:' + (counted if '{namespace}' == 'own' else '1');"
        "machine.end_with_run(); time.sleep(3)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == status


def test_a_worker_that_starts_after_the_end_of_its_stage_ends_too():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    program = f"import time; from wsss.runtime import machine; machine.end_with({ended.pid}); time.sleep(3)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
