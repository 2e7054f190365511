"""Which GPUs a job takes; nvidia-smi is a stand-in that lists three, and each job a process of its own."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
import torch

from wsss.runtime import machine
from wsss.runtime.errors import WsssError

GPUS = "GPU-a", "GPU-b", "GPU-c"
JOB = """
import os, sys, pathlib
from wsss.runtime import machine
machine.LOCKS = pathlib.Path({locks!r})
machine.hold_gpus({count})
machine.hold_gpus(1)  # as machine.device does, later
print(os.environ.get("CUDA_VISIBLE_DEVICES", "all"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def jobs(tmp_path):
    """Starts a job that takes so many GPUs and lasts until it is ended; gives the job and what it sees."""
    (tmp_path / "bin").mkdir()
    listing = tmp_path / "bin/nvidia-smi"
    listing.write_text("#!/bin/sh\nprintf '%s\\n' " + " ".join(GPUS))
    listing.chmod(0o755)
    given = {name: word for name, word in os.environ.items() if not name.startswith(("CUDA", "SLURM", "RANK", "LOCAL"))}
    given |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    with ExitStack() as running:

        def start(count=1, **more):
            job = subprocess.Popen(
                [sys.executable, "-c", JOB.format(locks=str(tmp_path), count=count)],
                env={**given, **more},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            running.enter_context(job)
            running.callback(job.kill)
            return job, job.stdout.readline().strip()

        yield start


def test_each_job_takes_a_gpu_that_no_other_holds(jobs):
    assert [jobs()[1] for _ in range(3)] == list(GPUS)


def test_a_training_takes_several(jobs):
    assert jobs(2)[1] == "GPU-a,GPU-b"
    assert jobs()[1] == "GPU-c"


def test_a_gpu_is_free_once_its_job_was_killed(jobs):
    jobs()
    second, seen = jobs()
    assert seen == "GPU-b"
    second.kill()
    second.wait()
    assert jobs()[1] == "GPU-b"


def test_where_all_are_held_they_are_shared(jobs):
    jobs(2)
    assert jobs(2)[1] == "GPU-c,GPU-a"
    assert jobs(1)[1] == "GPU-a"


def test_a_job_that_takes_all_sees_all(jobs):
    assert jobs(3)[1] == "all"


def test_the_users_choice_is_kept(jobs):
    assert jobs(CUDA_VISIBLE_DEVICES="4,7")[1] == "4"
    assert jobs(CUDA_VISIBLE_DEVICES="4,7")[1] == "7"
    assert jobs(CUDA_VISIBLE_DEVICES="7")[1] == "7"
    assert jobs(CUDA_VISIBLE_DEVICES="")[1] == ""


@pytest.mark.parametrize("given", [{"LOCAL_RANK": "1"}, {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}])
def test_of_several_processes_each_is_left_its_own(jobs, given):
    assert jobs(**given)[1] == "all"


def test_jobs_inside_one_job_of_slurm_share_its_gpus_out(jobs):
    ours = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "1", "CUDA_VISIBLE_DEVICES": "0,1"}
    assert [jobs(**ours)[1], jobs(SLURM_STEP_ID="0", **ours)[1]] == ["0", "1"]


def test_without_nvidia_smi_nothing_is_chosen(jobs, tmp_path):
    (tmp_path / "bin/nvidia-smi").unlink()
    assert jobs(PATH=str(tmp_path / "bin"))[1] == "all"


def test_one_that_sees_a_single_gpu_holds_it_too(jobs):
    jobs(CUDA_VISIBLE_DEVICES="0")
    assert jobs(CUDA_VISIBLE_DEVICES="0,1")[1] == "1"


def test_a_lock_that_cannot_be_opened_counts_as_held(jobs, tmp_path):
    (tmp_path / "wsss-GPU-a.lock").symlink_to(tmp_path / "elsewhere")
    assert jobs()[1] == "GPU-b"
    assert not (tmp_path / "elsewhere").exists()


def test_other_users_may_open_a_lock(jobs, tmp_path):
    before = os.umask(0o077)
    try:
        jobs()
    finally:
        os.umask(before)
    assert (tmp_path / "wsss-GPU-a.lock").stat().st_mode & 0o777 == 0o644


def test_a_process_has_the_number_that_its_environment_says(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert machine.rank() == 0
    monkeypatch.setenv("SLURM_PROCID", "2")
    assert machine.rank() == 2
    monkeypatch.setenv("RANK", "")  # says nothing
    assert machine.rank() == 2
    for word in ("x", "-1", "1.5"):
        monkeypatch.setenv("RANK", word)
        with pytest.raises(WsssError, match=f"RANK is '{word}' in the environment, expected the number"):
            machine.rank()


def test_a_lock_that_is_a_pipe_is_not_waited_for(jobs, tmp_path):
    os.mkfifo(tmp_path / "wsss-GPU-a.lock")
    assert jobs()[1] in GPUS


def test_on_a_cpu_pictures_go_alone(monkeypatch):
    monkeypatch.setattr(machine, "device", lambda: "cpu")
    assert machine.batch_size() == machine.batch_size(10**9) == 1


@pytest.mark.parametrize(("pixels", "count"), [(1, 8), (2**20, 8), (2**21, 4), (3 * 2**20, 2), (2**23, 1), (2**30, 1)])
def test_on_a_gpu_as_many_go_together_as_a_quarter_of_its_memory_holds(monkeypatch, pixels, count):
    class Properties:
        total_memory = 2**35  # of which a quarter holds 2^23 pixels

    monkeypatch.setattr(machine, "device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    assert machine.batch_size(pixels) == count


def test_exactness_ends_with_its_block():
    def found():
        return torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32

    before = found()
    with pytest.raises(KeyError), machine.exact():
        assert found() == (True, True, False)
        raise KeyError
    assert found() == before
