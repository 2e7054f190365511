"""A store that several processes read, as those that load a training's images."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from wsss.stores.store import Reader, read


class Shared:
    """A store for data-loading workers: each process opens its own handle, when it first needs one."""

    def __init__(self, path: Path, kind: str) -> None:
        with read(path, kind) as reader:
            self.attributes, self.classes = reader.attributes, reader.classes
        self._path, self._kind = path, kind
        self._opened: tuple[AbstractContextManager, Reader] | None = None
        self._process = 0

    def __getitem__(self, image_id: str) -> dict[str, np.ndarray]:
        return self._reader()[image_id]

    def fitting(self, image_id: str, size: tuple[int, int]) -> dict[str, np.ndarray]:
        """`Reader.fitting`."""
        return self._reader().fitting(image_id, size)

    def _reader(self) -> Reader:
        if self._process != os.getpid():
            context = read(self._path, self._kind)
            self._opened = (context, context.__enter__())  # open until the process ends
            self._process = os.getpid()
        return self._opened[1]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": None, "_process": 0}
