"""Read a folder of photographs, and a table of their tags, as rows of the manifest.

The table is CSV or TSV (comma, semicolon or tab), with a header. The first column with a name in FILE_COLUMNS, such as
file_name, names the photograph. Its tags stand in a column called tags (TAG_COLUMNS), separated by `;` or `,`. Without
such a column each other column is a class, with 1 where the photograph shows it. Without a table there is a folder for
each class, whose name is the tag of the photographs in it.

An id is the path of a photograph below the folder, without its suffix, in Unicode's form NFC.
"""

import csv
import glob
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wsss.datasets import checks
from wsss.datasets.manifest import MASKED_SPLITS, Classes, Row
from wsss.runtime.errors import WsssError, refuse
from wsss.runtime.files import read_text
from wsss.runtime.progress import LOG

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2", ".heic", ".heif")
"""Of photographs, in lower case; those of files may be in upper case."""

FILE_COLUMNS = ("file_name", "filename", "file", "image", "photograph", "path", "id", "name")
TAG_COLUMNS = ("tags", "tag", "labels", "label", "classes", "class")


@dataclass(frozen=True)
class Photographs:
    """What a folder and its table say.

    Args:
        root: the folder.
        files: path below the root of each photograph, by id.
        tags: tags of each photograph that has some, by id.
        source: where the tags were read.
        problems: what is wrong, one line a kind.
    """

    root: Path
    files: dict[str, str]
    tags: dict[str, tuple[str, ...]]
    source: str
    problems: list[str]

    @property
    def classes(self) -> tuple[str, ...]:
        """All tags, sorted."""
        return tuple(sorted({tag for tags in self.tags.values() for tag in tags}))


def read(root: Path, *, table: str, masks: str) -> Photographs:
    """The photographs below a folder and their tags.

    Args:
        root: the folder; folders in it are searched, too, but hidden ones and that of the masks.
        table: file of the table, below the root or anywhere; "" where there is a folder for each class.
        masks: folder of the masks, below the root or anywhere; "" where there are none.

    Raises:
        WsssError: the folder or the table is missing, or the table cannot be read.
    """
    if not root.is_dir():
        raise WsssError(f"{root} is not a folder: give the one that holds the photographs")
    problems: list[str] = []
    files = _files(root, masks=root / masks if masks else None, problems=problems)
    if not files:
        raise WsssError(f"{root} holds no photographs: their suffixes are {', '.join(SUFFIXES)}")
    if not table:
        tags = {image_id: (image_id.partition("/")[0],) for image_id in files if "/" in image_id}
        return Photographs(root, files, tags, "folders", problems)
    path = root / table
    tags = _tags(path, files, problems)
    return Photographs(root, files, tags, path.name, problems)


def splits(
    photographs: Photographs, *, train: str, extra: str, val: str, test: str, val_share: float
) -> tuple[dict[str, str], list[str]]:
    """The split of each image id, and the problems of the lists.

    Args:
        photographs: those of a folder.
        train: list of the training images, a text file with a name a line; "" for all tagged ones that are in no other.
        extra: list of further training images; "" for none.
        val: list of the images for the final scores; "" for none, or those that `val_share` draws.
        test: list of images that are segmented, and neither trained on nor scored; "" for none.
        val_share: share of the tagged images that is drawn for val where there is no list of it: always the same ones.
    """
    problems: list[str] = []
    lists = {
        name: _listed(photographs, listed, problems) if listed else []
        for name, listed in (("train", train), ("extra", extra), ("val", val), ("test", test))
    }
    if not val and val_share:
        free = photographs.tags.keys() - set(lists["test"])
        drawn = sorted(free, key=lambda image_id: hashlib.sha256(image_id.encode()).digest())
        lists["val"] = drawn[: round(val_share * len(drawn))]
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = sorted(set(lists[one]) & set(lists[other]))
        what = f"in the list of {one} and in that of {other}, which is held out: remove"
        problems += [_grouped(what, both)] if both else []
    known = {*lists["val"], *lists["train"], *lists["test"]}
    lists["extra"] = [image_id for image_id in lists["extra"] if image_id not in known]
    if not train:
        taken = {*lists["val"], *lists["extra"], *lists["test"]}
        lists["train"] = [image_id for image_id in photographs.tags if image_id not in taken]
    found = {image_id: split for split, ids in lists.items() for image_id in ids}
    left = len(photographs.files) - len(found)
    if left:
        LOG.info("images: %d photographs have no tags and are in no list: they are left out", left)
    return found, problems


