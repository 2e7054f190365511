"""Files of tensors by name, with a header in JSON, that say whether they are damaged: the format safetensors.

The header is the text `wsss` of the file's metadata. Its `digest` is the SHA-256 of the whole file with zeros in the
digest's place, so that a flipped byte is noticed wherever it is. Two saves of the same content are the same bytes.
"""

import hashlib
import json
from pathlib import Path

import safetensors.torch
from safetensors import safe_open
from torch import Tensor, contiguous_format

from wsss.runtime.errors import of_the_machine
from wsss.runtime.files import check_regular, whole_or_absent
from wsss.runtime.sealed import Damaged

SUFFIX = ".safetensors"
HEADER = "wsss"
"""One text for the whole header: the library writes several in an order that changes from process to process."""

NO_DIGEST = b"0" * 64


def save(path: Path, tensors: dict[str, Tensor], header: dict[str, object]) -> None:
    """Write tensors, on the CPU, and a table of what JSON has; the file is whole or absent.

    Raises:
        ValueError: a number of the header is not finite.
    """
    text = json.dumps({"digest": NO_DIGEST.decode(), **header}, allow_nan=False)
    own = {name: value.clone(memory_format=contiguous_format) for name, value in tensors.items()}  # no shared memory
    content = safetensors.torch.save(own, {HEADER: text})
    start = content.index(NO_DIGEST)
    with whole_or_absent(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.seek(start)
        file.write(hashlib.sha256(content).hexdigest().encode())


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, object] | None]:
    """The tensors of a file, on the CPU, and the header if `save` wrote it; nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it is not in the format, or `save` wrote it and the content is not what was saved.
    """
    check_regular(path)
    try:
        path.open("rb").close()  # whatever keeps safetensors from opening it, it says that the file does not exist
        with safe_open(path, framework="pt") as source:
            text = (source.metadata() or {}).get(HEADER)
            tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118
        header = json.loads(text) if text is not None else None
    except FileNotFoundError:
        raise
    except Exception as error:  # of the library, and of torch where a shape is beyond its numbers
        if of_the_machine(error):
            raise
        reason, *_ = str(error).split("\n")
        raise Damaged(f"no safetensors: {reason[:120]}") from error
    if header is None:
        return tensors, None
    if not isinstance(header, dict) or (digest := str(header.pop("digest", ""))) != _digest(path, digest):
        raise Damaged("its content is not what was saved")
    return tensors, header


def _digest(path: Path, own: str) -> str:
    """The digest of a file that states this one."""
    with path.open("rb") as file:
        size = file.read(8)
        start = file.read(int.from_bytes(size, "little"))
        sha = hashlib.sha256(size + start.replace(own.encode(errors="replace"), NO_DIGEST, 1))
        return hashlib.file_digest(file, lambda: sha).hexdigest()
