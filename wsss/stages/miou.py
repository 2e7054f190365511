from pathlib import Path


def miou(*, images: Path, masks: Path, split: str, text: Path, json: Path) -> None:
    """Score label maps against the true masks, by VOC's protocol.

    Args:
        images: manifest.
        masks: store of label maps.
        split: the split that they are of.
        text: table to write.
        json: the same numbers, for programs.
    """
    from wsss import evaluation, manifest, store
    from wsss.progress import track

    rows = manifest.read(images, split)
    evaluation.demand_masks(rows, images)
    with store.read(masks, "masks") as source:
        classes, about = source.classes, source.attributes
        counts = evaluation.Counts(classes)
        for row in track(rows, "miou", total=len(rows)):
            counts.add(row, source[row.id])
    evaluated = {
        "split": split,
        "images": len(rows),
        "image tags": "not used",
        "scales": f"{about['setting.scales']}, each with its mirror image",
        "image size": f"warped to {side} x {side} px" if (side := int(about["setting.warped_px"])) else "its own",
        "crf": evaluation.crf_in_words(about),
        "threshold": "none: the class of the highest score",
    }
    if float(about["setting.warm_share"]):
        evaluated["warm start"] = f"training began with seeds, in {about['setting.warm_share']} of its steps"
    evaluation.write(counts, evaluated, text=text, json_file=json)
