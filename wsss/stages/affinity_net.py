from pathlib import Path
from typing import Annotated

import tyro

from wsss.errors import WsssError
from wsss.options import Augment, Features, Job, Schedule


def affinity_net(
    *,
    images: Path,
    affinity_labels: Path,
    affinity_net: Path,
    features: Annotated[Features, tyro.conf.arg(name="")],
    radius: int,
    augment: Annotated[Augment, tyro.conf.arg(name="")],
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    job: Annotated[Job, tyro.conf.arg(name="")],
) -> None:
    """Train a network whose features tell which neighbouring cells share a class.

    Args:
        images: manifest; the splits train and extra are trained on.
        affinity_labels: store of label maps; their stride is the grid of the features.
        affinity_net: network to write.
        features: the backbone.
        radius: pairs of cells nearer than this are learned, in cells.
        augment: changes of the training images; without resizing, and a crop of whole cells.
        schedule: how long and how fast.
        job: on what it runs, and where it is recorded.
    """
    import torch

    from wsss import affinity, distributed, manifest, networks, pictures, store, training, transforms

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    labels = store.Shared(affinity_labels, "affinity_labels")
    grid_stride = int(labels.attributes["setting.stride"])
    if augment.crop_px % grid_stride:
        raise WsssError(f"crop_px is {augment.crop_px}: give a multiple of {grid_stride}, the stride of the labels")
    torch.manual_seed(schedule.seed)
    network = networks.affinity_net(features, grid_stride=grid_stride)
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.read_photograph(row.image)
        target = labels[row.id]["labels"]
        return transforms.augmented(photograph, target, augment=augment, cell_px=grid_stride, fill=fill)

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> torch.Tensor:
        photographs, target = batch
        found = affinity.affinities(model(photographs), radius=radius)
        return affinity.affinity_loss(found, target, radius=radius, total=distributed.total)

    settings = {"radius": radius, **training.options(features, augment, schedule)}
    task = training.Task("affinity_net", item, len(rows), loss, settings, [images, affinity_labels, *features.files])
    training.train(network, task, schedule=schedule, job=job, classes=labels.classes, output=affinity_net)
