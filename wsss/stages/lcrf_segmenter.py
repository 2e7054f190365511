from pathlib import Path
from typing import TYPE_CHECKING

from wsss.options.flat import Flat, recorded
from wsss.options.lcrf import Bound, Prior, require_whole_images
from wsss.options.network import Features
from wsss.options.training import Job, Schedule, WarpedInput
from wsss.runtime.errors import WsssError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from wsss.labels import Classes
    from wsss.stores.shared import Shared


def lcrf_segmenter(
    *,
    images: Path,
    classifier: Path,
    cams: tuple[Path, ...],
    seeds: tuple[Path, ...],
    lcrf_segmenter: Path,
    features: Flat[Features],
    dilation: int,
    decoder: bool,
    balance: float,
    background_offset: float,
    warped: Flat[WarpedInput],
    bound: Flat[Bound],
    prior: Prior,
    warm_share: float,
    schedule: Flat[Schedule],
    job: Flat[Job],
) -> None:
    """Train a segmentation network on tags only: it infers the latent labels of a CRF.

    With a balance tau above 0, tau log(images with the class / those with the most frequent one) is added to the logits
    in training, and not in use, so that classes of few images are not left to others (logit adjustment, Menon et al.
    2021, arXiv:2007.07314). `background_offset` is added to the background's logit in the same way. It is for networks
    that are unsure which class they see: these divide the probability of an object among several classes, and the
    background, which is one label, becomes the likeliest one.

    Args:
        images: manifest; the splits train and extra are used for training.
        classifier: trained classifier, kept frozen, that provides the evidence of the likelihood.
        cams: store of activation maps, for an evidence that comes from it; none otherwise.
        seeds: store of seeds on the network's grid, for a warm start; none without a warm start.
        lcrf_segmenter: network to write.
        features: the backbone.
        dilation: dilation of the atrous layer, in cells.
        decoder: whether a decoder joins an earlier layer, so that the scores have the grid of that (DeepLabv3+).
        balance: strength of the correction for classes of few images, tau; 0: none.
        background_offset: added to the background's logit during training only; above 0, fewer cells are background.
        warped: size of the square input, and augmentation of the training images.
        bound: likelihood, and weights of the terms of the bound.
        prior: kernel of the CRF prior.
        warm_share: share of the steps, the first ones, that use only SEC's seeding loss; 0 for none. Seeds are cues.
        schedule: length and learning rate of the training.
        job: hardware, checkpoint and training curve.
    """
    import numpy as np
    import torch

    from wsss.datasets import manifest, pictures
    from wsss.labels import VOID
    from wsss.lcrf.bound import objective, warm
    from wsss.lcrf.prior import kernels as kernels_of
    from wsss.maths.frequencies import adjustment
    from wsss.maths.photographs import at_cells, to_tensor
    from wsss.networks import file
    from wsss.networks.classifier import Classifier
    from wsss.networks.file import About
    from wsss.networks.segmenter import Segmenter
    from wsss.training import loop
    from wsss.training.augment import augmented_square
    from wsss.training.lcrf_evidence import finder, likelihood_of

    require_whole_images(bound.likelihood, warped.crop_share)
    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    frozen, about = file.load(classifier, Classifier)
    manifest.require_classes(rows, about.classes, classifier)
    frozen.requires_grad_(False)
    classes = about.classes
    torch.manual_seed(schedule.seed)
    network = Segmenter.build(features, classes=len(classes.names), dilation=dilation, decoder=decoder)
    cells = warped.cells(network.stride, multiple=features.stride)
    cues = _cues(seeds, warm_share, cells=cells)
    maps_of = _maps(cams, bound, classes, side=round(cells / warped.crop_share))  # as many cells in the least window
    offsets = {"balance": balance, "background_offset": background_offset}
    added = adjustment([row.tags for row in rows], classes.foreground, **offsets)
    network.lower_background(background_offset)  # so that training begins as it does without an offset
    found_in = finder(frozen, bound, prior, cells=cells)
    likelihood = likelihood_of(bound, frozen, cells=cells, stride=network.stride)

    def item(position: int) -> tuple[torch.Tensor, ...]:
        row = rows[position]
        photograph = pictures.photograph_of(row)
        labels = (
            cues.fitting(row.id, photograph.shape[:2])["labels"] if cues else np.full((cells, cells), VOID, np.uint8)
        )
        return (
            *augmented_square(photograph, labels, warped=warped, fill=network.backbone.mean),
            torch.tensor([name in row.tags for name in classes.foreground]),
            *maps_of(row.id, photograph.shape[:2]),
            *([to_tensor(pictures.warped(photograph, warped.input_px))] if warped.crop_share < 1 else []),
        )

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> loop.Loss:
        photographs, labels, windows, tags, *further = batch
        logits = model(photographs).float()
        logits = logits + added.to(logits)
        if done < warm_share:
            return warm(logits, labels)
        # training has set a seed for this step, from which dropout draws: samples draw from another, made of it
        generator = torch.Generator().manual_seed(torch.initial_seed() + (1 << 62))

        found = found_in(photographs, windows, *([] if cams else [None]), *further)

        def log_likelihood(z: torch.Tensor) -> torch.Tensor:
            return likelihood(z, photographs, found, tags, generator)

        kernels = kernels_of(at_cells(photographs, (cells, cells)), prior, found.features if found else None)
        return objective(logits, tags, kernels, log_likelihood, bound=bound, done=done, generator=generator)

    settings = {"dilation": dilation, "decoder": decoder, "warm_share": warm_share, **offsets}
    settings = recorded(settings, features, warped, schedule, bound, prior)
    task = loop.Task(
        "lcrf_segmenter",
        item,
        [row.id for row in rows],
        loss,
        settings,
        [images, classifier, *cams, *seeds, *features.files],
    )
    loop.train(
        network,
        task,
        schedule=schedule,
        job=job,
        about=About(
            classes,
            "tags and cues" if seeds else "tags",
            warped_px=warped.input_px,
            longest_px=pictures.longest_px(rows),
        ),
        output=lcrf_segmenter,
    )


