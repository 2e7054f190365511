"""A table of the tags of photographs, as a person writes it.

It is CSV or TSV (comma, semicolon or tab), with a header. The first column with a name in FILE_COLUMNS, such as
file_name, names the photograph. Its tags stand in a column called tags (TAG_COLUMNS), or in several, such as tag1 and
tag2, separated by what BETWEEN_TAGS has. Without such a column each other column is a class, with 1 where the
photograph shows it. Columns without a name, such as that of a data frame's index, are passed over.
"""

import csv
import io
import re
import unicodedata
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from wsss.datasets import checks
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_bytes
from wsss.runtime.progress import LOG

FILE_COLUMNS = ("file_name", "filename", "file", "image", "photograph", "path", "id", "name")
TAG_COLUMNS = ("tags", "tag", "labels", "label", "classes", "class")
NUMBERED_TAGS = re.compile(r"(tag|label|class)[ _-]?\d+")
BETWEEN_TAGS = re.compile("[;,|\n；，、]")

BRACKETS = '"[]{}'
"""Around tags they are those of another language's lists, and no part of a class's name."""

WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How the files of spreadsheets begin: .xlsx and .ods, which are zip archives, and .xls."""


class Line(NamedTuple):
    """A line of a table that is not blank."""

    number: int
    """In the file, from 1."""
    cells: list[str]


class Names:
    """Finds the photographs that a table or a list names: by the path or the name alone, with or without suffix."""

    def __init__(self, files: dict[str, str], root: Path) -> None:
        self._root = root
        self._by_path = {unicodedata.normalize("NFC", path): image_id for image_id, path in files.items()}
        self._ids = files.keys()
        self._by_name: dict[str, list[str]] = {}
        for path, image_id in self._by_path.items():
            for name in {PurePosixPath(path).name, PurePosixPath(path).stem}:
                self._by_name.setdefault(name, []).append(image_id)

    def find(self, name: str) -> list[str]:
        """The ids of the photographs that may be meant: one where it is clear, none where there is none."""
        exact = unicodedata.normalize("NFC", name)
        meant = exact.strip().replace("\\", "/").removeprefix("./")
        for each in (exact, meant):  # blanks and backslashes may be part of a name
            if each in self._by_path:
                return [self._by_path[each]]
        return [meant] if meant in self._ids else self._by_name.get(meant, [])

    def problem(self, path: Path, name: str) -> str | None:
        """What is wrong with a name in a table or a list that means none or several photographs; None if nothing is."""
        meant = self.find(name)
        if len(meant) > 1:
            choice = f"{meant[0]} or {meant[1]}"
            return f"files in {path} may be any of several: give paths below the folder, such as {choice},"
        if meant:
            return None
        if (self._root / name.strip().replace("\\", "/")).is_file():
            return f"files in {path} have a suffix that is not read: save them as JPEG or PNG,"
        return f"files in {path} are not in the folder: correct or remove them,"


def tags(path: Path, files: dict[str, str], root: Path, problems: list[str]) -> dict[str, tuple[str, ...]]:
    """The tags of each photograph that has some, by id.

    Args:
        path: of the table.
        files: path of each photograph, by id.
        root: their folder.
        problems: takes what is wrong, one line a kind.

    Raises:
        WsssError: the file cannot be read, or has no column of the photographs.
    """
    header, *rest = lines(path)
    columns = _Columns(path, header.cells)
    names = Names(files, root)
    found: dict[str, tuple[str, ...]] = {}
    wrong: dict[str, list[str]] = {}
    for number, cells in rest:
        if len(cells) <= columns.file or not cells[columns.file].strip():
            wrong.setdefault(f"lines of {path} name no file: remove them,", []).append(f"line {number}")
            continue
        name = cells[columns.file]
        if problem := names.problem(path, name):
            wrong.setdefault(problem, []).append(name.strip())
            continue
        (image_id,) = names.find(name)
        if image_id in found:
            wrong.setdefault(f"files occur more than once in {path}: keep one line of each,", []).append(name.strip())
            continue
        try:
            found[image_id] = columns.tags(cells)
        except ValueError as error:
            wrong.setdefault(str(error), []).append(name.strip())
            found[image_id] = ()
    untagged = [image_id for image_id, words in found.items() if not words]
    if untagged and not wrong:
        wrong[f"photographs have an empty entry in {path}: an image needs at least one class,"] = untagged
    problems += [checks.shared(what, examples) for what, examples in wrong.items()]
    return {image_id: words for image_id, words in sorted(found.items()) if words}


class _Columns:
    """What the columns of a table hold.

    Raises:
        WsssError: none is that of the photographs, or two have one name.
    """

    def __init__(self, path: Path, header: list[str]) -> None:
        while header and not header[-1].strip():  # a spreadsheet's, beside columns that are empty or were merged
            header = header[:-1]
        self._path, self._header = path, header
        columns = [cell.strip().lower() for cell in header]
        if not any(name in columns for name in FILE_COLUMNS):
            raise WsssError(f"{path} has the columns {', '.join(header)}: call the one of the photographs file_name")
        twice = sorted({column for column in columns if column and columns.count(column) > 1})
        if twice:
            raise WsssError(f"{path} has the column {twice[0]!r} twice: rename or remove one of them")
        self.file = next(columns.index(name) for name in FILE_COLUMNS if name in columns)
        main = next((columns.index(name) for name in TAG_COLUMNS if name in columns), None)
        numbered = [place for place, name in enumerate(columns) if NUMBERED_TAGS.fullmatch(name)]
        self._tags = sorted({*([] if main is None else [main]), *numbered} - {self.file})
        others = [header[place].strip() for place, name in enumerate(columns) if name and place != self.file]
        unread = [name for name in others if self._tags and name not in [header[each].strip() for each in self._tags]]
        if unread:
            LOG.info("images: %s: not read are the columns %s", path, ", ".join(unread))

    def tags(self, cells: list[str]) -> tuple[str, ...]:
        """The tags of a line.

        Raises:
            ValueError: the line has other columns than the header, tags are in brackets, or a column of a class holds
                something else than 0 or 1; its text is what many lines may share.
        """
        beyond = [cell for cell in cells[len(self._header) :] if cell.strip()]
        # tags separated by the table's own comma, without quotes, are further cells of the line
        if beyond and (not self._tags or self._tags[-1] != len(self._header) - 1):
            raise ValueError(
                f"lines of {self._path} have more cells than its header: put tags in quotes, or correct them,"
            )
        if not self._tags:
            return self._of_classes(cells)
        given = [*(cells[place] for place in self._tags if place < len(cells)), *beyond]
        words = [word.strip() for cell in given for word in BETWEEN_TAGS.split(cell)]
        if any(word and (word[0] in BRACKETS or word[-1] in BRACKETS) for word in words):
            raise ValueError(f"lines of {self._path} have tags in brackets or quotes: write cat;dog,")
        return tuple(dict.fromkeys(_normal(word) for word in words if word))

    def _of_classes(self, cells: list[str]) -> tuple[str, ...]:
        if len(cells) < len(self._header):
            raise ValueError(f"lines of {self._path} have fewer cells than its header: give 0 or 1 for each class,")
        found = []
        for place, (name, cell) in enumerate(zip(self._header, cells, strict=False)):
            if place == self.file or not name.strip():
                continue
            value = cell.strip().lower()
            if value not in ("", "0", "1", "0.0", "1.0", "false", "true"):
                raise ValueError(
                    f"files in {self._path} have something else than 0 or 1 in the column {name.strip()!r}, which is no"
                    " class then: call it tags if it holds them, or remove it,"
                )
            if value in ("1", "1.0", "true"):
                found.append(_normal(name))
        return tuple(found)


def _normal(word: str) -> str:
    """A tag as a class is called: in Unicode's form NFC, and of all kinds of blanks one plain one, none at its ends."""
    return " ".join(unicodedata.normalize("NFC", word).replace("\u200b", " ").split())


