"""Pictures of maps for people."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from wsss.labels import VOID, Classes

VOID_COLOUR = (224, 224, 192)
"""VOC's cream for what nobody knows."""


def coloured(
    labels: UInt8[np.ndarray, "_ _"], classes: Classes, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """A label map in the colours of its classes, at another size (height, width) where one is given."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(classes.colours)] = classes.colours
    colours[VOID] = VOID_COLOUR
    if size:
        labels = np.array(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))
    return colours[labels]


def heat(
    photograph: UInt8[np.ndarray, "height width 3"], activation: Float[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "height width 3"]:
    """An activation in [0, 1] as heat over the greyed photograph."""
    from matplotlib import colormaps

    height, width = photograph.shape[:2]
    smooth = np.array(Image.fromarray(activation).resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    grey = photograph.mean(-1, keepdims=True) / 255
    weight = 0.25 + 0.6 * smooth[..., None]
    mixed = (1 - weight) * grey + weight * colormaps["inferno"](smooth)[..., :3]
    return (255 * mixed).round().astype(np.uint8)


def write(path: Path, groups: dict[str, list[tuple[str, dict[str, np.ndarray]]]], classes: Classes) -> None:
    """Draw groups of rows of named panels, with a legend of the classes, into one PNG.

    Args:
        path: file to write.
        groups: for each title, rows of (caption, panels by name).
        classes: for the legend.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = max(len(panels) for rows in groups.values() for _, panels in rows)
    heights = [max(1, len(rows)) for rows in groups.values()]
    figure = pyplot.figure(figsize=(2.1 * columns + 0.4, 2.1 * sum(heights) + 1.6), layout="constrained")
    for part, (title, rows) in zip(
        figure.subfigures(len(groups), 1, height_ratios=heights, squeeze=False)[:, 0], groups.items(), strict=True
    ):
        part.suptitle(title, fontsize=11, fontweight="bold", x=0.02, ha="left")
        grid = part.subplots(max(1, len(rows)), columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for line, (caption, panels) in zip(grid, rows, strict=False):
            for axes, (name, picture) in zip(line, panels.items(), strict=False):
                axes.imshow(picture)
                axes.set_title(f"{name}: {caption}" if name == "photograph" else name, fontsize=8)
    named = [*zip(classes.names, classes.colours, strict=True), ("void", VOID_COLOUR)]
    patches = [matplotlib.patches.Patch(facecolor=np.array(c) / 255, edgecolor="grey", label=n) for n, c in named]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), 7), fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