def _maps(
    cams: tuple[Path, ...], bound: Bound, classes: "Classes", *, side: int
) -> "Callable[[str, tuple[int, int]], list[torch.Tensor]]":
    """A function (image's id, photograph's height and width) -> its stored maps, if the evidence comes from them."""
    from wsss.stores.shared import Shared
    from wsss.training.lcrf_evidence import stored_maps

    if bound.by_cams != bool(cams):
        raise WsssError(
            f"evidence_from is {bound.evidence_from} and the likelihood {bound.likelihood}, with {len(cams)} stores of"
            " activation maps: give one for local_evidence from cams, else none"
        )
    if not cams:
        return lambda *_: []
    maps = Shared(cams[0], "cams")
    if maps.classes != classes:
        raise WsssError(f"{cams[0]} has other classes than the classifier: use those of one run")
    stride, shape = int(maps.attributes["setting.stride"]), {"foreground": len(classes.foreground), "side": side}

    def maps_of(image_id: str, size: tuple[int, int]) -> "list[torch.Tensor]":
        stored = maps.fitting(image_id, size)
        return [stored_maps(stored["cam"], stored["classes"], size, stride=stride, **shape)]

    return maps_of


def _cues(seeds: tuple[Path, ...], warm_share: float, *, cells: int) -> "Shared | None":
    """The seeds of a warm start, on the network's grid; none without one."""
    from wsss.stores.shared import Shared

    if bool(warm_share) != bool(seeds):
        raise WsssError(
            f"warm_share is {warm_share} with {len(seeds)} stores of seeds: give one for a warm start, else none"
        )
    if not seeds:
        return None
    cues = Shared(seeds[0], "seeds")
    if int(cues.attributes["setting.cells"]) != cells:
        raise WsssError(
            f"the seeds have {cues.attributes['setting.cells']} cells per side, the network has {cells}: "
            "set the cells of the seeds to input_px / stride"
        )
    return cues
