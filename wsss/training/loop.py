"""One training loop, for every network: poly schedule, checkpoints from which a killed run resumes.

A run is a function of its seed: which images form the batch of a step and how they are augmented is drawn from (seed,
step), so an interrupted run that is resumed equals an uninterrupted one. Of several processes each takes its share of
every batch, and drops out units of its own, drawn from (seed, step, rank).
"""

import csv
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader, Dataset, default_collate

from wsss.networks import file
from wsss.networks.file import About
from wsss.networks.network import Network
from wsss.options.training import Job, Schedule
from wsss.runtime import machine, provenance, sealed
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent
from wsss.runtime.progress import LOG, note, track
from wsss.stores import store
from wsss.training import distributed

FEW_STEPS = 50
"""A training with fewer steps hardly leaves the weights that it began with: a warning says so."""

Loss = torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]
"""A scalar; or that and its parts by name, or whatever else log and curve are to show of a step."""


class Items(Dataset):
    """A function of (position, torch's seeded global generator), as a data set of (position, seed)."""

    def __init__(self, item: Callable[[int], object], length: int) -> None:
        self._item = item
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, drawn: tuple[int, int]) -> object:
        position, seed = drawn
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                return self._item(position)
            except WsssError as error:  # handed over as it is: a worker's exception would arrive with its traceback
                return error


def collated(items: list) -> object:
    """A batch of items, or the first error among them."""
    errors = [item for item in items if isinstance(item, WsssError)]
    return errors[0] if errors else default_collate(items)


@dataclass(frozen=True)
class Task:
    """What is trained.

    Args:
        stage: the stage that trains, for messages and for the digest.
        item: a training image by its position, as tensors; what it draws comes from torch's global generator.
        ids: ids of the training images, in the order of their positions.
        loss: for the network, a batch, as the default collation makes it of the items, and the share of all steps
            that is done.
        settings: all options that decide the result.
        inputs: all files that decide the result.
    """

    stage: str
    item: Callable[[int], object]
    ids: Sequence[str]
    loss: Callable[[Network, list[torch.Tensor], float], Loss]
    settings: dict[str, object]
    inputs: Sequence[Path]

    @cached_property
    def digests(self) -> dict[str, str]:
        """The digest of each file that decides the result, by name; of another file of that name, by `another NAME`."""
        found: dict[str, str] = {}
        for path in self.inputs:
            name, digest = path.name, store.digest(path)
            while found.setdefault(name, digest) != digest:
                name = f"another {name}"
        return found

    def digest(self) -> str:
        """Digest of all that decides the run: training does not resume from a checkpoint with another digest."""
        return provenance.of_run(self.stage, self.settings, self.digests)


def train(network: Network, task: Task, *, schedule: Schedule, job: Job, about: About, output: Path) -> None:
    """Train a network and write its file; see `fit`."""
    about = replace(about, settings=task.settings, inputs=task.digests, code=provenance.code(task.stage))

    def keep(trained: Network) -> None:
        file.save(output, trained, about)

    fit(network, task, schedule=schedule, job=job, keep=keep)