def rows(
    photographs: Photographs, splits: dict[str, str], *, classes: Classes, masks: str
) -> Iterator[tuple[Row, str | None]]:
    """Iterate over rows of the manifest, each with the problem of its tags or None; no photograph is opened."""
    found = _files(photographs.root / masks, masks=None, problems=[]) if masks else {}
    known = set(classes.foreground)

    def row(image_id: str, split: str) -> tuple[Row, str | None]:
        tags = set(photographs.tags.get(image_id, ())) if split != "test" else set()
        ordered = (*(name for name in classes.foreground if name in tags), *sorted(tags - known))
        mask = found.get(image_id) if split == "val" or split in MASKED_SPLITS else None
        made = Row(
            image_id,
            split,
            photographs.root / photographs.files[image_id],
            photographs.root / masks / mask if mask else None,
            ordered,
            photographs.source,
        )
        return made, checks.tag_problem(made, classes) if tags or split not in ("val", "test") else None

    return (row(*item) for item in splits.items())


def listing(root: Path, *, table: str, masks: str, train: str, extra: str, val: str, test: str) -> str:
    """A digest of all that these options read: names and sizes of pictures, and what tables and lists hold.

    A picture that is replaced by another one of as many bytes is not noticed.
    """
    content = hashlib.sha256()
    texts = [_list_path(root, name) for name in (train, extra, val, test) if name]
    for path in [root / table, *texts] if table else texts:
        content.update(f"{path.name} {path.read_bytes() if path.is_file() else None}".encode())
    for start in [root, root / masks] if masks else [root]:
        for folder, names, files in os.walk(start, followlinks=True):
            names.sort()
            for name in sorted(files):
                path = Path(folder, name)
                if path.suffix.lower() in SUFFIXES:
                    content.update(f"{path.relative_to(start)} {path.stat().st_size}".encode())
    return content.hexdigest()


def _files(root: Path, *, masks: Path | None, problems: list[str]) -> dict[str, str]:
    """The pictures below a folder, by id, in the order of their ids."""
    if not root.is_dir():
        raise WsssError(f"{root} is not a folder: correct its name, or leave it out")
    found: dict[str, str] = {}
    twice: list[str] = []
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith("."))
        if masks:
            names[:] = [name for name in names if Path(folder, name).resolve() != masks.resolve()]
        for name in sorted(files):
            if name.startswith(".") or Path(name).suffix.lower() not in SUFFIXES:
                continue
            path = Path(folder, name).relative_to(root).as_posix()
            image_id = id_of(path)
            if image_id in found:
                twice.append(f"{found[image_id]} and {path}")
            found.setdefault(image_id, path)
    if twice:
        problems.append(_grouped("photographs that differ only in their suffix: rename one of each,", twice))
    return dict(sorted(found.items()))


