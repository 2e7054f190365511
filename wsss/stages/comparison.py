from pathlib import Path


def comparison(*, scores: tuple[Path, ...], table: Path) -> None:
    """Gather the scores of a run as one table, from activation maps to the masks of each method after the CRF.

    Args:
        scores: JSON files of the stages cue_scores and miou; the rows of the table are in their order.
        table: CSV to write: maps (what was scored), split, images (their number), miou and the IoU of each class.
    """
    from wsss.results import runs, tables
    from wsss.runtime.errors import require

    require(scores, "scores", "JSON files of the stages cue_scores and miou")
    rows = []
    for path in scores:
        for score in runs.of_file(path)[0]:
            columns = {"maps": score.name, "split": score.split, "images": score.images, "miou": score.miou}
            rows.append((columns, score.iou))
    tables.write_scores(table, rows)
