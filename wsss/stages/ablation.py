from pathlib import Path


def ablation(*, scores: tuple[Path, ...], table: Path) -> None:
    """Gather the scores of a method, and of the method with one change at a time, as one table.

    Args:
        scores: JSON files of the stage miou, named METHOD_SPLIT_miou.json.
        table: CSV to write: method, split, masks (plain, refined), miou and the IoU of each class.
    """
    import csv

    from wsss.runtime.files import read_json, whole_or_absent

    lines = []
    for path in scores:
        method, split, _ = path.stem.rsplit("_", 2)
        for masks, score in read_json(path)["masks"].items():
            lines.append({"method": method, "split": split, "masks": masks, "miou": score["miou"], **score["iou"]})
    with whole_or_absent(table) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
