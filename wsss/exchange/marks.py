"""A mark in the files that exports write, by which later ones know them: what lacks it may be work by hand.

It holds a digest of all else in the file, and so stands for nothing once another program has changed the file and kept
the mark: in a PNG the text Software, in a JPEG and an archive the comment, in a table of COCO its description.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_bytes

PNG_HEADER = 33
"""Bytes of a PNG's signature and its first chunk."""


def marked(content: bytes) -> bytes:
    """A PNG, a JPEG or a table in JSON, with its mark."""
    place, mark = _mark(content)
    return content[:place] + mark + content[place:]


def mark_archive(archive: ZipFile) -> None:
    """Mark an archive, once all of its files are in it."""
    archive.comment = _of_members(archive)


def require_own(paths: Iterable[Path]) -> None:
    """Refuse to write over files that no export has written, or that were changed since.

    Raises:
        WsssError: there is such a file.
    """
    for path in paths:
        if _is_file(path) and not is_own(path):
            raise WsssError(
                f"{path} is there already, is not what wsss has written and may hold work by hand: remove it, or name"
                " another place"
            )


def is_own(path: Path) -> bool:
    """Whether a file is as an export wrote it."""
    content = read_bytes(path)
    if content.startswith(b"PK"):
        return _is_own_archive(path)
    place, mark = _mark(content)  # of other bytes than the file's own, but as long as that
    return content == marked(content[:place] + content[place + len(mark) :])


def _mark(content: bytes) -> tuple[int, bytes]:
    """The mark of a file without one, and its place."""
    text = _text(content)
    if content.startswith(b"\x89PNG"):
        chunk = b"tEXtSoftware\0" + text
        return PNG_HEADER, struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    if content.startswith(b"\xff\xd8"):  # after the first segment, which is JFIF's
        return 4 + int.from_bytes(content[4:6], "big"), b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text
    return 1, b'"info": {"description": "' + text + b'"}, '


def _text(content: bytes) -> bytes:
    return b"wsss " + hashlib.sha256(content).hexdigest()[:16].encode()


def _of_members(archive: ZipFile) -> bytes:
    return _text(repr([(file.filename, file.CRC, file.file_size) for file in archive.infolist()]).encode())


def _is_own_archive(path: Path) -> bool:
    try:
        with ZipFile(path) as archive:
            return archive.comment == _of_members(archive)
    except (BadZipFile, NotImplementedError, ValueError):
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long, which the writer tells
        return False
