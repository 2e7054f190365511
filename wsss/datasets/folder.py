"""Read a folder of photographs, and a table of their tags (`tag_table`), as rows of the manifest.

Without a table there is a folder for each class, whose name is the tag of the photographs in it.

An id is the path of a photograph below the folder, without its suffix, in Unicode's form NFC.
"""

import glob
import hashlib
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wsss.datasets import checks, tag_table
from wsss.datasets.manifest import MASKED_SPLITS, Classes, Row
from wsss.runtime.errors import WsssError, refuse
from wsss.runtime.progress import LOG

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2"),
    *(".heic", ".heif"),
)
"""Of photographs, in lower case; those of files may be in upper case."""


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
    tags = tag_table.tags(path, files, root, problems)
    return Photographs(root, files, tags, path.name, problems)


def splits(
    photographs: Photographs, *, train: str, extra: str, val: str, test: str, val_share: float, masks: str
) -> tuple[dict[str, str], list[str]]:
    """The split of each image id, and the problems of the lists.

    Args:
        photographs: those of a folder.
        train: list of the training images, a text file with a name a line; "" for all tagged ones that are in no other.
        extra: list of further training images; "" for none.
        val: list of the images for the final scores; "" for none, or those that `val_share` draws.
        test: list of images that are segmented, and neither trained on nor scored; "" for none.
        val_share: share of the tagged images in no list of train or test that is drawn for val without a list of it, of
            those with a mask where there are masks; equal for equal images.
        masks: folder of the masks, below the root or anywhere; "" where there are none.
    """
    problems: list[str] = []
    lists = {
        name: _listed(photographs, listed, problems) if listed else []
        for name, listed in (("train", train), ("extra", extra), ("val", val), ("test", test))
    }
    if not val and val_share:
        free = photographs.tags.keys() - {*lists["train"], *lists["test"]}
        judged = free & _masks(photographs.root, masks, []).keys() if masks else free
        drawn = sorted(judged, key=lambda image_id: hashlib.sha256(image_id.encode()).digest())
        lists["val"] = drawn[: round(val_share * len(free))]
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = sorted(set(lists[one]) & set(lists[other]))
        what = f"in the list of {one} and in that of {other}, which is held out: remove"
        problems += [checks.shared(what, both)] if both else []
    known = {*lists["val"], *lists["train"], *lists["test"]}
    lists["extra"] = [image_id for image_id in lists["extra"] if image_id not in known]
    if not train:
        taken = {*lists["val"], *lists["extra"], *lists["test"]}
        lists["train"] = [image_id for image_id in photographs.tags if image_id not in taken]
    found = {image_id: split for split, ids in lists.items() for image_id in ids}
    left = [path for image_id, path in photographs.files.items() if image_id not in found]
    if left:
        LOG.info("images: %s", checks.shared("photographs without tags that are in no list are left out,", left))
    return found, problems


def rows(
    photographs: Photographs, splits: dict[str, str], *, classes: Classes, masks: str
) -> Iterator[tuple[Row, str | None]]:
    """Iterate over rows of the manifest, each with its problem or None: of its tags, or a mask of val that is missing.

    No photograph is opened.
    """
    found = _masks(photographs.root, masks, []) if masks else {}
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
        if masks and split == "val" and not mask:
            return made, f"{image_id}: an image of val has no mask in {masks}: put one there, or take it off the list"
        return made, checks.tag_problem(made, classes) if tags or split not in ("val", "test") else None

    return (row(*item) for item in splits.items())


def mask_problems(photographs: Photographs, masks: str) -> list[str]:
    """What is wrong with the names of masks: two of one photograph, or none that is any photograph's."""
    problems: list[str] = []
    found = _masks(photographs.root, masks, problems)
    if not found.keys() & photographs.files.keys():
        names = list(found.values()) or [masks]
        problems.append(checks.shared("masks have no photograph's name, such as a.png for a.jpg: rename them,", names))
    return problems


def strange_masks(photographs: Photographs, masks: str) -> list[str]:
    """A warning of masks that are none of a photograph's, by their names."""
    strange = [
        path for image_id, path in _masks(photographs.root, masks, []).items() if image_id not in photographs.files
    ]
    return [checks.shared("masks have the name of no photograph, and are left out,", strange)] if strange else []


def listing(root: Path, *, table: str, masks: str, train: str, extra: str, val: str, test: str) -> str:
    """A digest of all that these options read: names and sizes of pictures, and what tables and lists hold.

    A picture that is replaced by another one of as many bytes is not noticed.
    """
    content = hashlib.sha256()
    texts = [_list_path(root, name) for name in (train, extra, val, test) if name]
    for path in [root / table, *texts] if table else texts:
        content.update(f"{path.name} {path.read_bytes() if path.is_file() else None}".encode())
    for start in [root, root / masks] if masks else [root]:
        for path in _pictures(start, masks=None, again=[], closed=[]):
            size = path.stat().st_size if path.exists() else None
            content.update(f"{path.relative_to(start)} {size}".encode(errors="surrogateescape"))
    return content.hexdigest()


