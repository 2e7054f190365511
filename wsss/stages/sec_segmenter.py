from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from wsss.errors import WsssError
from wsss.options import Augment, Crf, Features, Record, Schedule


@dataclass(frozen=True)
class Losses:
    """SEC's three losses.

    Args:
        floor: smallest probability, of the network and of the CRF.
        seed_weight: of the loss at the seeds; 0 leaves it out.
        expand_weight: of the loss of the pooled probabilities.
        constrain_weight: of the loss against the CRF.
        constrain_gradient: whether a gradient passes through the CRF, as the paper has it; the authors' code has none.
        pool_by: whether the three numbers below are shares of the cells, which carry half of the weight and mean the
            same on any grid, or decays d, as the paper gives them for 41 x 41 cells.
        pool_present: of the classes in the tags (share 0 is the maximum, 0.5 the mean; decay 0 and 1).
        pool_absent: of the other classes.
        pool_background: of the background.
    """

    floor: float
    seed_weight: float
    expand_weight: float
    constrain_weight: float
    constrain_gradient: bool
    pool_by: Literal["share", "decay"]
    pool_present: float
    pool_absent: float
    pool_background: float


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
    losses: Annotated[Losses, tyro.conf.arg(name="")],
    crf: Crf,
    schedule: Annotated[Schedule, tyro.conf.arg(name="")],
    record: Annotated[Record, tyro.conf.arg(name="")],
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
        record: where the run is recorded.
    """
    from dataclasses import asdict

    import torch

    from wsss import manifest, networks, pictures, sec_losses, store, training, transforms
    from wsss.crf import marginals
    from wsss.seeds import one_hot

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

    def decay(pool: float) -> float:
        return sec_losses.decay_of_share(pool, cells=cells**2) if losses.pool_by == "share" else pool

    decays = {name: decay(getattr(losses, f"pool_{name}")) for name in ("present", "absent", "background")}

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = transforms.warped(pictures.read_photograph(row.image), input_px)
        seeded = labels[row.id]["labels"]
        image, seeded = transforms.augmented(photograph, seeded, augment=augment, cell_px=features.stride, fill=fill)
        return image, seeded, torch.tensor([name in row.tags for name in names[1:]])

    def constrain(scores: torch.Tensor, p: torch.Tensor, photographs: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.interpolate(photographs, scores.shape[-2:], mode="bilinear", antialias=True)
        small = (255 * small).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        unary = -scores.log_softmax(1)
        q = marginals(unary if losses.constrain_gradient else unary.detach(), small, crf)
        return sec_losses.constrain_loss(p, sec_losses.floored(q, floor=losses.floor))

    def loss(model: torch.nn.Module, batch: list[torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        photographs, seeded, tags = batch
        scores = model(photographs).float()
        p = sec_losses.probabilities(scores, floor=losses.floor)
        terms = {}
        if losses.seed_weight:
            seeding = sec_losses.seeding_loss(p, one_hot(seeded.to(torch.uint8), classes=len(names)))
            terms["seed"] = losses.seed_weight * seeding
        if losses.expand_weight:
            expansion = sec_losses.expansion_loss(p, tags, **{f"decay_{name}": d for name, d in decays.items()})
            terms["expand"] = losses.expand_weight * expansion
        if losses.constrain_weight:
            terms["constrain"] = losses.constrain_weight * constrain(scores, p, photographs)
        return sum(terms.values()), terms

    settings = {"dilation": dilation, "input_px": input_px, **asdict(losses), **asdict(crf)}
    settings |= training.options(features, augment, schedule)
    task = training.Task("sec_segmenter", item, len(rows), loss, settings, [images, seeds, *features.files])
    training.train(network, task, schedule=schedule, record=record, classes=labels.classes, output=sec_segmenter)
