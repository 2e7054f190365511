"""Trainings that are told to end, or killed, at any step: the same command goes on, to the same weights, bit by bit."""

import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import preloaded
import pytest
import runs
import torch
from runs import STEPS, assert_equal, before, sent, train

TESTS = Path(runs.__file__).parent

pytestmark = pytest.mark.usefixtures("on_the_cpu")


@pytest.mark.parametrize("step", range(STEPS - 1))
def test_sigterm_ends_a_run_after_its_step_and_loses_nothing(tmp_path, undisturbed, log, step):
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        train(tmp_path, loss=before(step, sent(signal.SIGTERM)), checkpoint_steps=100)
    assert ended.value.code == 128 + signal.SIGTERM and signal.getsignal(signal.SIGTERM) is handler
    assert f"checkpoint written at step {step + 1}, from which it resumes" in log.text
    assert_equal(train(tmp_path), undisturbed)
    assert f"resumes at step {step + 1}" in log.text


def test_sigterm_for_all_processes_of_a_job_loses_nothing_either(tmp_path, undisturbed, log):
    # as a cluster sends it, with the processes that read images beside the training
    program = (
        "import os, signal, sys, pathlib, torch, runs\n"
        "torch.set_num_threads(int(sys.argv[2]))\n"
        "runs.loop.machine.device = lambda: 'cpu'\n"
        "runs.loop._workers = lambda: 2\n"
        "everyone = lambda: os.killpg(0, signal.SIGTERM)\n"
        "runs.train(pathlib.Path(sys.argv[1]), loss=runs.before(4, everyone), checkpoint_steps=100)\n"
    )
    command = [preloaded.commands() / "python", "-c", program, str(tmp_path), str(torch.get_num_threads())]
    ended = subprocess.run(command, cwd=TESTS, capture_output=True, timeout=120, start_new_session=True)
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr.decode()
    assert_equal(train(tmp_path), undisturbed)
    assert "resumes at step 5" in log.text


def test_sigterm_at_the_last_step_comes_too_late(tmp_path, undisturbed):
    assert_equal(train(tmp_path, loss=before(STEPS - 1, sent(signal.SIGTERM))), undisturbed)


def test_a_run_that_is_killed_at_random_steps_ends_as_if_it_had_not_been(tmp_path, undisturbed, log):
    program = (
        "import sys, pathlib, torch, runs\n"
        "torch.set_num_threads(int(sys.argv[2]))\n"
        "runs.loop.machine.device = lambda: 'cpu'\n"
        "runs.train(pathlib.Path(sys.argv[1]), loss=runs.before(int(sys.argv[3]), runs.sent(int(sys.argv[4]))))\n"
    )
    random = np.random.default_rng()
    kills = [(int(random.integers(3)), number) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)]
    for calls, number in kills:
        command = [
            preloaded.commands() / "python",
            "-c",
            program,
            str(tmp_path),
            str(torch.get_num_threads()),
            str(calls),
            str(number),
        ]
        ended = subprocess.run(command, cwd=TESTS, capture_output=True, timeout=120)
        code = -signal.SIGKILL if number == signal.SIGKILL else 128 + signal.SIGTERM
        assert ended.returncode == code, (kills, ended.stderr.decode())
    partial = tmp_path / f"run/.checkpoint.pt.{socket.gethostname()}.{2**22 + 1}.partial"  # of no process
    partial.write_bytes(b"half a checkpoint, left by another kill")
    assert_equal(train(tmp_path), undisturbed)
    assert not partial.exists()
    assert "training resumes at step" in log.text
