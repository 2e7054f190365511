"""The page: from the folder of a run to one HTML file that needs nothing else."""

import base64
import hashlib
import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from wsss.datasets import manifest
from wsss.datasets.manifest import Row
from wsss.labels import Classes
from wsss.report import facts, gallery
from wsss.results import figures, runs, shares, tables
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent

HERE = Path(__file__).parent

SPLITS = ("train", "val", "test")
"""Splits whose images the page shows; the others are training images with less to see."""


def write(results: list[Path], page: Path, *, images: int, longest_px: int) -> None:
    """Write the report of a run; of several runs, their scores side by side and the pictures of the first.

    Args:
        results: the folders of the runs.
        page: HTML to write.
        images: largest number of images of each split.
        longest_px: longer side of the pictures on the page.

    Raises:
        WsssError: the first folder holds no list of images.
    """
    import jinja2
    from markupsafe import Markup

    first = results[0]
    for name in ("images.csv", "classes.csv"):
        if not (first / name).exists():
            raise WsssError(f"{first / name} does not exist: is {first} the folder of a run, and has it begun?")
    classes = manifest.read_classes(first / "classes.csv")
    rows = manifest.read(first / "images.csv")
    scores, stale = _scores(results)
    with ExitStack() as stack:
        found = gallery.sources(first, stack)
        judged = gallery.judged(rows, found, classes)
        of_label_maps = [] if scores else _shares(found)
        shown, notes, confidences = _shown(rows, found, judged, first, images)
        pictured = list(gallery.pictured(shown, found, classes, longest_px))
    for image in pictured:
        if image["id"] in confidences:
            image["confidence"] = round(confidences[image["id"]], 4)
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string((HERE / "page.html").read_text(encoding="utf-8")).render(
        title=f"Report of {first.resolve().parent.name}/{first.resolve().name}",
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        style=Markup(style),
        script=Markup(script),
        data=Markup(_data(classes, judged, pictured)),
        table=tables.cells(scores, [str(path) for path in results], classes=True),
        oracle=[line.score.oracle for line in scores],
        runs=len(results),
        stale=stale,
        judged=bool(judged),
        shares=of_label_maps,
        class_names=classes.names,
        notes=notes,
        tags=facts.tags(rows),
        splits=list(dict.fromkeys(row.split for row in rows)),
        curves=[_drawn(curve) for curve in facts.curves(first)],
        **_run(first, rows),
    )
    with whole_or_absent(page) as partial:
        partial.write_text(text, encoding="utf-8")


def _hash(text: str) -> str:
    """A content security policy's name of an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _scores(results: list[Path]) -> tuple[list[runs.Line], list[Path]]:
    read = [runs.read(folder) for folder in results]
    return runs.joined([scores for scores, _ in read]), [path for _, stale in read for path in stale]


def _shown(
    rows: list[Row], found: list[gallery.Source], judged: list[gallery.Judged], results: Path, most: int
) -> tuple[list[Row], list[str], dict[str, float]]:
    """The images of the page, what it says of those that are left out, and the confidence where there is no score."""
    shown, notes, confidences = [], [], {}
    for split in SPLITS:
        of_split = [row for row in rows if row.split == split]
        scores = {row_id: score for each in judged if each.split == split for row_id, (score, _) in each.images.items()}
        if not scores:
            scores = gallery.confidences(of_split, results, found)
            confidences |= scores
        kept = gallery.chosen(of_split, scores, most)
        shown += kept
        if len(kept) < len(of_split):
            which = "those with the lowest scores, the highest, and some between" if scores else "evenly spaced"
            notes.append(f"Of {len(of_split)} {split} images {len(kept)} are shown: {which}.")
    return shown, notes, confidences


def _shares(found: list[gallery.Source]) -> list[list[str]]:
    """For each store of label maps: its name, how many maps, how many show nothing, and the share of each class."""
    lines = []
    for source in (source for source in found if source.dense):
        of = shares.counted(source.reader)
        lines.append(
            [source.reader.path.name, str(of.maps), str(of.empty), *(f"{100 * s:.1f}" for s in of.of_classes.values())]
        )
    return lines


def _data(classes: Classes, judged: list[gallery.Judged], pictured: list[dict]) -> str:
    """What the page's script works on, as JSON in which nothing can end the element around it."""
    from matplotlib import colormaps

    layers = list(dict.fromkeys(layer["name"] for image in pictured for layer in image["layers"]))
    layers.sort(key=lambda name: name == gallery.TRUTH)  # the last one, whatever splits there are
    first = _first(judged)
    content = {
        "classes": [
            {"name": name, "colour": [int(band) for band in colour]}
            for name, colour in zip(classes.names, classes.colours, strict=True)
        ],
        "void_colour": list(figures.VOID_COLOUR),
        "heat": (255 * colormaps["inferno"](np.arange(256))[:, :3]).round().astype(int).tolist(),
        "layers": layers,
        "start": {"layer": first.name if first else "", "split": first.split if first else ""},
        "judged": [
            {
                "name": each.name,
                "split": each.split,
                "confusion": each.confusion[:, :-1].tolist(),
                "images": {image_id: [round(score, 4), wrong] for image_id, (score, wrong) in each.images.items()},
            }
            for each in judged
        ],
        "images": pictured,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _first(judged: list[gallery.Judged]) -> gallery.Judged | None:
    """The label maps that the page shows first: of the last split, those of the first method, refined ones if any."""
    if not judged:
        return None
    split = max((each.split for each in judged), key=SPLITS.index)
    of_split = [each for each in judged if each.split == split]
    method = of_split[0].name.split()[0]
    return [each for each in of_split if each.name.split()[0] == method][-1]


def _run(results: Path, rows: list[Row]) -> dict[str, object]:
    """The head of the page, and what it says of times and settings."""
    stages, records = facts.stages(results), facts.records(results)
    about = {name: text for record in records for name, text in record.about.items()}
    machines = Counter(record.about["on"] for record in records if "on" in record.about)
    splits = Counter(row.split for row in rows)
    root = next((record.option("root") for record in records if record.words[0] == "images"), "")
    seconds = sum(stage.seconds for stage in stages)
    known = {
        "data set": root,
        "images": ", ".join(f"{count} {split}" for split, count in splits.items()),
        "made by": about.get("by", ""),
        "machine": ", ".join(
            [*(name for name, _ in machines.most_common(1)), *([about["GPU:"]] if "GPU:" in about else [])]
        ),
        "time of all stages": f"{seconds / 60:.1f} minutes" if seconds else "",
    }
    return {
        "facts": [(name, value) for name, value in known.items() if value],
        "command": about.get("for", ""),
        "stages": stages,
        "settings": facts.settings(records),
    }


def _drawn(curve: facts.Curve) -> dict[str, object]:
    """A training curve as polylines of an SVG of 320 x 160, means over at most 200 stretches of steps."""
    means = curve.means(200)
    top = max(max(values) for values in means.values())
    bottom = min(0.0, *(min(values) for values in means.values()))
    height = (top - bottom) or 1.0
    lines = []
    for name, values in means.items():
        step = 276 / max(1, len(values) - 1)
        points = [
            f"{36 + step * at:.1f},{136 - 128 * (value - bottom) / height:.1f}" for at, value in enumerate(values)
        ]
        lines.append({"name": name, "points": " ".join(points)})
    return {"name": curve.name, "top": f"{top:.3g}", "bottom": f"{bottom:.3g}", "steps": curve.steps, "lines": lines}
