"""A table of the tags of photographs, as a person writes it.

It is CSV or TSV (comma, semicolon or tab), with a header. The first column with a name in FILE_COLUMNS, such as
file_name, names the photograph. Its tags stand in a column called tags (TAG_COLUMNS), separated by `;` or `,`. Without
such a column each other column is a class, with 1 where the photograph shows it.
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

FILE_COLUMNS = ("file_name", "filename", "file", "image", "photograph", "path", "id", "name")
TAG_COLUMNS = ("tags", "tag", "labels", "label", "classes", "class")

WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How the files of spreadsheets begin: .xlsx and .ods, which are zip archives, and .xls."""


class Line(NamedTuple):
    """A line of a table that is not blank."""

    number: int
    """In the file, from 1."""
    cells: list[str]


class Names:
    """Finds the photographs that a table or a list names: by the path or the name alone, with or without suffix."""

    def __init__(self, files: dict[str, str]) -> None:
        self._by_path = {unicodedata.normalize("NFC", path): image_id for image_id, path in files.items()}
        self._ids = files.keys()
        self._by_name: dict[str, list[str]] = {}
        for path, image_id in self._by_path.items():
            for name in {PurePosixPath(path).name, PurePosixPath(path).stem}:
                self._by_name.setdefault(name, []).append(image_id)

    def find(self, name: str) -> list[str]:
        """The ids of the photographs that may be meant: one where it is clear, none where there is none."""
        name = unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removeprefix("./")
        if name in self._by_path:
            return [self._by_path[name]]
        return [name] if name in self._ids else self._by_name.get(name, [])


def tags(path: Path, files: dict[str, str], problems: list[str]) -> dict[str, tuple[str, ...]]:
    """The tags of each photograph that has some, by id.

    Args:
        path: of the table.
        files: path of each photograph, by id.
        problems: takes what is wrong, one line a kind.

    Raises:
        WsssError: the file cannot be read, or has no column of the photographs.
    """
    header, *rest = lines(path)
    columns = [cell.strip().lower() for cell in header.cells]
    file_column = next((columns.index(name) for name in FILE_COLUMNS if name in columns), None)
    if file_column is None:
        raise WsssError(f"{path} has the columns {', '.join(header.cells)}: call the one of the photographs file_name")
    tag_column = next((columns.index(name) for name in TAG_COLUMNS if name in columns), None)
    names = Names(files)
    found: dict[str, tuple[str, ...]] = {}
    wrong: dict[str, list[str]] = {}
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise WsssError(f"{path} has the column {twice[0]!r} twice: rename or remove one of them")
    for number, cells in rest:
        if len(cells) <= file_column or not cells[file_column].strip():
            wrong.setdefault(f"lines of {path} name no file: remove them,", []).append(f"line {number}")
            continue
        name = cells[file_column].strip()
        meant = names.find(name)
        if problem := named_wrongly(path, meant):
            wrong.setdefault(problem, []).append(name)
        elif meant[0] in found:
            wrong.setdefault(f"files occur more than once in {path}: keep one line of each,", []).append(name)
        else:
            try:
                found[meant[0]] = _of_line(path, cells, header.cells, file_column, tag_column)
            except ValueError as error:
                wrong.setdefault(str(error), []).append(name)
                found[meant[0]] = ()
    untagged = [image_id for image_id, words in found.items() if not words]
    if untagged and not wrong:
        wrong[f"photographs have an empty entry in {path}: an image needs at least one class,"] = untagged
    problems += [checks.shared(what, examples) for what, examples in wrong.items()]
    return {image_id: words for image_id, words in sorted(found.items()) if words}


def named_wrongly(path: Path, meant: list[str]) -> str | None:
    """What is wrong with a name in a table or a list that may mean none or several photographs; None if nothing is."""
    if not meant:
        return f"files in {path} are not in the folder: correct or remove them,"
    if len(meant) > 1:
        return f"files in {path} may be any of several: give paths below the folder, such as {meant[0]} or {meant[1]},"
    return None


def _of_line(
    path: Path, cells: list[str], header: list[str], file_column: int, tag_column: int | None
) -> tuple[str, ...]:
    """The tags of one line.

    Raises:
        ValueError: the line has other columns than the header, or a column of a class holds something else than 0 or 1;
            its text is what many lines may share.
    """
    beyond = [cell for cell in cells[len(header) :] if cell.strip()]
    # tags separated by the table's own comma, without quotes, are further cells of the line
    if beyond and tag_column != len(header) - 1:
        raise ValueError(f"lines of {path} have more cells than its header: put tags in quotes, or correct them,")
    if tag_column is not None:
        words = [
            word.strip() for cell in (*cells[tag_column : tag_column + 1], *beyond) for word in re.split("[;,\n]", cell)
        ]
        return tuple(dict.fromkeys(unicodedata.normalize("NFC", word) for word in words if word))
    if len(cells) < len(header):
        raise ValueError(f"lines of {path} have fewer cells than its header: give 0 or 1 for each class,")
    found = []
    for column, (name, cell) in enumerate(zip(header, cells, strict=False)):
        if column == file_column:
            continue
        value = cell.strip().lower()
        if value not in ("", "0", "1", "0.0", "1.0", "false", "true"):
            raise ValueError(
                f"files in {path} have something else than 0 or 1 in the column {name.strip()!r}, which is no class"
                " then: call it tags if it holds them, or remove it,"
            )
        if value in ("1", "1.0", "true"):
            found.append(unicodedata.normalize("NFC", name.strip()))
    return tuple(found)


def file_names(path: Path) -> list[str]:
    """The photographs that a table names, in the column of FILE_COLUMNS that it has, or in its first one."""
    header, *rest = lines(path)
    columns = [cell.strip().lower() for cell in header.cells]
    column = next((columns.index(name) for name in FILE_COLUMNS if name in columns), 0)
    return [line.cells[column].strip().replace("\\", "/") for line in rest if len(line.cells) > column]


def lines(path: Path) -> list[Line]:
    """The lines of a table, blank ones left out; what separates the cells is read from its header.

    Raises:
        WsssError: the file cannot be read, is no table, or has no line below its header.
    """
    content = text(path)
    first = next((line for line in content.splitlines() if line.strip()), "")
    # strict: else a quote that does not end takes all lines below it for one cell
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=max("\t;,", key=first.count), strict=True)
    try:
        found = [Line(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise WsssError(
            f"{path} is no table ({error}, in line {reader.line_num}): correct it, with a line a photograph"
        ) from error
    if len(found) < 2:
        raise WsssError(f"{path} has no lines below its header: expected file_name,tags and a line a photograph")
    return found


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
