"""The training curves of one run or of several, as one picture."""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wsss.report.facts import Curve, stretches
from wsss.results import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Colour = tuple[float, float, float, float]

POINTS = 200
"""Largest number of points of a line, each the mean over a stretch of steps."""

DASHES = ("-", "--", ":", "-.", (0, (3, 1, 1, 1, 1, 1)), (0, (1, 4)), (0, (8, 2)))
"""Of the columns of a curve, where colours tell runs apart."""


def draw(runs: list[tuple[str, list[Curve]]], picture: Path) -> None:
    """Draw the curves of each network in axes of their own: a colour for each run or, of a single run, for each column.

    Args:
        runs: the name of each run, and the curves of its trainings; at least one curve in all.
        picture: picture to write, in any format of matplotlib's.

    Raises:
        WsssError: the picture's name ends in no format of matplotlib's.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figures.format_of(picture)  # before the work
    networks = list(dict.fromkeys(curve.name for _, curves in runs for curve in curves))
    across = min(len(networks), 3)
    down, width = ceil(len(networks) / across), 4.4 * across
    names, colours = [name for name, _ in runs], _colours(len(runs))
    columns_of_legend, below = figures.legend_size(names, width)
    figure = Figure(figsize=(width, 3.2 * down + below), layout="constrained")
    all_axes = list(figure.subplots(down, across, squeeze=False).flat)
    for axes, network in zip(all_axes, networks, strict=False):
        _draw_network(axes, network, [_named(network, curves) for _, curves in runs], colours)
    for axes in all_axes[len(networks) :]:
        axes.set_axis_off()
    if len(runs) > 1:
        entries = [(name, Line2D([], [], color=colour)) for name, colour in zip(names, colours, strict=True)]
        figures.add_legend(figure, entries, loc="outside lower center", ncols=columns_of_legend)
    figures.save(figure, picture)


def _draw_network(axes: "Axes", network: str, curves: list[Curve | None], colours: list[Colour]) -> None:
    """Draw the curves of one network, one of each run that trained it."""
    from matplotlib.lines import Line2D

    columns = list(dict.fromkeys(name for curve in curves if curve for name in curve.columns))
    if len(curves) > 1:
        looks = [{"linestyle": DASHES[at % len(DASHES)]} for at in range(len(columns))]
    else:
        looks = [{"color": colour} for colour in _colours(len(columns))]
    longest = 1
    for curve, colour in zip(curves, colours, strict=True):
        for name, values in curve.columns.items() if curve else ():
            look = {"color": colour} | looks[columns.index(name)]
            axes.plot(stretches(range(len(values)), POINTS), stretches(values, POINTS), linewidth=1.2, **look)
            longest = max(longest, ceil(len(values) / POINTS))
    axes.set_title(network, fontsize=10, parse_math=False)
    axes.set_xlabel("step" if longest == 1 else f"step (means over {longest} steps)", fontsize=8)
    axes.set_ylabel("loss (nats)" if columns == ["loss"] else "loss (nats) and its parts", fontsize=8)
    axes.tick_params(labelsize=8)
    if len(columns) > 1:
        handles = [Line2D([], [], **({"color": "black"} | look)) for look in looks]
        figures.add_legend(axes, list(zip(columns, handles, strict=True)), loc="best")


def _named(network: str, curves: list[Curve]) -> Curve | None:
    return next((curve for curve in curves if curve.name == network), None)


def _colours(count: int) -> list[Colour]:
    """As many colours; those of a list for the usual number, else along a scale."""
    from matplotlib import colormaps

    if count <= 10:
        return [colormaps["tab10"](at) for at in range(count)]
    return [colormaps["turbo"](at) for at in np.linspace(0, 1, count).tolist()]
