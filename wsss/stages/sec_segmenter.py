from pathlib import Path
from typing import Annotated

import tyro

from wsss.errors import WsssError
from wsss.options import Augment, Crf, Features, Job, Schedule, SecLosses


def sec_segmenter(
    *,
    images: Path,
    seeds: Path,
    sec_segmenter: Path,
    features: Annotated[Features, tyro.conf.arg(name="")],
    dilation: int,
    input_px: int,
    flip: bool,
    jitter: float,
    losses: Annotated[SecLosses, tyro.conf.arg(name="")],
    crf: Crf,
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    job: Annotated[Job, tyro.conf.arg(name="")],
) -> None:
    """Train a network that labels every pixel, on seeds and tags: seed, expand and constrain.

    Args:
        images: manifest; the splits train and extra are trained on.
        seeds: store of label maps on the network's grid.
        sec_segmenter: network to write.
        features: the backbone.
        dilation: of the atrous layer, in cells.
        input_px: side of the square to which images are warped, in training and in use.
        flip: mirror half of the images.
        jitter: strength of the change of brightness, contrast and saturation; a third of it is for the hue.
        losses: their weights and poolings.
        crf: of the loss constrain; its pixels are the cells of the network's grid.
        schedule: how long and how fast.
        job: on what it runs, and where it is recorded.
    """
    from dataclasses import asdict

    import torch

    from wsss import manifest, networks, pictures, sec_losses, store, training, transforms

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    labels = store.Shared(seeds, "seeds")
    names = labels.classes.names
    cells = int(labels.attributes["setting.cells"])
    if input_px != cells * features.stride:
        raise WsssError(
            f"input_px is {input_px} and the stride {features.stride}, the seeds lie on {cells} x {cells} cells: "
            f"set input_px to {cells * features.stride}, or the cells of the seeds to input_px / stride"
        )
    torch.manual_seed(schedule.seed)
    network = networks.segmenter(features, classes=len(names), dilation=dilation)
    augment = Augment(resize_px=(0, 0), flip=flip, jitter=jitter, crop_px=input_px)
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = transforms.warped(pictures.read_photograph(row.image), input_px)
        seeded = labels[row.id]["labels"]
        image, seeded = transforms.augmented(photograph, seeded, augment=augment, cell_px=features.stride, fill=fill)
        return image, seeded, torch.tensor([name in row.tags for name in names[1:]])

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> training.Loss:
        photographs, seeded, tags = batch
        small = transforms.small(photographs, cells)
        return sec_losses.objective(model(photographs).float(), seeded, tags, small, losses=losses, crf=crf)

    settings = {"dilation": dilation, "input_px": input_px, **asdict(losses), **asdict(crf)}
    settings |= training.options(features, augment, schedule)
    task = training.Task("sec_segmenter", item, len(rows), loss, settings, [images, seeds, *features.files])
    training.train(network, task, schedule=schedule, job=job, classes=labels.classes, output=sec_segmenter)
