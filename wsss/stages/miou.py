from pathlib import Path


def miou(*, images: Path, masks: Path, split: str, text: Path, json: Path) -> None:
    """Score label maps against the true masks, by VOC's protocol.

    Args:
        images: manifest.
        masks: store of label maps.
        split: split of the label maps.
        text: text table to write.
        json: JSON to write, with the same numbers.
    """
    from wsss.datasets import manifest
    from wsss.results import evaluation
    from wsss.runtime import progress
    from wsss.runtime.progress import track
    from wsss.stores import store

    rows = manifest.read(images, split)
    evaluation.require_masks(rows, images)
    with store.read(masks, "masks") as source:
        classes, about = source.classes, source.attributes
        counts = evaluation.Counts(classes)
        for row in track(rows, "miou", total=len(rows)):
            counts.add(row, source[row.id])
    evaluated = {
        "split": split,
        "images": len(rows),
        "image tags": "not used",
        "supervision": about["setting.supervision"],
        "scales": f"{about['setting.scales']}, each with its mirror image",
        "image prior": prior if (prior := float(about["setting.image_prior"])) else "none",
        "feature crf": evaluation.feature_crf_description(about),
        "image size": f"warped to {side} x {side} px" if (side := int(about["setting.warped_px"])) else "its own",
        "crf": evaluation.crf_description(about),
        "threshold": "none: the class of the highest score",
    }
    evaluation.write(counts, evaluated, manifest=store.digest(images), text=text, json_file=json)
    progress.note(", ".join(f"mIoU {name} {100 * score['miou']:.1f}" for name, score in counts.table().items()))
