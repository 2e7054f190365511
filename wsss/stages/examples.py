from pathlib import Path


def examples(
    *,
    images: Path,
    cues: tuple[Path, ...],
    masks: Path,
    split: str,
    train_images: int,
    val_images: int,
    picture: Path,
) -> None:
    """Draw the results of a method on a few images, step by step.

    Args:
        images: manifest.
        cues: stores of the method's cues for the training images, in the order of the drawing.
        masks: store of predicted label maps.
        split: the split of the predictions.
        train_images: number of training images to draw, evenly spaced.
        val_images: number of predicted images to draw, evenly spaced.
        picture: PNG to write.
    """
    from contextlib import ExitStack

    from wsss.datasets import manifest
    from wsss.results import figures, panels
    from wsss.stores import store

    with ExitStack() as stack:
        kinds = {path: store.kind_of(path) for path in cues}
        sources = {kind: stack.enter_context(store.read(path, kind)) for path, kind in kinds.items()}
        predicted = stack.enter_context(store.read(masks, "masks"))
        trained = [panels.cues(row, sources) for row in manifest.evenly(manifest.read(images, "train"), train_images)]
        tested = [
            panels.predictions(row, predicted) for row in manifest.evenly(manifest.read(images, split), val_images)
        ]
        figures.write(
            picture, {"cues of training images": trained, f"predictions of {split} images": tested}, predicted.classes
        )