def fit(network: Network, task: Task, *, schedule: Schedule, job: Job, keep: Callable[[Network], None]) -> None:
    """Train a network, and keep it.

    Args:
        network: what to train.
        task: images and loss.
        schedule: how long and how fast.
        job: on what it runs, and where it is recorded.
        keep: stores the finished network, on the CPU. From then on the checkpoint holds that network: the same options,
            inputs and code end at once when they are asked for again, for example since a file was touched.

    Raises:
        WsssError: where the loss is no longer a finite number.
    """
    items, digest, what = Items(task.item, len(task.ids)), task.digest(), task.stage
    batch_size = min(schedule.batch_size, len(items))
    steps = schedule.steps(len(items))
    _warn_of_few(steps, what)
    fabric = distributed.launched(job, precision=schedule.precision)
    if batch_size % fabric.world_size:
        raise WsssError(f"{what}: a batch of {batch_size} cannot be shared evenly by {fabric.world_size} processes")
    network = distributed.synchronised(network, fabric)
    network.train().to(memory_format=torch.channels_last)  # two to three times as fast on CPUs, and good on GPUs
    optimizer = optimizer_of(network, schedule)
    model, optimizer = fabric.setup(network, optimizer)
    # only now: the optimizer's state goes where the weights are, and setup moves the weights alone
    start, curve = _resume(job.checkpoint, network, optimizer, digest)
    _check_same(start, job.checkpoint, fabric)
    _show(fabric, curve)
    share = {"rank": fabric.global_rank, "processes": fabric.world_size}
    batches = Batches(len(items), batch_size=batch_size, seed=schedule.seed, start=start, steps=steps, **share)
    loader = fabric.setup_dataloaders(_loader(items, batches), use_distributed_sampler=False)

    def record(done: int) -> None:
        _log_progress(curve, task, batches, fabric)
        if fabric.is_global_zero:
            _write_curve(job.curve, curve)
            _save(job.checkpoint, network, optimizer, digest, done, curve)

    # several would be stopped at different steps: they end, and keep their last checkpoint
    alone = fabric.world_size == 1
    with distributed.together(fabric), machine.stop_requested() if alone else nullcontext(lambda: False) as stopping:
        for step, data in enumerate(track(loader, what, total=steps, unit="step", start=start), start):
            if isinstance(data, WsssError):
                raise data
            rate = schedule.rate(step, steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            # each process drops out other units and draws other samples
            torch.manual_seed(schedule.seed * 1_000_003 + step + (fabric.global_rank << 48))
            value, terms = _loss_of(task, model, data, batches, step)
            optimizer.zero_grad()
            fabric.backward(value)
            optimizer.step()
            curve.append({"step": step, "learning_rate": rate, "loss": value.detach(), **terms})
            end = stopping()
            if end or (step + 1) % job.checkpoint_steps == 0 or step + 1 == steps:
                record(step + 1)
            if end and step + 1 < steps:
                LOG.info(
                    "%s was asked to stop (SIGTERM): checkpoint written at step %d, from which it resumes",
                    what,
                    step + 1,
                )
                raise SystemExit(128 + signal.SIGTERM)
        if fabric.is_global_zero:
            if start == steps:  # it was finished before
                _write_curve(job.curve, curve)
            _check_weights(network, what)
            keep(network.to("cpu").eval())
            # what is left says that it is done: the same run asked for again takes it from there. A run that was killed
            # after its last step has not said so yet
            _save(job.checkpoint, network, None, digest, steps, curve)
        fabric.barrier()


def _workers() -> int:
    """Processes that read images beside the training: on a CPU it has the cores to itself."""
    return 0 if machine.device() == "cpu" else machine.cores()


def _ignore_sigterm(_: int) -> None:
    """A cluster signals all processes of a job; a reader that ended would take the step with it that is to be kept."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Batches:
    """Batches of (position, seed), one for each step from `start`: a shuffle an epoch, its smaller rest dropped.

    Of several processes each takes its share of every batch; together they take what one process would.
    """

    def __init__(
        self, length: int, *, batch_size: int, seed: int, start: int, steps: int, rank: int = 0, processes: int = 1
    ) -> None:
        self.length, self.batch_size, self.seed, self.start, self.steps = length, batch_size, seed, start, steps
        self.rank, self.processes = rank, processes
        self._order, self._epoch = [], None

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.start, self.steps):
            first = (self.seed * 1_000_003 + step) * self.batch_size
            drawn = [(position, first + i) for i, position in enumerate(self.positions(step))]
            yield drawn[self.rank :: self.processes]

    def positions(self, step: int) -> list[int]:
        """The positions of a step's batch, of all processes together."""
        epoch, place = divmod(step, self.length // self.batch_size)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order, self._epoch = torch.randperm(self.length, generator=generator).tolist(), epoch
        return self._order[place * self.batch_size : (place + 1) * self.batch_size]


def _loader(items: Items, batches: Batches) -> DataLoader:
    """The items of each batch, read beside the training."""
    workers = _workers()
    return DataLoader(
        items,
        batch_sampler=batches,
        collate_fn=collated,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,  # items are functions, which cannot be pickled
        worker_init_fn=_ignore_sigterm,
    )


def optimizer_of(network: Network, schedule: Schedule) -> torch.optim.Optimizer:
    """SGD or AdamW over the network's parameter groups; `fit` sets each group's rate at each step."""
    groups = network.parameter_groups(new_layers_factor=schedule.new_layers_factor, weight_decay=schedule.weight_decay)
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(schedule.momentum, 0.999))
    return torch.optim.SGD(groups, lr=schedule.learning_rate, momentum=schedule.momentum)


def _resume(path: Path, network: Network, optimizer: torch.optim.Optimizer, digest: str) -> tuple[int, list]:
    """Load a checkpoint if it belongs to this run; returns the next step and the curve so far."""
    if not path.exists():
        return 0, []
    try:
        checkpoint, whole = sealed.load(path)
    except sealed.Damaged as error:
        LOG.warning("%s is damaged (%s): training restarts from scratch", path, error)
        return 0, []
    if not whole or checkpoint.get("digest") != digest:
        LOG.info("%s is of a run with other options, inputs or code: training restarts from scratch", path)
        return 0, []
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        network.load_state_dict(checkpoint["network"])
        step, curve = int(checkpoint["step"]), list(checkpoint["curve"])
        if checkpoint["optimizer"] is not None:
            optimizer.load_state_dict(checkpoint["optimizer"])
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        LOG.warning("%s is no checkpoint of this network (%s): training restarts from scratch", path, error)
        network.load_state_dict(fresh)
        return 0, []
    if checkpoint["optimizer"] is None:
        LOG.info("already trained with these options, inputs and code: the network is that of %s", path)
    else:
        LOG.info("training resumes at step %d of %s", step, path)
    return step, curve


def _check_same(start: int, checkpoint: Path, fabric: Fabric) -> None:
    """Every process must resume at the same step: they do not if the checkpoint lies on one node's own disk."""
    starts = fabric.all_gather(torch.tensor(start)).unique().tolist()
    if len(starts) > 1:
        raise WsssError(
            f"processes would resume at steps {starts}: put {checkpoint.parent} where all nodes see it, or remove it"
        )


def _save(
    path: Path, network: Network, optimizer: torch.optim.Optimizer | None, digest: str, step: int, curve: list
) -> None:
    """Write a checkpoint; without an optimizer, that of a finished training."""
    content = {"network": network.state_dict(), "optimizer": optimizer.state_dict() if optimizer else None}
    sealed.save(path, {**content, "digest": digest, "step": step, "curve": curve})


def _loss_of(
    task: Task, model: torch.nn.Module, data: list[torch.Tensor], batches: Batches, step: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of a step, and its parts by name."""
    try:
        value = task.loss(model, data, step / batches.steps)
    except ValueError as error:  # of torch's BatchNorm, which has then nothing to take statistics of
        if "more than 1 value per channel" not in str(error):
            raise
        raise WsssError(
            f"{task.stage}: a batch has one photograph, of one cell: raise batch_size (and have more photographs), or"
            " crop_px or input_px"
        ) from error
    total, terms = value if isinstance(value, tuple) else (value, {})
    if total.device.type == "cpu":  # elsewhere the check would wait for the device: it is made where values are logged
        _check_loss(float(total.detach()), step, task, batches)
    return total, {name: term.detach() for name, term in terms.items()}


def _log_progress(curve: list[dict], task: Task, batches: Batches, fabric: Fabric) -> None:
    """Replace the tensors of the curve's newest rows by their means over all processes, and log them."""
    new = [row for row in curve if isinstance(row["loss"], torch.Tensor)]
    names = [name for name in curve[-1] if name not in ("step", "learning_rate")]
    values = torch.stack([torch.stack([row[name].to(fabric.device).double() for name in names]) for row in new])
    for row, means in zip(new, fabric.all_reduce(values, reduce_op="mean").tolist(), strict=True):
        row.update(zip(names, means, strict=True))
    for row in new:
        _check_loss(row["loss"], row["step"], task, batches)
    _show(fabric, new)
    means = {name: sum(row[name] for row in curve[-50:]) / len(curve[-50:]) for name in names}
    latest = ", ".join(f"{name} {mean:.4f}" for name, mean in means.items())
    LOG.info("%s: step %d, %s", task.stage, len(curve), latest)
    note(latest)


def _check_loss(value: float, step: int, task: Task, batches: Batches) -> None:
    if not math.isfinite(value):
        ids = ", ".join(task.ids[position] for position in batches.positions(step))
        raise WsssError(
            f"{task.stage}: the loss is {value} at step {step}: lower the learning rate"
            f" (the images of this step: {ids})"
        )


def _warn_of_few(steps: int, what: str) -> None:
    if steps < FEW_STEPS:
        LOG.warning("%s trains for %d steps only: of so few photographs, raise epochs", what, steps)


def _check_weights(network: Network, what: str) -> None:
    """A last step that is too long leaves weights that no loss has seen."""
    bad = [name for name, value in network.state_dict().items() if not value.isfinite().all()]
    if bad:
        raise WsssError(
            f"{what}: {len(bad)} tensors of the trained network, such as {bad[0]}, are NaN or infinite: lower the"
            " learning rate"
        )


def _write_curve(path: Path, curve: Sequence[dict]) -> None:
    with whole_or_absent(path) as partial, partial.open("w", newline="") as table:
        writer = csv.DictWriter(table, curve[-1])
        writer.writeheader()
        writer.writerows(curve)


def _show(fabric: Fabric, rows: Sequence[dict]) -> None:
    """Log rows of a curve for TensorBoard, where that is asked for."""
    for row in rows:
        fabric.log_dict({name: value for name, value in row.items() if name != "step"}, step=row["step"])
    for logger in fabric.loggers:
        logger.save()
