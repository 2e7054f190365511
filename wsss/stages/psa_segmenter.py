from pathlib import Path

from wsss.options.flat import Flat, recorded
from wsss.options.network import Features
from wsss.options.training import Augment, Job, Schedule


def psa_segmenter(
    *,
    images: Path,
    pseudo_masks: Path,
    psa_segmenter: Path,
    features: Flat[Features],
    dilation: int,
    decoder: bool,
    balance: float,
    augment: Flat[Augment],
    schedule: Flat[Schedule],
    job: Flat[Job],
) -> None:
    """Train a segmentation network on pseudo masks.

    The loss is the mean cross-entropy over a batch's pixels that are not void, with logits resized to the crop. With a
    balance tau above 0, tau log(share of the class among all labels) is added to the logits in training, and not in
    use, so that classes with few pixels are not left to larger ones (logit adjustment, Menon et al. 2021,
    arXiv:2007.07314).

    Args:
        images: manifest; the splits train and extra are used for training.
        pseudo_masks: store of label maps; the refined ones are used, if there are any.
        psa_segmenter: network to write.
        features: the backbone.
        dilation: dilation of the atrous layer, in cells.
        decoder: whether a decoder joins an earlier layer, so that the scores have the grid of that (DeepLabv3+).
        balance: strength of the correction for rare classes, tau of logit adjustment; 0: none, as in the papers.
        augment: augmentation of the training images.
        schedule: length and learning rate of the training.
        job: hardware, checkpoint and training curve.
    """
    import torch

    from wsss.datasets import manifest, pictures
    from wsss.labels import VOID
    from wsss.maths import frequencies, grid
    from wsss.networks.file import About
    from wsss.networks.segmenter import Segmenter
    from wsss.stores import store
    from wsss.stores.shared import Shared
    from wsss.training import distributed, loop
    from wsss.training.augment import augmented

    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    masks = Shared(pseudo_masks, "pseudo_masks")
    manifest.require_classes(rows, masks.classes, pseudo_masks)
    torch.manual_seed(schedule.seed)
    network = Segmenter.build(features, classes=len(masks.classes.names), dilation=dilation, decoder=decoder)
    fill = network.backbone.mean
    counted = (store.final_labels(masks[row.id]) for row in rows) if balance else ()
    adjustment = balance * frequencies.log_shares(counted, classes=len(masks.classes.names))[:, None, None]

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.photograph_of(row)
        target = store.final_labels(masks.fitting(row.id, photograph.shape[:2]))
        return augmented(photograph, target, augment=augment, cell_px=1, fill=fill)

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> torch.Tensor:
        photographs, target = batch
        logits = grid.to_pixels(model(photographs), tuple(target.shape[-2:]), stride=network.stride)
        logits = logits + adjustment.to(logits)
        cross_entropy = torch.nn.functional.cross_entropy(logits, target, ignore_index=VOID, reduction="sum")
        cross_entropy, pixels = distributed.total(torch.stack([cross_entropy, (target != VOID).sum()]))
        return cross_entropy / pixels.clamp(min=1)  # a batch may be void everywhere

    settings = recorded({"dilation": dilation, "decoder": decoder, "balance": balance}, features, augment, schedule)
    task = loop.Task(
        "psa_segmenter", item, [row.id for row in rows], loss, settings, [images, pseudo_masks, *features.files]
    )
    about = About(masks.classes, "tags and cues", longest_px=pictures.longest_px(rows))
    loop.train(network, task, schedule=schedule, job=job, about=about, output=psa_segmenter)
