from pathlib import Path


def ablation(*, scores: tuple[Path, ...], table: Path) -> None:
    """Gather the scores of a method, and of the method with one change at a time, as one table.

    Args:
        scores: JSON files of the stage miou, named METHOD_SPLIT_miou.json.
        table: CSV to write: method, split, masks (plain, refined), miou and the IoU of each class.
    """
    from wsss.results import runs, tables
    from wsss.runtime.errors import require

    require(scores, "scores", "JSON files of the stage miou")
    rows = []
    for path in scores:
        method, found = runs.of_method(path)
        for masks, score in found.items():
            columns = {"method": method, "split": score.split, "masks": masks, "miou": score.miou}
            rows.append((columns, score.iou))
    tables.write_scores(table, rows)
