"""Pages of pictures."""

import time

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from wsss.labels import VOID, Classes
from wsss.results import figures
from wsss.runtime.errors import WsssError

MANY = Classes(("background", *(f"a class with a long name {n}" for n in range(80))), tuple(range(81)))
GREY = np.full((8, 8, 3), 128, np.uint8)


@pytest.fixture
def saved(monkeypatch):
    """The figures that are written, still open."""
    found = []
    before = Figure.savefig

    def savefig(figure, *arguments, **options):
        before(figure, *arguments, **options)
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", savefig)
    monkeypatch.setattr(pyplot, "close", lambda figure: None)
    return found


def panels(caption="a", *, shown=(0,)):
    row = figures.Panels(caption, {"photograph": GREY})
    row.add_labels("labels", np.resize(np.array(shown, np.uint8), (8, 8)), MANY)
    return row


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_legend_has_the_classes_that_are_shown_alone(tmp_path, saved):
    figures.write(tmp_path / "a.png", {"t": [panels(shown=(0, 7)), panels(shown=(VOID,))]}, MANY)
    assert legend_of(saved[0]) == ["background", "a class with a long name 6", "void"]


def test_a_legend_of_many_long_names_is_not_cut_off(tmp_path, saved):
    figures.write(tmp_path / "a.png", {"t": [panels(shown=range(60))]}, MANY)
    figure = saved[0]
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y0 >= 0


def test_dollars_are_text(tmp_path, saved):
    classes = Classes(("background", "$x_1$"), (0, 1))
    row = figures.Panels("$\\frac{", {"photograph": GREY})
    row.add_labels("$5$", np.ones((8, 8), np.uint8), classes)
    figures.write(tmp_path / "a.png", {"$\\sum": [row]}, classes)
    titles = [axes.get_title() for part in saved[0].subfigs for axes in part.axes]
    assert titles == ["photograph: $\\frac{", "$5$"]
    assert legend_of(saved[0]) == ["$x_1$"]


def test_names_that_begin_with_an_underscore_are_in_the_legend(tmp_path, saved):
    classes = Classes(("background", "_cat", "void"), (0, 1, 2))
    row = figures.Panels("", {"photograph": GREY})
    row.add_labels("labels", np.resize(np.array([1, 2, VOID], np.uint8), (8, 8)), classes)
    figures.write(tmp_path / "a.png", {"t": [row]}, classes)
    assert legend_of(saved[0]) == ["_cat", "void", "void"]


def test_a_heat_map_has_a_scale(tmp_path, saved):
    figures.write(tmp_path / "a.png", {"t": [panels()]}, MANY)
    row = panels()
    row.add_heat("cam", GREY, np.zeros((2, 2), np.float32), stride=4)
    figures.write(tmp_path / "b.png", {"t": [row]}, MANY)
    figures.write(tmp_path / "c.png", {"t": [row], "u": [panels()]}, MANY)
    labels = [[axes.get_ylabel() for part in figure.subfigs for axes in part.axes] for figure in saved]
    assert [each.count("activation") for each in labels] == [0, 1, 1]


@pytest.mark.parametrize("suffix", ["png", "PDF", "svg", "jpg", "webp"])
def test_any_format_of_matplotlibs(tmp_path, suffix):
    figures.write(tmp_path / f"a.{suffix}", {"t": [panels()]}, MANY)
    assert (tmp_path / f"a.{suffix}").stat().st_size > 1000


@pytest.mark.parametrize("suffix", ["xyz", "pgf"])
def test_other_formats_are_refused(tmp_path, suffix):
    with pytest.raises(WsssError, match=rf"a\.{suffix}: pictures are written as .*png.*: let the name end in one of"):
        figures.write(tmp_path / f"a.{suffix}", {"t": [panels()]}, MANY)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg", "eps"])
def test_the_same_page_has_the_same_bytes(tmp_path, monkeypatch, suffix):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    written = set()
    for name in ("a", "b"):
        figures.write(path := tmp_path / f"{name}.{suffix}", {"t": [panels(shown=(0, 3))]}, MANY)
        written.add(path.read_bytes())
        time.sleep(1 if suffix != "png" else 0)  # they could hold the time, to the second
    assert len(written) == 1
