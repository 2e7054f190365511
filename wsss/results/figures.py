"""Draw maps as pictures."""

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8

from wsss.labels import VOID, Classes
from wsss.maths import grid
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VOID_COLOUR = (224, 224, 192)
"""VOC's cream, for pixels whose class is unknown."""

NOT_WRITTEN = {"pgf", "svgz"}
"""Of matplotlib's formats: one takes TeX, and one holds the time."""


def coloured(labels: UInt8[np.ndarray, "height width"], classes: Classes) -> UInt8[np.ndarray, "height width 3"]:
    """A label map in the colours of its classes."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(classes.colours)] = classes.colours
    colours[VOID] = VOID_COLOUR
    return colours[labels]


def heat(
    photograph: UInt8[np.ndarray, "height width 3"], activation: Float[np.ndarray, "rows columns"], *, stride: int
) -> UInt8[np.ndarray, "height width 3"]:
    """An activation map in [0, 1], on a grid, as a heat map over the photograph in grey."""
    from matplotlib import colormaps

    activation = torch.from_numpy(activation)[None, None]
    smooth = grid.to_pixels(activation, photograph.shape[:2], stride=stride)[0, 0].numpy().clip(0, 1)
    grey = photograph.mean(-1, keepdims=True) / 255
    weight = 0.25 + 0.6 * smooth[..., None]
    mixed = (1 - weight) * grey + weight * colormaps["inferno"](smooth)[..., :3]
    return (255 * mixed).round().astype(np.uint8)


@dataclass
class Panels:
    """A row of named pictures with a caption.

    Attributes:
        caption: what stands beside the name of the first picture.
        pictures: pictures by name, in the order of the drawing.
        classes: the classes that the pictures show in their colours, VOID among them.
        heat: whether a picture is a heat map.
    """

    caption: str
    pictures: dict[str, UInt8[np.ndarray, "_ _ 3"]] = field(default_factory=dict)
    classes: set[int] = field(default_factory=set)
    heat: bool = False

    def add_labels(self, name: str, labels: UInt8[np.ndarray, "height width"], classes: Classes) -> None:
        """Add a label map in the colours of its classes."""
        self.pictures[name] = coloured(labels, classes)
        self.classes |= set(np.unique(labels).tolist())

    def add_heat(
        self,
        name: str,
        photograph: UInt8[np.ndarray, "height width 3"],
        activation: Float[np.ndarray, "rows columns"],
        *,
        stride: int,
    ) -> None:
        """Add an activation map over the photograph."""
        self.pictures[name] = heat(photograph, activation, stride=stride)
        self.heat = True


def write(path: Path, groups: dict[str, list[Panels]], classes: Classes, *, columns: int = 0) -> None:
    """Draw groups of rows of named panels into one picture, with a legend of the classes that they show.

    Args:
        path: picture to write, in any format of matplotlib's.
        groups: rows of panels by title.
        classes: the classes.
        columns: pictures in a line, into which the rows are broken; 0: each row is a line.

    Raises:
        WsssError: the file's name ends in no format of matplotlib's.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    format_of(path)  # before the work
    lines = {title: _lines(rows, columns) for title, rows in groups.items()}
    across = max(columns, *(len(line) for rows in lines.values() for line in rows), 1)
    heights = [max(1, len(rows)) for rows in lines.values()]
    flat = [row for of_group in groups.values() for row in of_group]
    named = _named(set().union(*(row.classes for row in flat)), classes)
    width = 2.1 * max(across, 2) + 0.4
    columns_of_legend, below = legend_size([name for name, _ in named], width)
    figure = pyplot.figure(figsize=(width, 2.1 * sum(heights) + 1.4 + below), layout="constrained")
    for part, (title, rows) in zip(
        figure.subfigures(len(lines), 1, height_ratios=heights, squeeze=False)[:, 0], lines.items(), strict=True
    ):
        part.suptitle(title, fontsize=11, fontweight="bold", x=0.02, ha="left", parse_math=False)
        axes_grid = part.subplots(max(1, len(rows)), across, squeeze=False)
        for axes in axes_grid.flat:
            axes.set_axis_off()
        for axes_of_line, line in zip(axes_grid, rows, strict=False):
            for axes, (name, picture) in zip(axes_of_line, line, strict=False):
                axes.imshow(picture)
                axes.set_title(name, fontsize=8, wrap=True, parse_math=False)
        if any(row.heat for row in groups[title]):
            scale = matplotlib.cm.ScalarMappable(norm=matplotlib.colors.Normalize(0, 1), cmap="inferno")
            part.colorbar(scale, ax=part.axes, location="right", fraction=0.03, aspect=25, label="activation")
    if named:
        patches = [(name, Patch(facecolor=np.array(colour) / 255, edgecolor="grey")) for name, colour in named]
        add_legend(figure, patches, loc="outside lower center", ncols=columns_of_legend)
    save(figure, path)
    pyplot.close(figure)


def format_of(path: Path) -> str:
    """The format of a picture, which is the end of its name.

    Raises:
        WsssError: matplotlib writes no such format.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    form, known = path.suffix.removeprefix(".").lower(), FigureCanvasBase.get_supported_filetypes().keys() - NOT_WRITTEN
    if form not in known:
        raise WsssError(f"{path}: pictures are written as {', '.join(sorted(known))}: let the name end in one of them")
    return form


def save(figure: "Figure", path: Path) -> None:
    """Write a drawing in the format of its name; the same drawing has the same bytes.

    Raises:
        WsssError: the file's name ends in no format of matplotlib's.
    """
    import matplotlib

    form = format_of(path)
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")  # instead of the time, which is written otherwise
    content = io.BytesIO()  # into a file, its temporary name would be written as well
    with matplotlib.rc_context({"svg.hashsalt": "wsss"}):
        figure.savefig(content, format=form, dpi=110, metadata={"Software": None} if form == "png" else None)
    with whole_or_absent(path) as partial:
        partial.write_bytes(content.getbuffer())


def legend_size(names: list[str], width: float) -> tuple[int, float]:
    """How many columns of a legend fit into a width, and the height that they then take; both in inches.

    A letter is some 0.065 inches wide and 0.17 high.
    """
    columns = max(1, min(len(names), int(width / (0.6 + 0.065 * max(map(len, names), default=0)))))
    return columns, 0.17 * -(-len(names) // columns)


def add_legend(where: "Figure | Axes", entries: "list[tuple[str, Artist]]", **options: object) -> None:
    """Add a legend of names, each with what it looks like; the names are text, whatever letters they hold."""
    names, handles = zip(*entries, strict=True)
    # names are set afterwards, since matplotlib leaves out those that begin with _
    legend = where.legend(handles, ["name"] * len(names), fontsize=8, frameon=False, **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def _lines(rows: list[Panels], columns: int) -> list[list[tuple[str, np.ndarray]]]:
    """The pictures of each line with their titles; the first of a row has the row's caption, too."""
    named = [
        [
            (f"{name}: {row.caption}" if number == 0 and row.caption else name, picture)
            for number, (name, picture) in enumerate(row.pictures.items())
        ]
        for row in rows
    ]
    if not columns:
        return named
    flat = [each for row in named for each in row]
    return [flat[start : start + columns] for start in range(0, len(flat), columns)]


def _named(shown: set[int], classes: Classes) -> list[tuple[str, tuple[int, ...]]]:
    """The names and colours of the classes that are shown."""
    everything = [*enumerate(zip(classes.names, classes.colours, strict=True)), (VOID, ("void", VOID_COLOUR))]
    return [(name, tuple(colour)) for index, (name, colour) in everything if index in shown]
