"""The standard streams of this process, whatever a user, a scheduler or a locale has made of them."""

import io
import os
import shutil
import sys
from pathlib import Path

NARROWEST = 20
"""Columns of a terminal that a page of help takes at least: of a single one it would be wrapped for ever."""

LAST = 2
"""Number of the last standard stream: stderr."""


def prepare() -> None:
    """Put streams that take everything in the place of closed ones, and let all of them write any letter.

    Else the next file that is opened would get the number of a closed one, and what others write to the stream.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= LAST:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 -- open until the end
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if shutil.get_terminal_size().columns < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)
