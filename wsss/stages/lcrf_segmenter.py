from pathlib import Path
from typing import Annotated

import tyro

from wsss.errors import WsssError
from wsss.options import Augment, Bound, Features, Job, Prior, Schedule


def lcrf_segmenter(
    *,
    images: Path,
    classifier: Path,
    seeds: tuple[Path, ...],
    lcrf_segmenter: Path,
    features: Annotated[Features, tyro.conf.arg(name="")],
    dilation: int,
    input_px: int,
    flip: bool,
    jitter: float,
    bound: Annotated[Bound, tyro.conf.arg(name="")],
    prior: Prior,
    warm_share: float,
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    job: Annotated[Job, tyro.conf.arg(name="")],
) -> None:
    """Train a network that labels every pixel, on tags alone: it infers the labels of a CRF in which they are latent.

    Args:
        images: manifest; the splits train and extra are trained on.
        classifier: the frozen network whose evidence the likelihood takes.
        seeds: store of seeds on the network's grid, for a warm start; none without one.
        lcrf_segmenter: network to write.
        features: the backbone.
        dilation: of the atrous layer, in cells.
        input_px: side of the square to which images are warped, in training and in use.
        flip: mirror half of the images.
        jitter: strength of the change of brightness, contrast and saturation; a third of it is for the hue.
        bound: the likelihood, and the weights of the terms.
        prior: the kernel.
        warm_share: share of the steps that begin with SEC's loss at the seeds alone; 0 for none. It uses cues.
        schedule: how long and how fast.
        job: on what it runs, and where it is recorded.
    """
    from dataclasses import asdict

    import numpy as np
    import torch

    from wsss import lcrf_losses, manifest, networks, pictures, store, training, transforms
    from wsss.crf import exact
    from wsss.labels import VOID
    from wsss.likelihoods import likelihood_of

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    judge, about = networks.load(classifier, "classifier")
    judge.requires_grad_(False)
    classes = networks.classes_of(about)
    cells, rest = divmod(input_px, features.stride)
    if rest:
        raise WsssError(f"input_px is {input_px}: give a multiple of {features.stride}, the stride of the network")
    if bool(warm_share) != bool(seeds):
        raise WsssError(f"warm_share is {warm_share} with {len(seeds)} stores of seeds: a warm start takes one of them")
    cues = store.Shared(seeds[0], "seeds") if seeds else None
    if cues and int(cues.attributes["setting.cells"]) != cells:
        raise WsssError(
            f"the seeds lie on {cues.attributes['setting.cells']} cells a side, the network has {cells}: "
            "set the cells of the seeds to input_px / stride"
        )
    torch.manual_seed(schedule.seed)
    network = networks.segmenter(features, classes=len(classes.names), dilation=dilation)
    augment = Augment(resize_px=(0, 0), flip=flip, jitter=jitter, crop_px=input_px)
    fill = network.backbone.mean
    likelihood = likelihood_of(bound, judge, cells=cells, stride=features.stride)

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = transforms.warped(pictures.read_photograph(row.image), input_px)
        labels = cues[row.id]["labels"] if cues else np.full((cells, cells), VOID, np.uint8)
        image, labels = transforms.augmented(photograph, labels, augment=augment, cell_px=features.stride, fill=fill)
        return image, labels, torch.tensor([name in row.tags for name in classes.foreground])

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> training.Loss:
        photographs, labels, tags = batch
        scores = model(photographs).float()
        if done < warm_share:
            return lcrf_losses.warm(scores, labels)
        # a generator of the step's own seed, which training has set
        generator = torch.Generator().manual_seed(torch.initial_seed())

        def fits(z: torch.Tensor) -> torch.Tensor:
            return likelihood(z, photographs, tags, generator)

        kernels = exact.kernels(transforms.small(photographs, cells), lcrf_losses.kernel_of(prior))
        return lcrf_losses.objective(scores, tags, kernels, fits, bound=bound, done=done, generator=generator)

    settings = {"dilation": dilation, "input_px": input_px, "warm_share": warm_share, **asdict(bound), **asdict(prior)}
    settings |= training.options(features, augment, schedule)
    task = training.Task(
        "lcrf_segmenter", item, len(rows), loss, settings, [images, classifier, *seeds, *features.files]
    )
    training.train(network, task, schedule=schedule, job=job, classes=classes, output=lcrf_segmenter)
