from pathlib import Path


def ablation(*, scores: tuple[Path, ...], table: Path) -> None:
    """Gather the scores of a method, and of the method with one change at a time, as one table.

    Args:
        scores: JSON files of the stage miou, named METHOD_SPLIT_miou.json.
        table: CSV to write: method, split, masks (plain, refined), miou and the IoU of each class.
    """
    from wsss.results import tables
    from wsss.runtime.errors import WsssError
    from wsss.runtime.files import read_json

    rows = []
    for path in scores:
        method, split, _ = path.stem.rsplit("_", 2)
        try:
            for masks, score in read_json(path)["masks"].items():
                columns = {"method": method, "split": split, "masks": masks, "miou": score["miou"]}
                rows.append((columns, score["iou"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise WsssError(f"{path} is damaged: remove it and rerun the stage that writes it") from error
    tables.write_scores(table, rows)
