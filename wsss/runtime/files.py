"""Files that are whole or absent, whatever kills their writer."""

import glob
import hashlib
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wsss.runtime.errors import WsssError, pass_on

KINDS = {
    "a store": rb"\x89HDF",
    "a network": rb"(?s).{4}\0{4}\{",
    "a PNG picture": rb"\x89PNG",
    "a JPEG picture": rb"\xff\xd8\xff",
    "a PDF": rb"%PDF",
    "a page": rb"<!doctype html",
    "an archive": rb"PK\x03\x04",
    "a pickle": rb"\x80[\x02-\x05]",
    "a table of scores or numbers": rb"\{\n",
    "a file of annotations": rb'\{"',
    "a list of images": rb"id,split,image,",
    "a table of classes": rb"class,name,mask_value,",
    "a table of areas": rb"file_name,",
    "a training curve": rb"step,",
    "a log": rb"\d\d:\d\d:\d\d ",
}
"""How files begin that are known: one takes the place of another of its kind, and of what is of no known kind."""

LONGEST_PART = 40
"""Bytes of a name in that of the unfinished file: with those of a host, fewer than 143, which is eCryptfs' limit."""


@contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A name to write under, which becomes `path` where the body succeeds and vanishes where it fails.

    What killed writers of this machine have left of the same file is removed. The name carries host and process, since
    a job that a cluster restarts may have a twin that still writes.

    Raises:
        WsssError: the path ends in no name, such as an empty one, or is that of a pipe or device, or of a file of
            another kind, such as a photograph or another result.
    """
    if path.name in ("", ".."):
        raise WsssError(f"the output {str(path)!r} has no name of a file: give one")
    if path.exists() and not path.is_file() and not path.is_dir():  # which a file would replace
        raise WsssError(f"{path} is a pipe or device, no file: give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    start = f".{_shortened(path.name)}.{socket.gethostname()}"
    for left in path.parent.glob(f"{glob.escape(start)}.*.partial"):
        process = re.fullmatch(rf"{re.escape(start)}\.(\d+)\.partial", left.name)
        if process and not _runs(int(process[1])):
            left.unlink(missing_ok=True)
    partial = path.with_name(f"{start}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        _check_kind(path, _kind(partial))
        partial.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, partial, str(partial)):
            raise
        # libraries name no file, or the one that is gone by now
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _shortened(name: str) -> str:
    """A name as a part of another one, which could be longer than file systems allow; as it is where it is short."""
    content = os.fsencode(name)
    return name if len(content) <= LONGEST_PART else hashlib.sha256(content).hexdigest()[:LONGEST_PART]


def _kind(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(32)
    return next((name for name, begins in KINDS.items() if re.match(begins, start)), None)


def _check_kind(path: Path, kind: str | None) -> None:
    """Refuse to write over a file of another kind, which somebody has named by mistake."""
    if path.is_file() and (found := _kind(path)) not in (None, kind):
        raise WsssError(f"{path} is {found}, and would be written over: give another name, or move it away")


def check_regular(path: Path, *, remedy: str = "put the file there") -> None:
    """Refuse what is there and is no file, for to open a named pipe would wait for ever, or is not for this user."""
    if path.exists() and not path.is_file():
        raise WsssError(f"{path} is a {'folder' if path.is_dir() else 'pipe or device'}, no file: {remedy}")
    if path.exists() and not os.access(path, os.R_OK):  # not to be taken for damage, and removed
        raise WsssError(f"{path} may not be read by this user: allow it to, or name another file")


def read_bytes(path: Path) -> bytes:
    """What is in a file.

    Raises:
        WsssError: there is a pipe, a device or a folder under its name.
    """
    check_regular(path)
    return path.read_bytes()


def read_text(path: Path, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """What is in a file of text; see `read_bytes`."""
    check_regular(path)
    return path.read_text(encoding=encoding, errors=errors)


def require_no_inputs(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over files that are read, such as the user's photographs.

    Raises:
        WsssError: a target is one of the inputs, by whatever name.
    """
    known = {(place.st_dev, place.st_ino) for path in inputs if (place := _place(path))}
    for target in targets:
        place = _place(target)
        if place and (place.st_dev, place.st_ino) in known:
            raise WsssError(
                f"{target} is one of the files that are read, and would be written over: give another folder"
            )


def _place(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process != os.getpid()


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write a table for programs, with the digest of what it says."""
    with whole_or_absent(path) as partial:
        partial.write_text(json.dumps(content | {"digest": _digest(content)}, indent=2) + "\n", encoding="utf-8")


def _digest(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> dict:
    """The table in a JSON file that `write_json` wrote, without its digest.

    Raises:
        WsssError: the file is missing, holds no such table, or another one than was written.
    """
    try:
        content = json.loads(read_bytes(path).decode())
        if not isinstance(content, dict):
            raise ValueError("it holds no table")
    except (OSError, ValueError, RecursionError) as error:
        pass_on(error)
        raise WsssError(f"{path} cannot be read ({error}): remove it and rerun the stage that writes it") from error
    if content.pop("digest", None) not in (None, _digest(content)):
        raise WsssError(f"{path} is damaged: remove it and rerun the stage that writes it")
    return content
