"""Tables in CSV that say by themselves whether they are still what was written.

The last column, `check`, is a CRC of the header and of all lines up to its own; that of the last line counts one word
more. So a value that was changed, and a line that was added, lost or moved, are noticed, and spreadsheets read it like
any other table. One without that column, such as a table that somebody wrote by hand, is read as it is.
"""

import csv
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from wsss.runtime.errors import WsssError
from wsss.runtime.files import check_regular, whole_or_absent

CHECK = "check"


class _Sum:
    """The check of one line after the other."""

    def __init__(self, header: Iterable[str]) -> None:
        self._sum = 0
        self.add(header)

    def add(self, values: Iterable[str]) -> None:
        self._sum = zlib.crc32("".join(f"{value}\x1f" for value in values).encode(), self._sum)

    def of(self, *, last: bool) -> str:
        """Of the lines up to now."""
        return f"{zlib.crc32(b'end', self._sum) if last else self._sum:08x}"


class _Lines:
    """Puts lines into a file, which end in LF there; a writer quotes what would end a line by the ends that it has."""

    ENDED = "\r\n"

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix(self.ENDED) + "\n")


@contextmanager
def writer(path: Path, header: list[str]) -> Iterator[Callable[[Iterable[object]], None]]:
    """A function that adds a line to a table; the file appears once all lines are written, or not at all.

    Args:
        path: of the file.
        header: names of the columns, without `check`. Of values `str` is written.
    """
    checks = _Sum(header)
    with whole_or_absent(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(_Lines(file), lineterminator=_Lines.ENDED)
        table.writerow([*header, CHECK])
        waiting: list[list[str]] = []  # the newest line, until it is known whether another follows

        def pass_on(*, last: bool) -> None:
            for values in waiting:
                table.writerow([*values, checks.of(last=last)])

        def add(line: Iterable[object]) -> None:
            pass_on(last=False)
            waiting[:] = [[str(value) for value in line]]
            checks.add(waiting[0])

        yield add
        pass_on(last=True)


def read(path: Path, header: list[str]) -> Iterator[dict[str, str]]:
    """The lines of a table, one by one: kept in memory, those of a large data set need more space than its rows.

    Args:
        path: of the file.
        header: names of the columns that `writer` was given; a table without checks may lack some.

    Raises:
        WsssError: there is no such file.
        LookupError: a line is not what was written.
    """
    check_regular(path)
    try:
        with path.open(newline="\n", encoding="utf-8") as file:
            table = csv.DictReader(_whole_lines(file))
            columns = list(table.fieldnames or [])
            yield from table if set(columns) <= set(header) else _checked(table, header)
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: run the stage images first") from error


def _checked(table: csv.DictReader, header: list[str]) -> Iterator[dict[str, str]]:
    """The lines of a table as `writer` wrote it."""
    if table.fieldnames != [*header, CHECK]:
        raise LookupError("the header is another")
    checks, ended = _Sum(header), None
    for line in table:
        if ended or None in line:
            raise LookupError("a line more")
        checks.add(line[name] for name in header)
        ended = line[CHECK] == checks.of(last=True)
        if not ended and line[CHECK] != checks.of(last=False):
            raise LookupError("a line is another")
        yield line
    if ended is False:
        raise LookupError("a line is missing")


def _whole_lines(file: Iterable[str]) -> Iterator[str]:
    """The lines of a table as we write it.

    Raises:
        LookupError: one holds a NUL, as a disk that failed leaves it, or the last one is cut short.
    """
    for line in file:
        if "\0" in line or not line.endswith("\n"):
            raise LookupError("a line is not whole")
        yield line
