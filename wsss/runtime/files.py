"""Files that are whole or absent, whatever kills their writer."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A name to write under, which becomes `path` where the body succeeds and vanishes where it fails.

    What killed writers of this machine have left of the same file is removed. The name carries host and process, since
    a job that a cluster restarts may have a twin that still writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    start = f".{path.name}.{socket.gethostname()}"
    for left in path.parent.glob(f"{start}.*.partial"):
        process = re.fullmatch(rf"{re.escape(start)}\.(\d+)\.partial", left.name)
        if process and not _runs(int(process[1])):
            left.unlink(missing_ok=True)
    partial = path.with_name(f"{start}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process != os.getpid()
