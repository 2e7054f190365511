from pathlib import Path


def examples(
    *,
    images: Path,
    cams: Path,
    affinity_labels: tuple[Path, ...],
    pseudo_masks: tuple[Path, ...],
    saliency: tuple[Path, ...],
    seeds: tuple[Path, ...],
    masks: Path,
    split: str,
    train_images: int,
    val_images: int,
    picture: Path,
) -> None:
    """Draw what a method made of a few images, step by step.

    Args:
        images: manifest.
        cams: store of activation maps.
        affinity_labels: store of label maps on a grid, of a method that makes them.
        pseudo_masks: store of label maps, of a method that makes them.
        saliency: store of saliency maps, of a method that makes them.
        seeds: store of seeds, of a method that makes them.
        masks: store of predicted label maps.
        split: the split of the predictions.
        train_images: number of training images to draw, evenly chosen.
        val_images: number of predicted images to draw, evenly chosen.
        picture: PNG to write.
    """
    from contextlib import ExitStack

    from wsss import figures, manifest, panels, store

    cues = {"cams": (cams,), "affinity_labels": affinity_labels, "pseudo_masks": pseudo_masks}
    cues |= {"saliency": saliency, "seeds": seeds}
    with ExitStack() as opened:
        sources = {kind: opened.enter_context(store.read(path, kind)) for kind, paths in cues.items() for path in paths}
        predicted = opened.enter_context(store.read(masks, "masks"))
        trained = [panels.cues(row, sources) for row in manifest.evenly(manifest.read(images, "train"), train_images)]
        tested = [
            panels.predictions(row, predicted) for row in manifest.evenly(manifest.read(images, split), val_images)
        ]
        figures.write(picture, {"training images": trained, f"{split} images": tested}, predicted.classes)
