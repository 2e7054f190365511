from pathlib import Path


def psa_examples(
    *,
    images: Path,
    cams: Path,
    affinity_labels: Path,
    pseudo_masks: Path,
    masks: Path,
    split: str,
    train_images: int,
    val_images: int,
    picture: Path,
) -> None:
    """Draw what PSA made of a few images, step by step.

    Args:
        images: manifest.
        cams: store of activation maps.
        affinity_labels: store of label maps on a grid.
        pseudo_masks: store of label maps.
        masks: store of predicted label maps.
        split: the split of the predictions.
        train_images: number of training images to draw, evenly chosen.
        val_images: number of predicted images to draw, evenly chosen.
        picture: PNG to write.
    """
    from wsss import examples, figures, manifest, store

    with (
        store.read(cams, "cams") as maps,
        store.read(affinity_labels, "affinity_labels") as labels,
        store.read(pseudo_masks, "pseudo_masks") as pseudo,
        store.read(masks, "masks") as predicted,
    ):
        trained = []
        for row in figures.evenly(manifest.read(images, "train"), train_images):
            surest = figures.enlarged(labels[row.id]["labels"], labels.size(row.id), stride=labels.stride)
            walked = pseudo[row.id].get("refined", pseudo[row.id]["plain"])
            steps = {
                "affinity labels": figures.coloured(surest, maps.classes),
                "pseudo mask": figures.coloured(walked, maps.classes),
            }
            trained.append(examples.cues(row, maps, steps))
        tested = [
            examples.predictions(row, predicted) for row in figures.evenly(manifest.read(images, split), val_images)
        ]
        figures.write(picture, {"training images": trained, f"{split} images": tested}, maps.classes)
