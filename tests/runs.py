"""Short trainings of a small classifier, which may be cut off at any step."""

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import settings
import torch

from wsss.networks.classifier import Classifier
from wsss.options.training import Job
from wsss.training import loop

LENGTH = 10
STEPS = 9
"""Three epochs of three batches of three; the tenth image is left out in each."""


class CutOff(Exception):
    """Stands for whatever ends a run before its time."""


def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image of its own for each position; noise from the global generator stands for its augmentation."""
    own = torch.Generator().manual_seed(position)
    tags = (torch.rand(2, generator=own) < 0.5).float()
    return torch.rand(3, 32, 32, generator=own) + 0.1 * torch.rand(3, 32, 32), tags


def tag_loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
    pictures, tags = batch
    return torch.nn.functional.multilabel_soft_margin_loss(model(pictures), tags)


def before(step: int, action: Callable[[], None]) -> Callable:
    """The loss, which acts before the given call instead."""
    calls = iter(range(1_000_000))

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float = 0) -> torch.Tensor:
        if next(calls) == step:
            action()
        return tag_loss(model, batch, done)

    return loss


def cut_off() -> None:
    raise CutOff


def sent(number: int) -> Callable[[], None]:
    """Send this process a signal."""
    return lambda: os.kill(os.getpid(), number)


def train(
    folder: Path,
    *,
    loss: Callable = tag_loss,
    checkpoint_steps: int = 2,
    digest: str = "a",
    length: int = LENGTH,
    gpus: int = 1,
    keep: Callable = lambda network: None,
    **changes,
) -> tuple[dict[str, torch.Tensor], str]:
    """The weights and the curve of a run that is recorded in the folder."""
    schedule = replace(settings.SGD, **changes)
    job = Job(gpus, 1, folder / "run/checkpoint.pt", checkpoint_steps, folder / "curves/curve.csv")
    torch.manual_seed(schedule.seed)
    network = Classifier.build(settings.FEATURES, classes=3)
    task = loop.Task("classifier", item, [f"image {position}" for position in range(length)], loss, {"run": digest}, [])
    loop.fit(network, task, schedule=schedule, job=job, keep=keep)
    assert not network.training
    return network.state_dict(), job.curve.read_text()


def cut_off_at(folder: Path, step: int, **options) -> Path:
    """A run that ends before the given step; returns its checkpoint."""
    with pytest.raises(CutOff):
        train(folder, loss=before(step, cut_off), **options)
    return folder / "run/checkpoint.pt"


def steps_of(checkpoint: Path) -> int:
    """How many steps were done when it was written."""
    return torch.load(checkpoint, weights_only=True)["step"]


def rows(curve: str) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(curve.splitlines())]


def assert_equal(found: tuple[dict, str], expected: tuple[dict, str]) -> None:
    assert found[1] == expected[1]
    assert found[0].keys() == expected[0].keys()
    for name, value in expected[0].items():
        assert torch.equal(found[0][name], value), name
