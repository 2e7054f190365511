"""Progress with the time left: a bar on a terminal, plain lines in a log or where there is no terminal."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from wsss import machine

Item = TypeVar("Item")

LOG = logging.getLogger("wsss")
SECONDS_BETWEEN_LINES = 15


def set_up(log: Path | None, command: str) -> None:
    """Send plain lines to the log file, and to stderr where that is no terminal; the command comes first.

    Of several processes that train together the first one speaks; the others tell their errors alone.
    """
    first = machine.rank() == 0
    LOG.setLevel(logging.INFO if first else logging.ERROR)
    handlers: list[logging.Handler] = []
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        if first:
            log.write_text("")
        handlers.append(logging.FileHandler(log, mode="a"))
    if not sys.stderr.isatty():
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        LOG.addHandler(handler)
    if log:
        LOG.info(command)


def track(items: Iterable[Item], what: str, *, total: int, unit: str = "image", start: int = 0) -> Iterator[Item]:
    """The items one by one, while progress is shown.

    Args:
        items: what to go through.
        what: the word before the bar.
        total: number of items, those before `start` included.
        unit: what an item is.
        start: items that were done before (by a run that was cut off).
    """
    began = spoke = time.monotonic()
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
                LOG.info("%s: %d of %d %ss, %s left", what, done + 1, total, unit, tqdm.format_interval(left))
    LOG.info("%s: %d %ss in %s", what, total, unit, tqdm.format_interval(time.monotonic() - began))