def named(word: str, *, masks: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of the photographs that a word gives: a file, a folder, a pattern, or a table of file names.

    Names are paths without their suffix: below the folder, below that of the table, or of a single file its own. What
    lies in the folder of the masks, below the one that is given, is left out.

    Raises:
        WsssError: nothing is found, or a table names what is not there.
    """
    path = Path(word)
    if path.is_dir():
        problems: list[str] = []
        files = _files(path, masks=masks, problems=problems)
        refuse(problems, f"the photographs in {path} cannot be told apart by their names")
        yield from ((image_id, path / name) for image_id, name in files.items())
    elif path.suffix.lower() in (".csv", ".tsv"):
        header, *lines = _table(path)
        columns = [cell.strip().lower() for cell in header]
        column = next((columns.index(name) for name in FILE_COLUMNS if name in columns), 0)
        names = [line[column].strip().replace("\\", "/") for line in lines if len(line) > column]
        yield from ((id_of(name), path.parent / name) for name in names)
    else:
        matches = [path] if path.exists() else sorted(map(Path, glob.glob(word, recursive=True)))  # noqa: PTH207 (pathlib takes no absolute patterns)
        matches = [match for match in matches if match.is_file()]
        if not matches:
            raise WsssError(f"{word} is no photograph, folder or table, and no file matches it")
        yield from ((id_of(match.name), match) for match in matches)


def id_of(path: str) -> str:
    """The id of a photograph from its path below the folder."""
    return unicodedata.normalize("NFC", str(PurePosixPath(path).with_suffix("")))


def _grouped(what: str, examples: list[str]) -> str:
    """One line for a problem that many share: how many, what, and some examples."""
    return f"{len(examples)} {what} such as {checks.such_as(examples)}"


class _Names:
    """Finds the photograph that a table or a list names: by its path, with or without suffix, or its name alone."""

    def __init__(self, files: dict[str, str]) -> None:
        self._by_path = {unicodedata.normalize("NFC", path): image_id for image_id, path in files.items()}
        self._ids = files.keys()
        self._by_name: dict[str, list[str]] = {}
        for path, image_id in self._by_path.items():
            self._by_name.setdefault(PurePosixPath(path).name, []).append(image_id)

    def find(self, name: str) -> str | None:
        """The id, or nothing where no photograph, or more than one, has the name."""
        name = unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removeprefix("./")
        if name in self._by_path:
            return self._by_path[name]
        if name in self._ids:
            return name
        alone = self._by_name.get(PurePosixPath(name).name, [])
        return alone[0] if len(alone) == 1 and "/" not in name else None


def _listed(photographs: Photographs, name: str, problems: list[str]) -> list[str]:
    """The ids in a list of names, one a line."""
    path = _list_path(photographs.root, name)
    names = _Names(photographs.files)
    found, unknown = {}, []
    for line in filter(None, map(str.strip, _text(path).splitlines())):
        image_id = names.find(line)
        found |= {image_id: None} if image_id else {}
        unknown += [] if image_id else [line]
    if unknown:
        problems.append(
            _grouped(f"lines of {path} name no photograph in {photographs.root}: correct or remove them,", unknown)
        )
    return list(found)


def _list_path(root: Path, name: str) -> Path:
    """The file of a list, whose suffix may be left out."""
    path = root / name
    return path if path.suffix else path.with_suffix(".txt")


def _tags(path: Path, files: dict[str, str], problems: list[str]) -> dict[str, tuple[str, ...]]:
    """The tags of each photograph in a table."""
    lines = _table(path)
    header = [cell.strip().lower() for cell in lines[0]]
    file_column = next((header.index(name) for name in FILE_COLUMNS if name in header), None)
    if file_column is None:
        raise WsssError(f"{path} has the columns {', '.join(lines[0])}: call the one of the photographs file_name")
    tag_column = next((header.index(name) for name in TAG_COLUMNS if name in header), None)
    names = _Names(files)
    found: dict[str, tuple[str, ...]] = {}
    wrong: dict[str, list[str]] = {}
    for number, line in enumerate(lines[1:], 2):
        if len(line) <= file_column or not line[file_column].strip():
            wrong.setdefault(f"lines of {path} name no file: remove them,", []).append(f"line {number}")
            continue
        name = line[file_column].strip()
        image_id = names.find(name)
        if image_id is None:
            wrong.setdefault(f"files in {path} are not in the folder: correct or remove them,", []).append(name)
        elif image_id in found:
            wrong.setdefault(f"files occur more than once in {path}: keep one line of each,", []).append(name)
        else:
            try:
                found[image_id] = _of_line(line, lines[0], file_column, tag_column)
            except ValueError as error:
                wrong.setdefault(str(error), []).append(name)
                found[image_id] = ()
    untagged = [image_id for image_id, tags in found.items() if not tags]
    if untagged and not wrong:
        wrong[f"photographs have an empty entry in {path}: an image needs at least one class,"] = untagged
    problems += [_grouped(what, examples) for what, examples in wrong.items()]
    return {image_id: tags for image_id, tags in sorted(found.items()) if tags}


def _of_line(line: list[str], header: list[str], file_column: int, tag_column: int | None) -> tuple[str, ...]:
    """The tags of one line.

    Raises:
        ValueError: a column of a class holds something else than 0 or 1; its text is what many lines may share.
    """
    if tag_column is not None:
        # tags separated by the table's own comma, without quotes, are further cells of the line
        beyond = line[len(header) :] if tag_column == len(header) - 1 else []
        words = [
            word.strip() for cell in (*line[tag_column : tag_column + 1], *beyond) for word in re.split("[;,]", cell)
        ]
        return tuple(dict.fromkeys(unicodedata.normalize("NFC", word) for word in words if word))
    tags = []
    for column, (name, cell) in enumerate(zip(header, line, strict=False)):
        if column == file_column:
            continue
        value = cell.strip().lower()
        if value not in ("", "0", "1", "0.0", "1.0", "false", "true"):
            raise ValueError(f"files have something else than 0 or 1 in the column of the class {name.strip()!r},")
        if value in ("1", "1.0", "true"):
            tags.append(unicodedata.normalize("NFC", name.strip()))
    return tuple(tags)


def _table(path: Path) -> list[list[str]]:
    """The lines of a table, those of blanks alone left out; what separates the cells is read from its header."""
    text = _text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max("\t;,", key=first.count)
    try:
        cells = list(csv.reader(text.splitlines(), delimiter=separator))
    except csv.Error as error:
        raise WsssError(f"{path} is no table ({error}): save it as CSV, with a line a photograph") from error
    lines = [line for line in cells if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise WsssError(f"{path} has no lines below its header: expected file_name,tags and a line a photograph")
    return lines


def _text(path: Path) -> str:
    """Text in UTF-8, with or without a byte order mark."""
    try:
        return read_text(path, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: correct its name in the configuration, or create it") from error
    except UnicodeDecodeError as error:
        raise WsssError(f"{path} is not UTF-8 text ({error}): save it as CSV in UTF-8") from error
