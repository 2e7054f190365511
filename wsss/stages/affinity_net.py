from pathlib import Path

from wsss.options.flat import Flat, recorded
from wsss.options.network import Features
from wsss.options.training import Augment, Job, Schedule
from wsss.runtime.errors import WsssError


def affinity_net(
    *,
    images: Path,
    affinity_labels: Path,
    affinity_net: Path,
    features: Flat[Features],
    radius: int,
    augment: Flat[Augment],
    schedule: Flat[Schedule],
    job: Flat[Job],
) -> None:
    """Train a network whose features predict which neighbouring cells share a class.

    Args:
        images: manifest; the splits train and extra are used for training.
        affinity_labels: store of label maps; their stride is the grid of the features.
        affinity_net: network to write.
        features: the backbone.
        radius: distance in cells; pairs of cells closer than this are learned.
        augment: augmentation of the training images, without resizing; the crop is a multiple of the labels' stride.
        schedule: length and learning rate of the training.
        job: hardware, checkpoint and training curve.
    """
    import torch

    from wsss.datasets import manifest, pictures
    from wsss.networks.affinity_net import AffinityNet
    from wsss.networks.file import About
    from wsss.psa import affinity
    from wsss.stores.shared import Shared
    from wsss.training import distributed, loop
    from wsss.training.augment import augmented

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    labels = Shared(affinity_labels, "affinity_labels")
    manifest.require_classes(rows, labels.classes, affinity_labels)
    grid_stride = int(labels.attributes["setting.stride"])
    if augment.crop_px % grid_stride:
        raise WsssError(f"crop_px is {augment.crop_px}: give a multiple of {grid_stride}, the stride of the labels")
    torch.manual_seed(schedule.seed)
    network = AffinityNet.build(features, grid_stride=grid_stride)
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.photograph_of(row)
        target = labels.fitting(row.id, photograph.shape[:2])["labels"]
        return augmented(photograph, target, augment=augment, cell_px=grid_stride, fill=fill)

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> torch.Tensor:
        photographs, target = batch
        predicted = affinity.affinities(model(photographs), radius=radius)
        return affinity.affinity_loss(predicted, target, radius=radius, total=distributed.total)

    settings = recorded({"radius": radius}, features, augment, schedule)
    task = loop.Task(
        "affinity_net", item, [row.id for row in rows], loss, settings, [images, affinity_labels, *features.files]
    )
    about = About(labels.classes, "tags and cues")
    loop.train(network, task, schedule=schedule, job=job, about=about, output=affinity_net)
