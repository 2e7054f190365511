from pathlib import Path


def sec_examples(
    *,
    images: Path,
    cams: Path,
    saliency: Path,
    seeds: Path,
    masks: Path,
    split: str,
    train_images: int,
    val_images: int,
    picture: Path,
) -> None:
    """Draw what SEC made of a few images, step by step.

    Args:
        images: manifest.
        cams: store of activation maps.
        saliency: store of saliency maps.
        seeds: store of seeds.
        masks: store of predicted label maps.
        split: the split of the predictions.
        train_images: number of training images to draw, evenly chosen.
        val_images: number of predicted images to draw, evenly chosen.
        picture: PNG to write.
    """
    from wsss import examples, figures, manifest, store
    from wsss.pictures import read_photograph

    with (
        store.read(cams, "cams") as maps,
        store.read(saliency, "saliency") as salient,
        store.read(seeds, "seeds") as seeded,
        store.read(masks, "masks") as predicted,
    ):
        trained = []
        for row in figures.evenly(manifest.read(images, "train"), train_images):
            steps = {
                "saliency": figures.heat(
                    read_photograph(row.image), salient[row.id]["saliency"].astype("float32"), stride=salient.stride
                ),
                "seeds": figures.coloured(
                    figures.stretched(seeded[row.id]["labels"], seeded.size(row.id)), maps.classes
                ),
            }
            trained.append(examples.cues(row, maps, steps))
        tested = [
            examples.predictions(row, predicted) for row in figures.evenly(manifest.read(images, split), val_images)
        ]
        figures.write(picture, {"training images": trained, f"{split} images": tested}, maps.classes)