def _masks(root: Path, masks: str, problems: list[str]) -> dict[str, str]:
    """The path of each mask below its folder, by id."""
    return _files(root / masks, masks=None, problems=problems, kind="masks")


def _files(root: Path, *, masks: Path | None, problems: list[str], kind: str = "photographs") -> dict[str, str]:
    """The pictures below a folder, by id, in the order of their ids."""
    if not root.is_dir():
        raise WsssError(f"{root} is not a folder: correct its name, or leave it out")
    found: dict[str, str] = {}
    twice: list[str] = []
    odd: list[str] = []
    again: list[str] = []
    closed: list[str] = []
    for picture in _pictures(root, masks=masks, again=again, closed=closed):
        path = picture.relative_to(root).as_posix()
        image_id = id_of(path)
        if checks.odd_characters(path):
            odd.append(ascii(path))
        elif image_id in found:
            twice.append(f"{found[image_id]} and {path}")
        found.setdefault(image_id, path)
    if twice:
        problems.append(checks.shared(f"{kind} that differ only in their suffix: rename one of each,", twice))
    if odd:
        problems.append(checks.shared(f"names of {kind} have line ends or bytes that are no UTF-8: rename them,", odd))
    if again:
        problems.append(checks.shared("links lead to folders that are read anyway: remove them,", again))
    if closed:
        problems.append(checks.shared("folders cannot be read: allow this user to, or move them away,", closed))
    return dict(sorted(found.items()))


def _pictures(root: Path, *, masks: Path | None, again: list[str], closed: list[str]) -> Iterator[Path]:
    """The pictures below a folder, but those of hidden folders and of that of the masks, in one order.

    Args:
        root: the folder.
        masks: the folder of the masks.
        again: takes the links that lead to a folder which was read before, and are not followed.
        closed: takes the folders that cannot be read, or are gone.
    """
    seen = {_place(root)}

    def note(error: OSError) -> None:
        closed.append(ascii(str(error.filename)))

    for folder, names, files in os.walk(root, followlinks=True, onerror=note):
        kept = []
        for path in (Path(folder, name) for name in sorted(names) if not name.startswith(".")):
            if masks and path.resolve() == masks.resolve():
                continue
            try:
                place = _place(path)
            except OSError as error:
                note(error)
                continue
            if place in seen:
                again.append(ascii(path.relative_to(root).as_posix()))
                continue
            seen.add(place)
            kept.append(path.name)
        names[:] = kept
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(folder, name)


def _place(folder: Path) -> tuple[int, int]:
    """What tells a folder from all others, by whatever names it goes."""
    place = folder.stat()
    return place.st_dev, place.st_ino


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
        names = tag_table.file_names(path)
        odd = [name for name in names if checks.odd_characters(name) or not PurePosixPath(name).name]
        if odd:
            raise WsssError(f"{path} names no photograph by {odd[0]!a}: correct or remove the line")
        # of a photograph outside of the table's folder the name alone, like that of a single file
        ids = (name if _below(name) else PurePosixPath(name).name for name in names)
        yield from ((id_of(each), path.parent / name) for each, name in zip(ids, names, strict=True))
    else:
        matches = [path] if path.exists() else sorted(map(Path, glob.glob(word, recursive=True)))  # noqa: PTH207 (pathlib takes no absolute patterns)
        matches = [match for match in matches if match.is_file()]
        if not matches:
            raise WsssError(f"{word} is no photograph, folder or table, and no file matches it")
        yield from ((id_of(match.name), match) for match in matches)


def _below(name: str) -> bool:
    """Whether a path stays in the folder that it begins in."""
    return not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts


def id_of(path: str) -> str:
    """The id of a photograph from its path below the folder."""
    return unicodedata.normalize("NFC", str(PurePosixPath(path).with_suffix("")))


def _listed(photographs: Photographs, name: str, problems: list[str]) -> list[str]:
    """The ids in a list of names, one a line."""
    path = _list_path(photographs.root, name)
    names = tag_table.Names(photographs.files, photographs.root)
    found, wrong = {}, {}
    for line in filter(str.strip, tag_table.text(path).splitlines()):
        if problem := names.problem(path, line):
            wrong.setdefault(problem, []).append(line.strip())
        else:
            found[names.find(line)[0]] = None
    problems += [checks.shared(what, examples) for what, examples in wrong.items()]
    return list(found)


def _list_path(root: Path, name: str) -> Path:
    """The file of a list, whose suffix may be left out."""
    path = root / name
    return path if path.suffix else path.with_suffix(".txt")
