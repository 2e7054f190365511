from pathlib import Path
from typing import TYPE_CHECKING

from wsss.options.crf import Crf, FeatureCrf
from wsss.options.flat import Flat, recorded
from wsss.options.network import Features
from wsss.options.sec import SecLosses
from wsss.options.training import Job, Schedule, WarpedInput
from wsss.runtime.errors import WsssError

if TYPE_CHECKING:
    from wsss.labels import Classes
    from wsss.networks.classifier import Classifier


def sec_segmenter(
    *,
    images: Path,
    seeds: Path,
    classifier: list[Path],
    sec_segmenter: Path,
    features: Flat[Features],
    dilation: int,
    decoder: bool,
    balance: float,
    background_offset: float,
    warped: Flat[WarpedInput],
    losses: Flat[SecLosses],
    crf: Crf,
    feature_crf: FeatureCrf,
    schedule: Flat[Schedule],
    job: Flat[Job],
) -> None:
    """Train a segmentation network on seeds and tags, by SEC's losses: seed, expand and constrain.

    With a balance tau above 0, tau log(images with the class / those with the most frequent one) is added to the logits
    in training, and not in use, so that classes of few images are not left to others (logit adjustment, Menon et al.
    2021, arXiv:2007.07314). `background_offset` is added to the background's logit in the same way, against its growing
    beyond what the photographs show.

    Args:
        images: manifest; the splits train and extra are used for training.
        seeds: store of label maps on the network's grid.
        classifier: the classifier whose features the CRF of the loss constrain goes by, kept frozen; one or none.
        sec_segmenter: network to write.
        features: the backbone.
        dilation: dilation of the atrous layer, in cells.
        decoder: whether a decoder joins an earlier layer, so that the scores have the grid of that (DeepLabv3+).
        balance: strength of the correction for classes of few images, tau; 0: none, as in the paper.
        background_offset: added to the background's logit during training only; above 0, fewer cells are background.
        warped: size of the square input, and augmentation of the training images.
        losses: weights and poolings of the losses.
        crf: CRF of the loss constrain by colours; its pixels are the cells of the network's grid.
        feature_crf: CRF of the loss constrain by features, of the same cells.
        schedule: length and learning rate of the training.
        job: hardware, checkpoint and training curve.
    """
    import torch

    from wsss.datasets import manifest, pictures
    from wsss.maths.frequencies import adjustment
    from wsss.networks.file import About
    from wsss.networks.segmenter import Segmenter
    from wsss.sec.losses import objective
    from wsss.stores.shared import Shared
    from wsss.training import loop
    from wsss.training.augment import augmented_square
    from wsss.training.sec_constraint import refiner

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    labels = Shared(seeds, "seeds")
    manifest.require_classes(rows, labels.classes, seeds)
    names = labels.classes.names
    cells = int(labels.attributes["setting.cells"])
    torch.manual_seed(schedule.seed)
    network = Segmenter.build(features, classes=len(names), dilation=dilation, decoder=decoder)
    if warped.cells(network.stride, multiple=features.stride) != cells:
        raise WsssError(
            f"input_px is {warped.input_px} and the stride {network.stride}, but the seeds have {cells} x {cells} "
            f"cells: set input_px to {cells * network.stride}, or the cells of the seeds to input_px / stride"
        )
    fill = network.backbone.mean
    refine = refiner(losses, crf, feature_crf, judge=_judge(classifier, losses, labels.classes), cells=cells)
    offsets = {"balance": balance, "background_offset": background_offset}
    added = adjustment([row.tags for row in rows], names[1:], **offsets)
    network.lower_background(background_offset)  # so that training begins as it does without an offset

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.photograph_of(row)
        seeded = labels.fitting(row.id, photograph.shape[:2])["labels"]
        image, seeded, _ = augmented_square(photograph, seeded, warped=warped, fill=fill)
        return image, seeded, torch.tensor([name in row.tags for name in names[1:]])

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> loop.Loss:
        photographs, seeded, tags = batch
        logits = model(photographs).float()
        logits = logits + added.to(logits)
        return objective(logits, seeded, tags, refine(photographs), losses=losses, windows=warped.crop_share < 1)

    settings = {"dilation": dilation, "decoder": decoder, **offsets}
    settings = recorded(settings, crf, features, warped, schedule, losses, feature_crf=feature_crf)
    inputs = [images, seeds, *classifier, *features.files]
    task = loop.Task("sec_segmenter", item, [row.id for row in rows], loss, settings, inputs)
    about = About(labels.classes, "tags and cues", warped_px=warped.input_px, longest_px=pictures.longest_px(rows))
    loop.train(network, task, schedule=schedule, job=job, about=about, output=sec_segmenter)


def _judge(classifier: list[Path], losses: SecLosses, classes: "Classes") -> "Classifier | None":
    """The frozen classifier, where the CRF of the loss constrain goes by its features."""
    from wsss.networks import file
    from wsss.networks.classifier import Classifier

    if (losses.constrain_by == "features") != bool(classifier):
        raise WsssError(
            f"constrain_by is {losses.constrain_by} with {len(classifier)} classifiers: give one for features, else"
            " none"
        )
    if not classifier:
        return None
    judge, about = file.load(classifier[0], Classifier)
    if about.classes != classes:
        raise WsssError(f"{classifier[0]} has other classes than the seeds: use those of one run")
    return judge.requires_grad_(False)
