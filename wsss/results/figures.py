"""Draw maps as pictures."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from wsss.labels import VOID, Classes
from wsss.maths import grid
from wsss.runtime.files import whole_or_absent

VOID_COLOUR = (224, 224, 192)
"""VOC's cream, for pixels whose class is unknown."""


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


def write(path: Path, groups: dict[str, list[tuple[str, dict[str, np.ndarray]]]], classes: Classes) -> None:
    """Draw groups of rows of named panels, with a legend of the classes, into one PNG.

    Args:
        path: PNG to write.
        groups: for each title, rows of (caption, panels by name).
        classes: classes of the legend.
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
        axes_grid = part.subplots(max(1, len(rows)), columns, squeeze=False)
        for axes in axes_grid.flat:
            axes.set_axis_off()
        for line, (caption, panels) in zip(axes_grid, rows, strict=False):
            for axes, (name, picture) in zip(line, panels.items(), strict=False):
                axes.imshow(picture)
                axes.set_title(f"{name}: {caption}" if name == "photograph" else name, fontsize=8)
    named = [*zip(classes.names, classes.colours, strict=True), ("void", VOID_COLOUR)]
    patches = [matplotlib.patches.Patch(facecolor=np.array(c) / 255, edgecolor="grey", label=n) for n, c in named]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), 7), fontsize=8, frameon=False)
    with whole_or_absent(path) as partial:
        figure.savefig(partial, format="png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)
