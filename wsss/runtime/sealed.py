"""Files of tensors and plain values that say whether they are damaged: torch's format, with a digest of the content.

torch does not check what it reads: a flipped byte of a weight would pass. Two saves of the same content are the same
bytes.
"""

import hashlib
import io
import sys
from pathlib import Path

import torch

from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import check_regular, whole_or_absent

SEAL = "digest of content"


class Damaged(WsssError):
    """The file cannot be read, or is not what was saved; the text is the reason alone."""


def save(path: Path, content: dict[str, object]) -> None:
    """Write a table of tensors, plain values, and lists and tables of them; the file is whole or absent."""
    buffer = io.BytesIO()  # into a file, torch would write the file's temporary name as well
    torch.save(_alike({**content, SEAL: digest(content)}), buffer)
    with whole_or_absent(path) as partial:
        partial.write_bytes(buffer.getbuffer())


def load(path: Path) -> tuple[object, bool]:
    """What is in a file of torch, on the CPU, and whether `save` wrote it; nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it cannot be read, or `save` wrote it and the content is not what was saved.
    """
    check_regular(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:  # torch raises many kinds for damaged files
        pass_on(error)
        raise Damaged(type(error).__name__) from error
    return content, _checked(content)


def _checked(content: object) -> bool:
    """Whether `save` wrote this content of a file; its digest is taken out.

    Raises:
        Damaged: it is not what was saved.
    """
    if not isinstance(content, dict) or SEAL not in content:
        return False
    if content.pop(SEAL) != digest(content):
        raise Damaged("its content is not what was saved")
    return True


def digest(content: object) -> str:
    """Of tensors their type, shape and bytes count, of other values what Python writes for them."""
    sha = hashlib.sha256()
    _add(sha, content)
    return sha.hexdigest()


def _alike(value: object) -> object:
    """The same content in new tables and lists, with one object for equal texts: of each, pickle writes which it met.

    Else the bytes would say whether a part of the content was read from a file before.
    """
    if isinstance(value, dict):
        return {_alike(key): _alike(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_alike, value))
    return sys.intern(value) if type(value) is str else value


def _add(sha: "hashlib._Hash", value: object) -> None:
    if isinstance(value, torch.Tensor):
        sha.update(f"tensor {value.dtype} {tuple(value.shape)}".encode())
        flat = torch.empty(value.numel(), dtype=value.dtype).copy_(value.detach().reshape(-1))
        sha.update(flat.view(torch.uint8).numpy())
    elif isinstance(value, dict):
        sha.update(f"table {len(value)}".encode())
        for key, item in value.items():
            sha.update(f"key {key!r}".encode())
            _add(sha, item)
    elif isinstance(value, list | tuple):
        sha.update(f"list {len(value)}".encode())
        for item in value:
            _add(sha, item)
    else:
        sha.update(f"{type(value).__name__} {value!r}".encode())
