from pathlib import Path
from typing import Annotated

import tyro

from wsss.options import Augment, Features, Job, Schedule


def classifier(
    *,
    images: Path,
    classes_table: Path,
    classifier: Path,
    features: Annotated[Features, tyro.conf.arg(name="")],
    augment: Annotated[Augment, tyro.conf.arg(name="")],
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    job: Annotated[Job, tyro.conf.arg(name="")],
) -> None:
    """Train a network that tells which classes an image shows.

    The loss is the multi-label soft margin: the mean over classes of the sigmoid's cross-entropy.

    Args:
        images: manifest; the splits train and extra are trained on.
        classes_table: the classes.
        classifier: network to write.
        features: the backbone.
        augment: changes of the training images.
        schedule: how long and how fast.
        job: on what it runs, and where it is recorded.
    """
    import torch

    from wsss import manifest, networks, pictures, training, transforms

    classes = manifest.read_classes(classes_table)
    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    torch.manual_seed(schedule.seed)
    network = networks.classifier(features, classes=len(classes.names))
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.read_photograph(row.image)
        image = transforms.augmented_photograph(photograph, augment=augment, fill=fill)
        return image, torch.tensor([float(name in row.tags) for name in classes.foreground])

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> torch.Tensor:
        photographs, tags = batch
        return torch.nn.functional.multilabel_soft_margin_loss(model(photographs), tags)

    settings = training.options(features, augment, schedule)
    task = training.Task("classifier", item, len(rows), loss, settings, [images, classes_table, *features.files])
    training.train(network, task, schedule=schedule, job=job, classes=classes, output=classifier)
