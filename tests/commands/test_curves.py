"""Pictures of training curves."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_manifest import write_manifest

from wsss.commands.curves import curves
from wsss.runtime.errors import WsssError


@pytest.fixture
def saved(monkeypatch):
    """The figures that are written."""
    found = []
    before = Figure.savefig

    def savefig(figure, *arguments, **options):
        before(figure, *arguments, **options)
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return found


def run_of(folder, **networks):
    """The folder of a run, with the curve of each network as columns."""
    (folder / "curves").mkdir(parents=True)
    for name, columns in networks.items():
        rows = zip(*columns.values(), strict=True)
        lines = [f"{step},0.1,{','.join(map(str, row))}\n" for step, row in enumerate(rows)]
        (folder / f"curves/{name}.csv").write_text("".join([f"step,learning_rate,{','.join(columns)}\n", *lines]))
    return folder


def lines_of(axes):
    return [np.stack(line.get_data()).T.tolist() for line in axes.lines]


def legend_of(where):
    return [text.get_text() for text in where.get_texts()]


PARTS = {"loss": [3.0, 2.0], "seed": [2.0, 1.5], "expand": [1.0, 0.5]}


def test_each_network_has_its_own_axes_and_each_column_a_line(tmp_path, saved, capsys):
    run = run_of(tmp_path / "a", classifier={"loss": [0.7, 0.5, 0.4]}, sec_segmenter=PARTS)
    curves((run,), out=tmp_path / "curves.png")
    assert capsys.readouterr().out == f"{tmp_path / 'curves.png'}: 2 trainings of {run}\n"
    first, second = saved[0].axes
    assert [axes.get_title() for axes in (first, second)] == ["classifier", "sec_segmenter"]
    assert lines_of(first) == [[[0, 0.7], [1, 0.5], [2, 0.4]]]
    assert lines_of(second) == [[[0, 3], [1, 2]], [[0, 2], [1, 1.5]], [[0, 1], [1, 0.5]]]
    assert (first.get_xlabel(), first.get_ylabel()) == ("step", "loss (nats)")
    assert first.get_legend() is None
    assert legend_of(second.get_legend()) == ["loss", "seed", "expand"]
    assert len({line.get_color() for line in second.lines}) == 3


def test_several_runs_are_told_apart_by_colour_and_columns_by_dashes(tmp_path, saved):
    both = {"classifier": {"loss": [0.7, 0.5]}, "sec_segmenter": PARTS}
    one, two = run_of(tmp_path / "one", **both), run_of(tmp_path / "two", sec_segmenter=PARTS)
    curves((one, two), out=tmp_path / "curves.png")
    assert legend_of(saved[0].legends[0]) == [str(one), str(two)]
    classifier, segmenter = saved[0].axes
    assert len(classifier.lines) == 1
    looks = [(line.get_color(), line.get_linestyle()) for line in segmenter.lines]
    assert [look for look, _ in looks] == [looks[0][0]] * 3 + [looks[3][0]] * 3
    assert looks[0][0] != looks[3][0]
    assert [dash for _, dash in looks[:3]] == [dash for _, dash in looks[3:]]
    assert len({dash for _, dash in looks}) == 3


def test_long_trainings_are_drawn_as_means_over_stretches(tmp_path, saved):
    values = [float(step % 2) for step in range(1000)]
    curves((run_of(tmp_path / "a", classifier={"loss": values}),), out=tmp_path / "curves.png")
    [axes] = saved[0].axes
    [line] = lines_of(axes)
    assert len(line) == 200
    assert line[0] == [2, 0.4]  # steps 0 to 4: 0, 1, 0, 1, 0
    assert line[-1] == [997, 0.6]
    assert axes.get_xlabel() == "step (means over 5 steps)"


def test_every_stretch_but_the_last_is_as_long(tmp_path, saved):
    values = [float(step % 2) for step in range(241)]
    curves((run_of(tmp_path / "a", classifier={"loss": values}),), out=tmp_path / "curves.png")
    [line] = lines_of(saved[0].axes[0])
    assert line == [*([2 * at + 0.5, 0.5] for at in range(120)), [240, 0]]


def test_places_without_a_network_are_empty(tmp_path, saved):
    run = run_of(tmp_path / "a", **{f"network_{n}": {"loss": [2, 1]} for n in range(5)})
    curves((run,), out=tmp_path / "curves.png")
    assert [axes.axison for axes in saved[0].axes] == [True] * 5 + [False]


def test_names_are_text(tmp_path, saved, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("$\\frac{", "_underscored")
    for name in names:
        run_of(tmp_path / name, classifier={"$x_1$": [2.0, 1.0], "_y": [1.0, 2.0]})
    curves(tuple(tmp_path.__class__(name) for name in names))
    assert (tmp_path / "curves.png").exists()
    assert legend_of(saved[0].legends[0]) == list(names)
    assert legend_of(saved[0].axes[0].get_legend()) == ["$x_1$", "_y"]


def test_the_legend_of_many_runs_is_not_cut_off(tmp_path, saved):
    runs = [run_of(tmp_path / f"a run with a long name {n}", classifier={"loss": [2.0, n]}) for n in range(24)]
    curves(tuple(runs), out=tmp_path / "curves.png")
    box = saved[0].legends[0].get_window_extent()
    assert box.y0 >= 0
    assert saved[0].axes[0].get_window_extent().height > 150
    assert len({line.get_color() for line in saved[0].axes[0].lines}) == 24


@pytest.mark.parametrize("suffix", ["PDF", "svg", "jpg"])
def test_any_format_of_matplotlibs(tmp_path, suffix):
    curves((run_of(tmp_path / "a", classifier={"loss": [2, 1]}),), out=tmp_path / f"c.{suffix}")
    assert (tmp_path / f"c.{suffix}").stat().st_size > 1000


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(WsssError, match=r"c\.xyz: pictures are written as .*png"):
        curves((run_of(tmp_path / "a", classifier={"loss": [2, 1]}),), out=tmp_path / "c.xyz")


def test_a_photograph_is_not_written_over(tmp_path):
    run = run_of(tmp_path / "a", classifier={"loss": [1.0, 2.0]})
    write_manifest(run, ("b",))
    before = (run / "b.png").read_bytes()
    with pytest.raises(WsssError, match=r"b\.png is one of the files that are read, and would be written over"):
        curves((run,), out=run / "b.png")
    assert (run / "b.png").read_bytes() == before


def test_runs_without_curves_are_named_in_one_line(tmp_path):
    there = run_of(tmp_path / "there", classifier={"loss": [2, 1]})
    runs = (there, tmp_path / "absent", run_of(tmp_path / "short", classifier={"loss": [2]}))
    with pytest.raises(WsssError) as told:
        curves(runs, out=tmp_path / "curves.png")
    lacking = f"{tmp_path / 'absent/curves'}, {tmp_path / 'short/curves'}"
    assert str(told.value) == f"no training curves of two or more steps in {lacking}: train a network first"
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"0,\xff\xfe\n",
        b"0,0.1,2\n1,0.1,1,7\n",
        b"0,0.1,2\n1,0.1\n",
        b"0,0.1,1e308\n1,0.1,1e308\n",
        b"0,0.1,nan\n1,0.1,nan\n",
        b"0,0.1,x\n1,0.1,1\n",
    ],
)
def test_a_damaged_curve_is_named(tmp_path, lines):
    run = run_of(tmp_path / "a", classifier={"loss": [2, 1]})
    (run / "curves/classifier.csv").write_bytes(lines and b"step,learning_rate,loss\n" + lines)
    with pytest.raises(WsssError, match=r"classifier\.csv is damaged .*: remove it and rerun the training"):
        curves((run,), out=tmp_path / "curves.png")


def test_a_curve_that_is_no_file_is_named(tmp_path):
    run = run_of(tmp_path / "a", classifier={"loss": [2, 1]})
    for link, words in (("gone", "is damaged"), ("/dev/zero", "is a pipe or device, no file")):
        (run / "curves/classifier.csv").unlink()
        (run / "curves/classifier.csv").symlink_to(link)
        with pytest.raises(WsssError, match=rf"classifier\.csv {words}"):
            curves((run,), out=tmp_path / "curves.png")


def test_the_largest_losses_are_drawn(tmp_path):
    curves((run_of(tmp_path / "a", classifier={"loss": [3e38, -3e38]}),), out=tmp_path / "curves.png")
    assert (tmp_path / "curves.png").exists()


def test_a_curve_without_steps_is_none(tmp_path):
    run = run_of(tmp_path / "a", classifier={"loss": [2, 1]})
    (run / "curves/classifier.csv").write_text("step,learning_rate,loss\n")
    with pytest.raises(WsssError, match="no training curves of two or more steps"):
        curves((run,), out=tmp_path / "curves.png")
