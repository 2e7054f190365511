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
    from wsss import figures, manifest, store
    from wsss.evaluation import truth
    from wsss.pictures import read_photograph

    def chosen(rows: list[manifest.Row], count: int) -> list[manifest.Row]:
        return rows[:: max(1, len(rows) // count)][:count]

    with (
        store.read(cams, "cams") as maps,
        store.read(affinity_labels, "affinity_labels") as labels,
        store.read(pseudo_masks, "pseudo_masks") as pseudo,
        store.read(masks, "masks") as predicted,
    ):
        classes = maps.classes
        trained = []
        for row in chosen(manifest.read(images, "train"), train_images):
            photograph = read_photograph(row.image)
            surest = figures.enlarged(labels[row.id]["labels"], labels.size(row.id), stride=labels.stride)
            panels = {
                "photograph": photograph,
                "CAM": figures.heat(photograph, maps[row.id]["cam"].astype("float32").max(0), stride=maps.stride),
                "affinity labels": figures.coloured(surest, classes),
                "pseudo mask": figures.coloured(pseudo[row.id].get("refined", pseudo[row.id]["plain"]), classes),
            }
            if row.mask:
                panels["truth"] = figures.coloured(truth(row, classes), classes)
            trained.append((" ".join(row.tags), panels))
        tested = []
        for row in chosen(manifest.read(images, split), val_images):
            panels = {"photograph": read_photograph(row.image)}
            panels["prediction"] = figures.coloured(predicted[row.id]["plain"], classes)
            if "refined" in predicted[row.id]:
                panels["refined"] = figures.coloured(predicted[row.id]["refined"], classes)
            if row.mask:
                panels["truth"] = figures.coloured(truth(row, classes), classes)
            tested.append((" ".join(row.tags), panels))
    figures.write(picture, {"training images": trained, f"{split} images": tested}, classes)
