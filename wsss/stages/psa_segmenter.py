from pathlib import Path
from typing import Annotated

import tyro

from wsss.options import Augment, Record, Schedule


def psa_segmenter(
    *,
    images: Path,
    pseudo_masks: Path,
    psa_segmenter: Path,
    backbone: str,
    stride: int,
    weights: str,
    freeze: bool,
    dilation: int,
    augment: Annotated[Augment, tyro.conf.arg(name="")],
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    record: Annotated[Record, tyro.conf.arg(name="")],
) -> None:
    """Train a network that labels every pixel, on pseudo masks.

    The loss is the mean cross-entropy of the pixels that are not void, the scores brought to the crop's size.

    Args:
        images: manifest; the splits train and extra are trained on.
        pseudo_masks: store of label maps; the refined ones are learned where there are any.
        psa_segmenter: network to write.
        backbone: vgg16, resnet38, or timm/NAME.
        stride: input pixels for each cell of its features.
        weights: imagenet, a tag of torchvision or timm, offline, a file, or none.
        freeze: keep BatchNorm layers and the earliest layers at their pretrained weights.
        dilation: of the atrous layer, in cells.
        augment: changes of the training images.
        schedule: how long and how fast.
        record: where the run is recorded.
    """
    import torch

    from wsss import manifest, networks, pictures, store, training, transforms
    from wsss.labels import VOID

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    masks = store.Shared(pseudo_masks, "pseudo_masks")
    classes = len(masks.classes.names)
    shape = {"backbone": backbone, "stride": stride, "classes": classes, "dilation": dilation, "frozen": freeze}
    torch.manual_seed(schedule.seed)
    network = networks.segmenter(**shape, weights=weights)
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        maps = masks[row.id]
        target = maps.get("refined", maps["plain"])
        return transforms.augmented(pictures.read_photograph(row.image), target, augment=augment, cell_px=1, fill=fill)

    def loss(model: torch.nn.Module, batch: list[torch.Tensor]) -> torch.Tensor:
        photographs, target = batch
        scores = torch.nn.functional.interpolate(model(photographs), target.shape[-2:], mode="bilinear")
        total = torch.nn.functional.cross_entropy(scores, target, ignore_index=VOID, reduction="sum")
        return total / (target != VOID).sum().clamp(min=1)  # a batch may be void everywhere

    settings = {**shape, "weights": weights, **training.options(schedule, augment)}

    def keep(trained: networks.Network) -> None:
        networks.save(psa_segmenter, trained, "segmenter", shape=shape, classes=masks.classes, settings=settings)

    training.fit(
        network,
        loss,
        training.Items(item, len(rows)),
        schedule=schedule,
        record=record,
        digest=training.digest("psa_segmenter", settings, [images, pseudo_masks]),
        what="psa_segmenter",
        keep=keep,
    )
