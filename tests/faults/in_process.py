"""Commands of wsss in this process, within a limit of time, and what becomes of them."""

import contextlib
import io
import logging
import re
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from outcomes import of_message

from wsss import cli
from wsss.runtime import progress

SECONDS = 5
WAITED = 6
"""A busy machine makes a command wait, which is no hang; one that waits for ever is."""

ERROR = re.compile(r"^(?:\d\d:\d\d:\d\d )?error: ", re.MULTILINE)
"""How the text of an error begins."""


class Ended(NamedTuple):
    """How a command ended."""

    status: int | str
    """The exit status, or what was raised instead."""
    said: str
    """All that it wrote to stdout and stderr."""


class Said(io.StringIO):
    """Text that may be closed and is there nevertheless: a command closes what it could not write to."""

    def close(self) -> None:
        pass


class Hang(BaseException):
    """The command took too long."""


def wsss(*words: object, folder: Path, seconds: float = SECONDS) -> Ended:
    """`wsss WORDS` in a folder, by its main function; given up after some seconds of the processor."""
    said = Said()
    before = sys.argv
    sys.argv = ["wsss", *map(str, words)]
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        _limited(seconds),
    ):
        status = _status()
    sys.argv = before
    for handler in list(progress.LOG.handlers):
        progress.LOG.removeHandler(handler)
    progress.LOG.setLevel(logging.NOTSET)
    return Ended(status, said.getvalue())


def outcome(ended: Ended, *, name: str) -> str:
    """What became of a command that was to fail: told in one error with the file's name and a remedy, or not."""
    if "Traceback" in ended.said or ended.status not in (0, 1, 2):
        return f"{'hang' if ended.status == 'hang' else 'traceback'}: {ended.said[-600:]}"
    if ended.status == 0:
        return f"silent: {ended.said[-300:]}"
    if ended.status == 2:  # tyro tells it in a box
        return "told" if name in ended.said else f"unclear: {ended.said[-300:]}"
    errors = ERROR.split(ended.said)[1:]
    return of_message(errors[0], name) if len(errors) == 1 else f"unclear: {ended.said[-600:]}"


def _status() -> int | str:
    try:
        cli.main()
    except SystemExit as end:
        return 1 if isinstance(end.code, str) else end.code or 0
    except Hang:
        return "hang"
    return 0


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Give up after so many seconds of the processor, and after WAITED times as long where it is hardly had."""
    began, begun = time.monotonic(), time.process_time()

    def give_up(*_: object) -> None:
        left = seconds - (time.process_time() - begun)
        if left <= 0 or time.monotonic() - began > WAITED * seconds:
            raise Hang
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.1))

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # elsewhere they are errors, and no command makes them so
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
