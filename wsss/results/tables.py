"""The table of scores, as texts for a terminal and for other programs."""

import csv
import io
from pathlib import Path

from wsss.results.runs import Line
from wsss.runtime.files import whole_or_absent


def cells(lines: list[Line], runs: list[str], *, classes: bool) -> list[list[str]]:
    """The table as texts, its header first: name, images, mIoU (of each run, mean and spread), IoU of each class."""
    several = len(runs) > 1
    header = ["", "images", *(runs if several else []), "mIoU", *(["±"] if several else [])]
    names = list(dict.fromkeys(name for line in lines for name in line.iou)) if classes else []
    table = [[*header, *names]]
    for line in lines:
        score = line.score
        row = [score.name, f"{score.images} {score.split} images"]
        row += [_percent(miou) for miou in line.mious] if several else []
        row += [_percent(line.mean), *([_percent(line.spread)] if several else [])]
        table.append([*row, *(_percent(line.iou.get(name)) for name in names)])
    return table


def write_scores(path: Path, rows: list[tuple[dict[str, object], dict[str, float | None]]]) -> None:
    """Write scores as CSV, from 0 to 1.

    Args:
        path: CSV to write.
        rows: columns that say what was scored, and the IoU of each class; what is not known is left empty.
    """
    about = list(dict.fromkeys(name for columns, _ in rows for name in columns))
    classes = list(dict.fromkeys(name for _, iou in rows for name in iou))
    with whole_or_absent(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*about, *_told_apart(classes, about)])
        for columns, iou in rows:
            writer.writerow([*(columns.get(name) for name in about), *(iou.get(name) for name in classes)])


def _told_apart(classes: list[str], others: list[str]) -> list[str]:
    """The columns of classes beside others: that of a class which is called like one of them is `class miou`."""
    columns = []
    for name in classes:
        column = name
        while column in others or column != name and column in classes:
            column = f"class {column}"
        columns.append(column)
    return columns


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def as_text(table: list[list[str]]) -> str:
    """Columns for a terminal: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if number < 2 else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )


def as_csv(table: list[list[str]]) -> str:
    """Comma-separated values; a number that is not known is empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["" if cell == "-" else cell for cell in row] for row in table])
    return text.getvalue().rstrip("\n")


def as_markdown(table: list[list[str]]) -> str:
    """A table of GitHub's Markdown."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in table]
    rule = ["---" if number < 2 else "---:" for number in range(len(table[0]))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"}


def as_latex(table: list[list[str]]) -> str:
    """A tabular environment (booktabs)."""
    rows = [" & ".join("".join(LATEX.get(letter, letter) for letter in cell) for cell in row) + r" \\" for row in table]
    columns = "ll" + "r" * (len(table[0]) - 2)
    return "\n".join(
        [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"]
        + [r"\end{tabular}"]
    )


FORMATS = {"text": as_text, "csv": as_csv, "markdown": as_markdown, "latex": as_latex}
