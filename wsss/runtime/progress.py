"""Progress with the time left: a bar on a terminal, plain lines in a log or where there is no terminal.

A stage of a workflow has a log, and its terminal is shared with other stages: there it shows a bar, or a line a minute
where that is no terminal, and one line when it is done.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from wsss.runtime import machine
from wsss.runtime.errors import WsssError
from wsss.runtime.files import KINDS

Item = TypeVar("Item")

LOG = logging.getLogger("wsss")
SECONDS_BETWEEN_LINES = 15
SECONDS_BETWEEN_SEEN = 60
"""Between lines that are seen although there is a log."""

SEEN = 25
"""Level of lines that are for the log and for whoever watches a workflow: between information and warnings."""

_began = time.monotonic()
_notes: list[str] = []


def set_up(log: Path | None, command: str, more: Callable[[], Iterable[str]] = tuple) -> None:
    """Send plain lines to the log file, the command first, and to stderr; with a log, stderr gets only what matters.

    A traceback goes to the log, and to stderr only if there is no log. Of several processes that train together, the
    first one logs everything, the others only their errors.

    Args:
        log: file of the log; None where the lines go to stderr alone.
        command: the log's first line.
        more: gives the lines after it, where there is a log.

    Raises:
        WsssError: the log is a pipe, or a file that is no log, such as a result.
    """
    if log and log.is_fifo():
        raise WsssError(f"the log {log} is a pipe, which may wait for ever for somebody who reads it: name a file")
    if log and log.is_file() and not _is_log(log):
        raise WsssError(f"{log} is no log, and would be written over: give another name after --log")
    first = machine.rank() == 0
    logging.raiseExceptions = False  # a line that cannot be logged, such as on a full disk, ends nothing
    LOG.setLevel(logging.INFO if first else logging.ERROR)
    lines = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    terminal = logging.StreamHandler()
    terminal.setFormatter(lines)
    if sys.stderr.isatty():  # there progress is shown as bars
        terminal.setFormatter(logging.Formatter("%(message)s"))
        terminal.addFilter(lambda record: not hasattr(record, "moving"))
    if log or sys.stderr.isatty():
        terminal.setLevel(SEEN)
    handlers: list[logging.Handler] = [terminal]
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        if first:
            log.write_text("")
        terminal.addFilter(lambda record: not record.exc_info)
        handlers.append(_LogFile(log))
        handlers[-1].setFormatter(lines)
    for handler in handlers:
        LOG.addHandler(handler)
    if log:
        for line in [command, *more()]:
            LOG.info(line)


class _LogFile(logging.FileHandler):
    """A log that says once on the terminal that it cannot be written; the work goes on, and its results are whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, mode="a", encoding="utf-8", errors="backslashreplace")
        self.told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the name of the base class
        error = sys.exc_info()[1]
        if isinstance(error, OSError) and not self.told:
            self.told = True
            where = self.baseFilename
            sys.stderr.write(f"the log {where} cannot be written ({error.strerror}): lines are missing there\n")


def _is_log(path: Path) -> bool:
    """Whether a file may be written over by a log: it is called so, is empty, or begins with the time of a line."""
    with path.open("rb") as file:
        start = file.read(16)
    return path.suffix == ".log" or not start or re.match(KINDS["a log"], start) is not None


def track(items: Iterable[Item], what: str, *, total: int, unit: str = "image", start: int = 0) -> Iterator[Item]:
    """The items one by one, while progress is shown.

    Args:
        items: what to go through.
        what: the word before the bar.
        total: number of items, those before `start` included.
        unit: what an item is.
        start: items that were done before (by an interrupted run).
    """
    began = spoke = seen = time.monotonic()
    bar = tqdm(
        total=total,
        initial=start,
        desc=what,
        unit=unit,
        disable=machine.rank() > 0 or not sys.stderr.isatty(),
        dynamic_ncols=True,
        leave=False,
    )
    with bar:
        for done, item in enumerate(items, start):
            yield item
            bar.update()
            now = time.monotonic()
            if now - spoke > SECONDS_BETWEEN_LINES:
                spoke = now
                left = (now - began) / (done + 1 - start) * (total - done - 1)
                line = f"{what}: {done + 1} of {total} {unit}s, {tqdm.format_interval(left)} left"
                LOG.log(SEEN if now - seen > SECONDS_BETWEEN_SEEN else logging.INFO, line, extra={"moving": True})
                seen = now if now - seen > SECONDS_BETWEEN_SEEN else seen
    LOG.info("%s: %d %ss in %s", what, total, unit, tqdm.format_interval(time.monotonic() - began))


def note(text: str) -> None:
    """What the line at the end of this stage is to say besides its time, such as the last loss; the last one counts."""
    _notes[:] = [text]


def done(what: str) -> None:
    """Say that a stage has ended, how long it took, and its note."""
    took = tqdm.format_interval(time.monotonic() - _began)
    LOG.log(SEEN, "%s", ", ".join([f"{what}: done in {took}", *_notes]))
