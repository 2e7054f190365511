"""HDF5 stores: one file a stage, one group an image, whole or absent.

A store says what it is in its attributes: kind, schema, the classes and their values in masks, every setting of the
stage that wrote it (`setting.NAME`), the digest of each input (`input.NAME`), the digest of its own content, and
`complete`.
Each image's group holds a few small arrays (see KINDS) and the attributes `size`, the image's (height, width), and
`digest`, of the arrays.

Stages that go over images write one shard for each part of the manifest; `gather` joins shards by external links,
so nothing is copied, and carries the digest of what is in them, so a changed shard changes the joined file.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import h5py
import numpy as np

from wsss.errors import WsssError
from wsss.files import whole_or_absent
from wsss.labels import Classes

SCHEMA = 2

KINDS = {
    "cams": "cam: float16 (foreground, height, width) in [0, 1], the image's own classes only, on a grid; "
    "classes: uint8, the class of each map",
    "affinity_labels": "labels: uint8 (height, width) on a grid, 0 background, 255 void",
    "pseudo_masks": "plain, refined: uint8 (height, width) at the image's size, before and after the CRF",
    "saliency": "saliency: float16 (height, width) on a grid: how much the scores depend on a cell, over the largest",
    "seeds": "labels: uint8 (cells, cells), the image warped to a square; 0 background, 255 where nothing is sure",
    "scores": "scores: float16 (classes, height, width), probabilities of all classes on the network's grid",
    "masks": "plain, refined: uint8 (height, width) at the image's size, before and after the CRF",
}
"""Every kind of store and the arrays of one image in it; `refined` is missing where the CRF is switched off."""

# Old enough for Debian's h5ls; and a file of this version whose writer was killed does not open as if it were whole.
LIBVER = ("v110", "v110")

CACHE = 2**17
"""Bytes of a file's groups that HDF5 keeps in memory. Each is looked at once, and HDF5's own 32 MB take 100 of them."""


class Writer:
    """A store that is being written; see `create`."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._digest = 0

    def add(self, image_id: str, size: tuple[int, int], **arrays: np.ndarray) -> None:
        """Add an image: its id, its size (height, width) and its arrays, float16 or uint8."""
        group = self._file.create_group(image_id)
        group.attrs["size"] = size
        content = hashlib.sha256(f"{image_id} {size}".encode())
        for name, array in arrays.items():
            if array.dtype not in (np.float16, np.uint8):
                raise TypeError(f"{image_id}/{name} is {array.dtype}: stores hold float16 and uint8 only")
            group.create_dataset(
                name, data=array, chunks=array.shape, compression="gzip", compression_opts=4, shuffle=True
            )
            content.update(f"{name} {array.shape}".encode() + array.tobytes())
        group.attrs["digest"] = content.hexdigest()
        self._digest = _joined(self._digest, content.hexdigest())

    def finish(self) -> None:
        self._file.attrs.update(digest=f"{self._digest:064x}", images=len(self._file), complete=True)


@contextmanager
def create(
    path: Path, kind: str, *, classes: Classes, settings: dict[str, object], inputs: dict[str, Path]
) -> Iterator[Writer]:
    """A new store, which appears under `path` only once it is complete.

    Args:
        path: file to write.
        kind: one of KINDS.
        classes: the classes.
        settings: numbers and words that decided the content.
        inputs: the files that it was made from, by name.
    """
    with whole_or_absent(path) as partial, h5py.File(partial, "w", libver=LIBVER) as file:
        _with_small_cache(file).attrs.update(kind=kind, schema=SCHEMA, arrays=KINDS[kind])
        file.attrs.update(classes=list(classes.names), mask_values=list(classes.mask_values))
        file.attrs.update({f"setting.{name}": _in_words(value) for name, value in settings.items()})
        file.attrs.update({f"input.{name}": digest(source) for name, source in inputs.items()})
        writer = Writer(file)
        yield writer
        writer.finish()


