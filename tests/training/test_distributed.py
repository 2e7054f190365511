"""Several processes train as one does: the same losses and the same weights, however they were started."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import preloaded
import pytest
import settings
import torch
import trainings
from lightning_fabric import Fabric
from trainings import STEPS

from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.options.training import Job
from wsss.runtime import machine
from wsss.runtime.errors import WsssError
from wsss.training import distributed

STAGES = ("classifier", "affinity_net", "psa_segmenter", "sec_segmenter", "lcrf_segmenter")
WORKER = Path(trainings.__file__)
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def trained(folder: Path, cues: Path, *, gpus: int, start: list[str] | None = None, stages=STAGES) -> Path:
    """The folder of networks and curves of a run by so many processes, on the CPU."""
    folder.mkdir()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [*(start or [preloaded.commands() / "python"]), str(WORKER), str(cues), str(folder), str(gpus), *stages]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def cues(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cues")
    trainings.prepare(folder)
    return folder


@pytest.fixture(scope="module")
def by_one(cues, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("one") / "run", cues, gpus=1)


@pytest.fixture(scope="module")
def by_two(cues, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("two") / "run", cues, gpus=2)


def curve(path: Path) -> dict[str, np.ndarray]:
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def assert_as_one(found: Path, expected: Path, stage: str) -> None:
    ours, theirs = curve(found / f"{stage}.csv"), curve(expected / f"{stage}.csv")
    assert len(theirs["loss"]) == STEPS and np.ptp(theirs["loss"]) > 1e-3
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=0, atol=1e-5, err_msg=name)
    (ours, said), (theirs, expected_said) = (file.read(folder / f"{stage}.safetensors") for folder in (found, expected))
    assert said == expected_said
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_have_the_losses_of_one(by_one, by_two, stage):
    assert_as_one(by_two, by_one, stage)


def test_started_by_torchrun(cues, by_one, tmp_path):
    assert_as_one(
        trained(tmp_path / "run", cues, gpus=2, start=TORCHRUN, stages=["affinity_net"]), by_one, "affinity_net"
    )


def test_a_batch_that_cannot_be_shared_is_refused_by_every_process(cues, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(AssertionError, match="a batch of 4 cannot be shared evenly by 3 processes"):
        trained(folder, cues, gpus=3, stages=["classifier"])
    assert not list(folder.iterdir())


def job(gpus: int, nodes: int = 1) -> Job:
    return Job(gpus, nodes, Path("checkpoint.pt"), 100, Path("curve.csv"), ())


def test_gpus_are_spread_evenly_over_nodes():
    assert [job(8, 2).processes_a_node, job(1).processes_a_node, job(0).processes_a_node] == [4, 1, 1]
    with pytest.raises(WsssError, match="3 GPUs cannot be spread evenly over 2 nodes"):
        job(3, 2)


def test_more_gpus_than_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(WsssError, match=r"the job asks for 4 GPUs a node, and 2 can be seen: change `gpu`"):
        distributed.launched(job(4), precision="32-true")


def test_processes_that_were_started_otherwise_than_asked_for(monkeypatch):
    names = ("NTASKS", "NTASKS_PER_NODE", "NNODES", "STEP_ID", "NODEID", "LOCALID", "PROCID")
    for name, value in zip(names, (2, 2, 1, 0, 0, 0, 0), strict=True):
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setenv("SLURM_JOB_NAME", "job")
    monkeypatch.setattr(machine, "device", lambda: "cpu")
    with pytest.raises(WsssError, match="do not fit the processes that were started"):
        distributed.launched(job(4), precision="32-true")


def test_what_was_started_ends_with_what_started_it():
    other = subprocess.Popen(["sleep", "60"])
    fabric = Mock(spec=Fabric)
    fabric.strategy.launcher.procs = [other]
    with pytest.raises(KeyboardInterrupt), distributed.together(fabric):
        raise KeyboardInterrupt
    assert other.wait(10) == -signal.SIGTERM
    alone = distributed.launched(job(1), precision="32-true")
    with pytest.raises(WsssError, match="mine"), distributed.together(alone):
        raise WsssError("mine")


def test_several_nodes_want_a_launcher():
    with pytest.raises(WsssError, match="a training on 2 nodes is started by srun or torchrun: set `launch`"):
        distributed.launched(job(2, 2), precision="32-true")


def test_one_process_has_its_own_total_and_keeps_its_layers():
    values = torch.rand(3, 2, requires_grad=True)
    assert distributed.total(values) is values
    network = torch.nn.BatchNorm2d(3)
    fabric = distributed.launched(job(1), precision="32-true")
    assert distributed.synchronised(network, fabric) is network


def test_batchnorm_of_several_gpus_takes_the_whole_batch(tmp_path):
    fabric = Mock(spec=Fabric, world_size=2, device=torch.device("cuda"))
    torch.manual_seed(0)
    network = Classifier.build(settings.FEATURES, classes=3)
    layers = sum(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    expected = network.eval()(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    found = distributed.synchronised(network, fabric)
    assert sum(isinstance(module, torch.nn.SyncBatchNorm) for module in found.modules()) == layers > 10
    torch.testing.assert_close(
        found.eval()(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))), expected
    )
    file.save(tmp_path / "x.safetensors", found, file.About(settings.CLASSES, "tags"))
    loaded, _ = file.load(tmp_path / "x.safetensors", Classifier)
    assert not any(isinstance(module, torch.nn.SyncBatchNorm) for module in loaded.modules())


@pytest.mark.parametrize(("name", "rank"), [("RANK", 3), ("LOCAL_RANK", 1), ("SLURM_PROCID", 2), ("OTHER", 0)])
def test_ranks(monkeypatch, name, rank):
    for other in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(rank))
    assert machine.rank() == rank
