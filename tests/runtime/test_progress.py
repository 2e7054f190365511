import io
import logging
import os
import re
import sys

import pytest

from wsss.runtime import progress
from wsss.runtime.errors import WsssError
from wsss.runtime.progress import LOG, set_up, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def own_handlers():
    """The logger as it was before the test."""
    handlers, level = LOG.handlers[:], LOG.level
    yield
    for handler in LOG.handlers[:]:
        if handler not in handlers:
            LOG.removeHandler(handler)
            handler.close()
    LOG.setLevel(level)


def lines(path) -> list[str]:
    """The lines without their times."""
    return [line.split(" ", 1)[1] for line in path.read_text().splitlines()]


def test_the_command_stands_first_in_the_log(tmp_path):
    log = tmp_path / "logs/a.log"
    set_up(log, "$ wsss cams --scales 1.0")
    assert list(track("abc", "cams", total=3)) == ["a", "b", "c"]
    assert lines(log) == ["$ wsss cams --scales 1.0", "cams: 3 images in 00:00"]


def test_a_log_holds_the_last_run_alone(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("old\n")
    set_up(log, "$ wsss")
    assert lines(log) == ["$ wsss"]


def test_a_log_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.log")
    with pytest.raises(WsssError, match=r"a\.log is a pipe, .*: name a file"):
        set_up(tmp_path / "a.log", "$ wsss")


def test_a_file_that_is_no_log_is_not_written_over(tmp_path):
    (tmp_path / "cams.h5").write_bytes(b"\x89HDF")
    with pytest.raises(WsssError, match="cams.h5 is no log, and would be written over: give another name"):
        set_up(tmp_path / "cams.h5", "$ wsss cams")
    assert (tmp_path / "cams.h5").read_bytes() == b"\x89HDF"


def test_a_log_takes_any_letter(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # what pytest keeps of it, its workers could not send on
    monkeypatch.setattr(LOG, "propagate", False)
    set_up(tmp_path / "a.log", "$ wsss é \udcff")
    assert "é \\udcff" in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_plain_lines_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    set_up(None, "$ wsss")
    assert list(track([1, 2], "scores", total=2, unit="picture")) == [1, 2]
    text = sys.stderr.getvalue()
    assert text.endswith(" scores: 2 pictures in 00:00\n")
    assert "\r" not in text
    assert "$ wsss" not in text


def test_a_bar_on_a_terminal_and_plain_lines_in_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    set_up(tmp_path / "a.log", "$ wsss")
    assert list(track(range(5), "scores", total=5)) == list(range(5))
    assert "\r" in sys.stderr.getvalue()
    assert "scores" in sys.stderr.getvalue()
    assert lines(tmp_path / "a.log") == ["$ wsss", "scores: 5 images in 00:00"]


def test_items_are_drawn_one_by_one():
    drawn = []

    def source():
        for number in range(3):
            drawn.append(number)
            yield number

    tracked = track(source(), "test", total=3)
    assert drawn == []
    assert next(tracked) == 0
    assert drawn == [0]
    assert list(tracked) == [1, 2]


def test_the_time_left(caplog, monkeypatch):
    # a clock that moves on by ten seconds with each look at it: one at the start, one an item, one at the end
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO, logger="wsss")
    assert list(track("abcd", "test", total=6, unit="step", start=2)) == list("abcd")
    assert caplog.messages == [
        "test: 4 of 6 steps, 00:20 left",
        "test: 6 of 6 steps, 00:00 left",
        "test: 6 steps in 00:50",
    ]


def terminal_of(monkeypatch, kind):
    monkeypatch.setattr(sys, "stderr", kind())
    return sys.stderr


@pytest.mark.parametrize("kind", [io.StringIO, Terminal], ids=["a pipe", "a terminal"])
def test_a_stage_of_a_workflow_shows_one_line_when_it_is_done(tmp_path, monkeypatch, kind):
    terminal = terminal_of(monkeypatch, kind)
    set_up(tmp_path / "a.log", "$ wsss classifier")
    LOG.info("classifier: step 3, loss 0.5")
    progress.note("loss 0.6")
    progress.note("loss 0.5")
    progress.done("classifier")
    shown = [line for line in terminal.getvalue().splitlines() if line]
    assert len(shown) == 1
    assert re.fullmatch(r"(\d\d:\d\d:\d\d )?classifier: done in \d\d:\d\d, loss 0\.5", shown[0])
    assert lines(tmp_path / "a.log")[1] == "classifier: step 3, loss 0.5"


def test_of_a_long_stage_a_line_a_minute_is_seen_where_there_is_no_terminal(tmp_path, monkeypatch):
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    terminal = terminal_of(monkeypatch, io.StringIO)
    set_up(tmp_path / "a.log", "$ wsss cams")
    assert len(list(track(range(12), "cams", total=12))) == 12
    # 20 seconds an image: every fourth is more than a minute after the line before
    assert [line.split()[2] for line in terminal.getvalue().splitlines()] == ["4", "8", "12"]
    assert len(lines(tmp_path / "a.log")) == 1 + 12 + 1


def test_a_log_says_by_what_and_for_what_it_was_written(tmp_path):
    set_up(tmp_path / "a.log", "$ wsss cams", lambda: ["by wsss 1.0", "for snakemake"])
    assert lines(tmp_path / "a.log") == ["$ wsss cams", "by wsss 1.0", "for snakemake"]
