from pathlib import Path
from typing import Annotated

import tyro

from wsss.errors import WsssError
from wsss.options import Augment, Record, Schedule


def affinity_net(
    *,
    images: Path,
    affinity_labels: Path,
    affinity_net: Path,
    backbone: str,
    stride: int,
    weights: str,
    freeze: bool,
    radius: int,
    augment: Annotated[Augment, tyro.conf.arg(name="")],
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    record: Annotated[Record, tyro.conf.arg(name="")],
) -> None:
    """Train a network whose features tell which neighbouring cells share a class.

    Args:
        images: manifest; the splits train and extra are trained on.
        affinity_labels: store of label maps; their stride is the grid of the features.
        affinity_net: network to write.
        backbone: vgg16, resnet38, or timm/NAME.
        stride: input pixels for each cell of the backbone's last stage.
        weights: imagenet, a tag of torchvision or timm, offline, a file, or none.
        freeze: keep BatchNorm layers and the earliest layers at their pretrained weights.
        radius: pairs of cells nearer than this are learned, in cells.
        augment: changes of the training images; without resizing, and a crop of whole cells.
        schedule: how long and how fast.
        record: where the run is recorded.
    """
    import torch

    from wsss import affinity, manifest, networks, pictures, store, training, transforms

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    labels = store.Shared(affinity_labels, "affinity_labels")
    grid_stride = int(labels.attributes["setting.stride"])
    if augment.crop_px % grid_stride:
        raise WsssError(f"crop_px is {augment.crop_px}: give a multiple of {grid_stride}, the stride of the labels")
    shape = {"backbone": backbone, "stride": stride, "grid_stride": grid_stride, "frozen": freeze}
    torch.manual_seed(schedule.seed)
    network = networks.affinity_net(**shape, weights=weights)
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.read_photograph(row.image)
        target = labels[row.id]["labels"]
        return transforms.augmented(photograph, target, augment=augment, cell_px=grid_stride, fill=fill)

    def loss(model: torch.nn.Module, batch: list[torch.Tensor]) -> torch.Tensor:
        photographs, target = batch
        return affinity.affinity_loss(affinity.affinities(model(photographs), radius=radius), target, radius=radius)

    settings = {**shape, "weights": weights, "radius": radius, **training.options(schedule, augment)}

    def keep(trained: networks.Network) -> None:
        networks.save(affinity_net, trained, "affinity_net", shape=shape, classes=labels.classes, settings=settings)

    training.fit(
        network,
        loss,
        training.Items(item, len(rows)),
        schedule=schedule,
        record=record,
        digest=training.digest("affinity_net", settings, [images, affinity_labels]),
        what="affinity_net",
        keep=keep,
    )