def _with_small_cache(file: h5py.File) -> h5py.File:
    """The file, of whose groups at most CACHE bytes stay in memory."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = CACHE
    file.id.set_mdc_config(config)
    return file


def _in_words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


class Reader:
    """An open store: `reader[id]` gives the image's arrays by name, `reader.size(id)` its (height, width)."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file
        self.attributes = dict(file.attrs)
        self.classes = Classes(
            tuple(self.attributes["classes"]), tuple(int(value) for value in self.attributes["mask_values"])
        )

    def __len__(self) -> int:
        return len(self._file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    @property
    def stride(self) -> int:
        """Pixels for each cell of the grid of its arrays, 1 where they are at the images' size."""
        return int(self.attributes.get("setting.stride", 1))

    @property
    def warped_px(self) -> int:
        """Side of the square to which the images were warped whose grid it is; 0 where they were not."""
        return int(self.attributes.get("setting.warped_px", 0))

    def __getitem__(self, image_id: str) -> dict[str, np.ndarray]:
        return {name: dataset[()] for name, dataset in self._group(image_id).items()}

    def size(self, image_id: str) -> tuple[int, int]:
        height, width = self._group(image_id).attrs["size"]
        return int(height), int(width)

    def _group(self, image_id: str) -> h5py.Group:
        try:
            return self._file[image_id]
        except (KeyError, OSError) as error:
            raise WsssError(
                f"{self.path} holds no {image_id!r}: was it made from another manifest, or a shard of it removed?"
            ) from error


@contextmanager
def read(path: Path, kind: str) -> Iterator[Reader]:
    """Open a store of the given kind; another kind, an unfinished or a foreign file is refused.

    Opened with "r" alone: any other mode moves the file's time stamp, and Snakemake would rerun what follows.
    """
    with _open(path) as file:
        found = file.attrs.get("kind")
        if found != kind:
            raise WsssError(f"{path} holds {found!r}, expected {kind!r}: is the rule's input right?")
        yield Reader(path, file)


class Shared:
    """A store that data-loading workers read: each process opens a handle of its own, when it first needs it."""

    def __init__(self, path: Path, kind: str) -> None:
        with read(path, kind) as reader:
            self.attributes, self.classes = reader.attributes, reader.classes
        self._path, self._kind = path, kind
        self._opened: tuple[AbstractContextManager, Reader] | None = None
        self._process = 0

    def __getitem__(self, image_id: str) -> dict[str, np.ndarray]:
        if self._process != os.getpid():
            context = read(self._path, self._kind)
            self._opened = (context, context.__enter__())  # until the process ends
            self._process = os.getpid()
        return self._opened[1][image_id]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": None, "_process": 0}


def gather(shards: list[Path], path: Path) -> None:
    """Join shards into one store of links, with the digest that one store of all would have."""
    content = 0
    with whole_or_absent(path) as partial, h5py.File(partial, "w", libver=LIBVER) as joined:
        for shard in shards:
            with _open(shard) as file:
                attributes = {name: value for name, value in file.attrs.items() if name not in ("digest", "images")}
                before = {name: joined.attrs[name] for name in joined.attrs}
                names = before.keys() | attributes.keys()
                if before and any(not np.array_equal(before.get(name), attributes.get(name)) for name in names):
                    raise WsssError(f"{shard} was made with other settings than {shards[0]}: remove both and rerun")
                joined.attrs.update(attributes)
                for image_id, group in file.items():
                    if image_id in joined:
                        raise WsssError(f"{shard} holds {image_id!r}, as a shard before it does: give each shard once")
                    joined[image_id] = h5py.ExternalLink(os.path.relpath(shard, path.parent), image_id)
                    content = _joined(content, group.attrs["digest"])
        joined.attrs.update(shards=len(shards), digest=f"{content:064x}", images=len(joined))


def _joined(digest: int, of_image: str) -> int:
    """A digest of images with one more: a sum, the same in any order and however they are spread over shards."""
    return (digest + int(of_image, 16)) % 2**256


def digest(path: Path) -> str:
    """A digest of a file's content; of a store, the one that it carries."""
    if path.suffix == ".h5":
        with _open(path) as file:
            return str(file.attrs["digest"])
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: run the stage that writes it first") from error
    except OSError as error:
        raise WsssError(f"{path} is no readable HDF5 file ({error}): remove it and rerun its stage") from error
    with file:
        if not file.attrs.get("complete"):
            raise WsssError(f"{path} is not a finished store of wsss: remove it and rerun its stage")
        if file.attrs["schema"] != SCHEMA:
            raise WsssError(f"{path} has schema {file.attrs['schema']}, this version reads {SCHEMA}: rerun its stage")
        yield _with_small_cache(file)


def kind_of(path: Path) -> str:
    """The kind of a finished store."""
    with _open(path) as file:
        return str(file.attrs["kind"])