def file_names(path: Path) -> list[str]:
    """The photographs that a table names, in its column of FILE_COLUMNS, or that a list without a header names.

    Raises:
        WsssError: no column has such a name, and the first line names no file either.
    """
    found = lines(path, least=1)
    columns = [cell.strip().lower() for cell in found[0].cells]
    column = next((columns.index(name) for name in FILE_COLUMNS if name in columns), None)
    if column is None:
        if len(columns) > 1 or not (path.parent / _path_of(found[0].cells[0])).is_file():
            header = ", ".join(found[0].cells)
            raise WsssError(f"{path} has the columns {header}: call the one of the photographs file_name")
        return [_path_of(line.cells[0]) for line in found]
    if len(found) == 1:
        raise WsssError(f"{path} has no lines below its header: give a line a photograph")
    return [_path_of(line.cells[column]) for line in found[1:] if len(line.cells) > column]


def _path_of(cell: str) -> str:
    return cell.strip().replace("\\", "/")


def lines(path: Path, *, least: int = 2) -> list[Line]:
    """The lines of a table, blank ones left out; what separates the cells is read from its header.

    Args:
        path: of the table.
        least: how many lines there have to be, the header among them.

    Raises:
        WsssError: the file cannot be read, is no table, or has too few lines.
    """
    content = text(path)
    first = next((line for line in content.splitlines() if line.strip()), "")
    delimiter = _delimiter(first)
    if named := re.fullmatch(r"sep=([;,\t])\s*", first):  # Excel's own line, which says what separates the cells
        delimiter, content = named[1], content.replace(first, "", 1)
    # strict: else a quote that does not end takes all lines below it for one cell
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        found = [Line(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise WsssError(
            f"{path} is no table ({error}, in line {reader.line_num}): correct it, with a line a photograph"
        ) from error
    if len(found) < least:
        raise WsssError(f"{path} has no lines below its header: expected file_name,tags and a line a photograph")
    return found


def _delimiter(header: str) -> str:
    """What separates the cells: of those that give a column of FILE_COLUMNS the most frequent one, else of all."""
    usual = sorted("\t;,", key=header.count, reverse=True)
    names = {each: {cell.strip(' "').lower() for cell in header.split(each)} for each in usual}
    return next((each for each in usual if header.count(each) and names[each] & {*FILE_COLUMNS}), usual[0])


def text(path: Path) -> str:
    """Text in UTF-8, with or without a byte order mark.

    Raises:
        WsssError: the file is missing, a spreadsheet's own, or no such text.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: correct its name in the configuration, or create it") from error
    if content.startswith(WORKBOOKS):
        raise WsssError(f"{path} is a workbook of a spreadsheet: save it as CSV (in Excel, CSV UTF-8)")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise WsssError(f"{path} is not UTF-8 text ({error}): save it as CSV in UTF-8 (in Excel, CSV UTF-8)") from error
