from pathlib import Path

from wsss.options.flat import Flat, recorded
from wsss.options.network import Features
from wsss.options.training import Augment, Job, Schedule


def classifier(
    *,
    images: Path,
    classes_table: Path,
    classifier: Path,
    features: Flat[Features],
    augment: Flat[Augment],
    schedule: Flat[Schedule],
    job: Flat[Job],
    balance: float,
    pool_share: float,
) -> None:
    """Train a multi-label image classifier on the tags.

    The loss is the multi-label soft margin: the binary cross-entropy, averaged over the classes. With a balance tau
    above 0, tau log(p / (1 - p)) with the share p of the images that show a class is a fixed offset of its score, and
    no part of its map: logit adjustment (Menon et al., ICLR 2021) for classes that are judged one by one.

    Args:
        images: manifest; the splits train and extra are used for training.
        classes_table: table of the classes.
        classifier: network to write.
        features: the backbone.
        augment: augmentation of the training images.
        schedule: length and learning rate of the training.
        job: hardware, checkpoint and training curve.
        balance: strength of the offset, tau; 0: none, as in the papers.
        pool_share: of the cells, the highest ones of a class that have half of the weight in its score; 0.5: the mean,
            as in the papers.
    """
    import torch

    from wsss.datasets import manifest, pictures
    from wsss.maths.frequencies import log_odds
    from wsss.networks.classifier import Classifier
    from wsss.networks.file import About
    from wsss.training import loop
    from wsss.training.augment import augmented_photograph

    classes = manifest.read_classes(classes_table)
    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    torch.manual_seed(schedule.seed)
    network = Classifier.build(features, classes=len(classes.names), pool_share=pool_share)
    network.set_offsets(balance * log_odds([row.tags for row in rows], classes.foreground))
    fill = network.backbone.mean

    def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = rows[position]
        photograph = pictures.photograph_of(row)
        image = augmented_photograph(photograph, augment=augment, fill=fill)
        return image, torch.tensor([float(name in row.tags) for name in classes.foreground])

    def loss(model: torch.nn.Module, batch: list[torch.Tensor], done: float) -> torch.Tensor:
        photographs, tags = batch
        return torch.nn.functional.multilabel_soft_margin_loss(model(photographs), tags)

    settings = recorded({"balance": balance, "pool_share": pool_share}, features, augment, schedule)
    task = loop.Task(
        "classifier", item, [row.id for row in rows], loss, settings, [images, classes_table, *features.files]
    )
    loop.train(network, task, schedule=schedule, job=job, about=About(classes, "tags"), output=classifier)
