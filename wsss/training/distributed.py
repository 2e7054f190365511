"""Several processes that train one network together, each on its share of every batch (DDP, by Lightning Fabric).

A loss is averaged over the processes. So one that is a mean over images needs nothing more, as long as the shares are
equal; one that is divided by a count of the whole batch takes `total` of both, and is then the same in every process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Shaped
from lightning_fabric import Fabric
from lightning_fabric.loggers import TensorBoardLogger
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from wsss.options.training import Job
from wsss.runtime import machine
from wsss.runtime.errors import WsssError


def launched(job: Job, *, precision: str) -> Fabric:
    """The processes of a job, started where srun or torchrun have not started them already; NCCL on GPUs, else gloo.

    Raises:
        WsssError: the job asks for more GPUs than there are, or other processes were started than it asks for.
    """
    machine.hold_gpus(job.processes_a_node)
    there = torch.cuda.device_count()
    if 0 < there < job.processes_a_node:
        raise WsssError(
            f"the job asks for {job.processes_a_node} GPUs a node, and {there} can be seen: change `gpu`,"
            " or how the scheduler shares them out"
        )
    alone = not (machine.by_srun() or torch.distributed.is_torchelastic_launched())
    if alone and job.nodes > 1:
        raise WsssError(f"a training on {job.nodes} nodes is started by srun or torchrun: set `launch` in the profile")
    if alone and job.processes_a_node > 1:  # this process starts the others, and they share its cores
        machine.use_threads(machine.cores() // job.processes_a_node)
    try:
        fabric = Fabric(
            accelerator=machine.device(),
            devices=job.processes_a_node,
            num_nodes=job.nodes,
            precision=precision,
            plugins=[LightningEnvironment()] if alone else [],
            loggers=[_logger(folder, job.curve.stem) for folder in job.tensorboard],
        )
        fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise WsssError(f"the job's `gpu` and `nodes` do not fit the processes that were started: {error}") from error
    return fabric


def _logger(folder: Path, name: str) -> TensorBoardLogger:
    """A log under a name, of which TensorBoard then shows nothing that earlier trainings have left there."""
    return TensorBoardLogger(folder, name=name, version="", purge_step=0)


@contextmanager
def together(fabric: Fabric) -> Iterator[None]:
    """Where this process fails, those that it started end too: they would wait for it, and hold their GPUs."""
    try:
        yield
    except BaseException:
        for process in getattr(fabric.strategy.launcher, "procs", ()):
            process.terminate()
        raise


def synchronised(network: nn.Module, fabric: Fabric) -> nn.Module:
    """The network, its BatchNorm layers taking the statistics of the whole batch; on CPUs torch has no such layers."""
    if fabric.world_size == 1 or fabric.device.type == "cpu":
        return network
    from timm.layers import convert_sync_batchnorm  # takes long to import

    return convert_sync_batchnorm(network)


class _Total(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        return _added(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _added(gradient)


def _added(values: Tensor) -> Tensor:
    everywhere = values.clone(memory_format=torch.contiguous_format)
    torch.distributed.all_reduce(everywhere)
    return everywhere


def total(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """The sum of the values over all processes, with its gradient; the values themselves where there is one process.

    The gradients of all processes' losses come back added up, and DDP takes their mean over the processes: a loss
    that is the same in all of them has the gradient that it has in one process with the whole batch.
    """
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return _Total.apply(values) if distributed else values
