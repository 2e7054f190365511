from pathlib import Path
from typing import Annotated

import tyro

from wsss.options import Augment, Record, Schedule


def classifier(
    *,
    images: Path,
    classes_table: Path,
    classifier: Path,
    backbone: str,
    stride: int,
    weights: str,
    freeze: bool,
    augment: Annotated[Augment, tyro.conf.arg(name="")],
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    record: Annotated[Record, tyro.conf.arg(name="")],
) -> None:
    """Train a network that tells which classes an image shows.

    The loss is the multi-label soft margin: the mean over classes of the sigmoid's cross-entropy.

    Args:
        images: manifest; the splits train and extra are trained on.
        classes_table: the classes.
        classifier: network to write.
        backbone: vgg16, resnet38, or timm/NAME.
        stride: input pixels for each cell of its features.
        weights: imagenet, a tag of torchvision or timm, offline, a file, or none.
        freeze: keep BatchNorm layers and the earliest layers at their pretrained weights.
        augment: changes of the training images.
        schedule: how long and how fast.
        record: where the run is recorded.
    """
    import torch

    from wsss import manifest, networks, pictures, training, transforms

    classes = manifest.read_classes(classes_table)
    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    shape = {"backbone": backbone, "stride": stride, "classes": len(classes.names), "frozen": freeze}
    torch.manual_seed(schedule.seed)
    network = networks.classifier(**shape, weights=weights)
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.read_photograph(row.image)
        image = transforms.augmented_photograph(photograph, augment=augment, fill=fill)
        return image, torch.tensor([float(name in row.tags) for name in classes.foreground])

    def loss(model: torch.nn.Module, batch: list[torch.Tensor]) -> torch.Tensor:
        photographs, tags = batch
        return torch.nn.functional.multilabel_soft_margin_loss(model(photographs), tags)

    settings = {**shape, "weights": weights, **training.options(schedule, augment)}

    def keep(trained: networks.Network) -> None:
        networks.save(classifier, trained, "classifier", shape=shape, classes=classes, settings=settings)

    training.fit(
        network,
        loss,
        training.Items(item, len(rows)),
        schedule=schedule,
        record=record,
        digest=training.digest("classifier", settings, [images, classes_table]),
        what="classifier",
        keep=keep,
    )
