from pathlib import Path
from typing import Annotated

import tyro

from wsss.options import Augment, Features, Job, Schedule


def psa_segmenter(
    *,
    images: Path,
    pseudo_masks: Path,
    psa_segmenter: Path,
    features: Annotated[Features, tyro.conf.arg(name="")],
    dilation: int,
    augment: Annotated[Augment, tyro.conf.arg(name="")],
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    job: Annotated[Job, tyro.conf.arg(name="")],
) -> None:
    """Train a network that labels every pixel, on pseudo masks.

    The loss is the mean cross-entropy of a batch's pixels that are not void, the scores brought to the crop's size.

    Args:
        images: manifest; the splits train and extra are trained on.
        pseudo_masks: store of label maps; the refined ones are learned where there are any.
        psa_segmenter: network to write.
        features: the backbone.
        dilation: of the atrous layer, in cells.
        augment: changes of the training images.
        schedule: how long and how fast.
        job: on what it runs, and where it is recorded.
    """
    import torch

    from wsss import distributed, grid, manifest, networks, pictures, store, training, transforms
    from wsss.labels import VOID

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    masks = store.Shared(pseudo_masks, "pseudo_masks")
    torch.manual_seed(schedule.seed)
    network = networks.segmenter(features, classes=len(masks.classes.names), dilation=dilation)
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        maps = masks[row.id]
        target = maps.get("refined", maps["plain"])
        return transforms.augmented(pictures.read_photograph(row.image), target, augment=augment, cell_px=1, fill=fill)

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> torch.Tensor:
        photographs, target = batch
        scores = grid.to_pixels(model(photographs), tuple(target.shape[-2:]), stride=features.stride)
        entropy = torch.nn.functional.cross_entropy(scores, target, ignore_index=VOID, reduction="sum")
        entropy, pixels = distributed.total(torch.stack([entropy, (target != VOID).sum()]))
        return entropy / pixels.clamp(min=1)  # a batch may be void everywhere

    settings = {"dilation": dilation, **training.options(features, augment, schedule)}
    task = training.Task("psa_segmenter", item, len(rows), loss, settings, [images, pseudo_masks, *features.files])
    training.train(network, task, schedule=schedule, job=job, classes=masks.classes, output=psa_segmenter)
