"""HDF5 stores: one file for each stage, one group for each image, complete or absent.

The attributes of a store describe it: kind, schema, the classes and their values in masks, every setting of the stage
that wrote it (`setting.NAME`), the digest of each input (`input.NAME`), the digest of its own content, and `complete`.
The group of an image holds a few small arrays (see `kinds`) and two attributes: `size`, the image's (height, width),
and `digest`, of its content.

Stages that process images write one shard for each part of the manifest. `gather` joins shards by external links, so
nothing is copied, and stores a digest of their content, so a changed shard changes the joined file.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

from wsss.labels import Classes
from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import check_regular, require_no_inputs, whole_or_absent
from wsss.stores import attributes, damage, form
from wsss.stores.keys import id_of, key_of, keys_of
from wsss.stores.kinds import KINDS

SCHEMA = 4

# Debian's h5ls reads this version, and a file of this version whose writer was killed does not open as a complete one.
LIBVER = ("v110", "v110")

OF_ITS_OWN = ("digest", "images", "seal")
"""Attributes of a shard that another shard of the same stage does not have."""

CACHE = 2**17
"""Bytes of a file's groups that HDF5 keeps in memory. Each is read once, and HDF5's default of 32 MB uses 100 MB."""


class Writer:
    """A store that is being written; see `create`."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._digest = 0

    def add(self, image_id: str, size: tuple[int, int], **arrays: np.ndarray) -> None:
        """Add an image: its id, its size (height, width) and its arrays, float16 or uint8."""
        group = self._file.create_group(key_of(image_id))
        attributes.write(group, {"size": size})
        for name, array in arrays.items():
            if array.dtype not in (np.float16, np.uint8):
                raise TypeError(f"{image_id}/{name} is {array.dtype}: stores hold float16 and uint8 only")
            if not np.isfinite(array).all():
                raise WsssError(f"{image_id}: {name} is NaN or infinite: train the network again, more slowly")
            dataset = group.create_dataset(name, data=array, chunks=array.shape, **form.COMPRESSION)
            dataset.flush()  # else it would be written as the object vanishes, and what fails there is not raised
        content = _digest_of(image_id, size, arrays)
        attributes.write(group, {"digest": content})
        self._digest = _joined(self._digest, content)

    def finish(self) -> None:
        about = {"digest": f"{self._digest:064x}", "images": len(self._file), "complete": True}
        attributes.write(self._file, about)
        attributes.write(self._file, {"seal": _seal(attributes.read(self._file))})


def _digest_of(image_id: str, size: tuple[int, int], arrays: dict[str, np.ndarray]) -> str:
    """The digest of an image's content."""
    height, width = size
    content = hashlib.sha256(f"{image_id} ({int(height)}, {int(width)})".encode())
    for name, array in sorted(arrays.items()):
        content.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return content.hexdigest()


def _seal(about: Mapping[str, object]) -> str:
    """The digest of a store's attributes: HDF5 has no checksum of them."""
    lines = [f"{name}={np.asarray(about[name]).tolist()}" for name in sorted(about) if name != "seal"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@contextmanager
def create(
    path: Path, kind: str, *, classes: Classes, settings: dict[str, object], inputs: dict[str, Path]
) -> Iterator[Writer]:
    """A new store, which appears under `path` only once it is complete.

    Args:
        path: file to write.
        kind: one of `kinds.KINDS`.
        classes: the classes.
        settings: options that determine the content.
        inputs: the files that the store was made from, by name.
    """
    with whole_or_absent(path) as partial, _new_file(partial) as file:
        about = {"kind": kind, "schema": SCHEMA, "arrays": KINDS[kind]}
        about |= {"classes": list(classes.names), "mask_values": list(classes.mask_values)}
        about |= {f"setting.{name}": _as_text(value) for name, value in settings.items()}
        about |= {f"input.{name}": digest(source) for name, source in inputs.items()}
        attributes.write(_with_small_cache(file), about)
        writer = Writer(file)
        yield writer
        writer.finish()


@contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file to write to; what HDF5 cannot write is an OSError with its number.

    HDF5 keeps what it could not write, tries again as it closes the file and as the process ends, and ends in a
    segmentation fault where the disk is still full. So it writes to nowhere once anything has failed.
    """
    file = h5py.File(path, "w", libver=LIBVER)
    try:
        yield file
        file.flush()
    except BaseException as error:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, file.id.get_vfd_handle())
        os.close(nowhere)
        with suppress(OSError, RuntimeError):
            file.close()
        if found := re.search(r"errno = (\d+)", str(error)):
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
        raise
    file.close()


def _with_small_cache(file: h5py.File) -> h5py.File:
    """The file; at most CACHE bytes of its groups stay in memory."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = CACHE
    file.id.set_mdc_config(config)
    return file


def _as_text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


class Reader:
    """An open store: `reader[id]` gives the image's arrays by name, `reader.size(id)` its (height, width)."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file
        self.attributes = attributes.OfStore(path, attributes.read(file))
        self.classes = form.classes(self.attributes)

    def __len__(self) -> int:
        return len(self._file)

    def __iter__(self) -> Iterator[str]:
        with damage.told(self.path):
            keys = keys_of(self._file)
        return map(id_of, keys)

    @property
    def stride(self) -> int:
        """Input pixels for each cell of the arrays' grid; 1 if the arrays have the images' size."""
        return int(self.attributes.get("setting.stride", 1))

    @property
    def warped_px(self) -> int:
        """Side of the square to which the images were warped; 0 if they were not."""
        return int(self.attributes.get("setting.warped_px", 0))

    @property
    def warped(self) -> bool:
        """Whether the grid is that of a square, whatever the image's shape: of `warped_px`, or of seeds."""
        return self.warped_px > 0 or "setting.cells" in self.attributes

    def __getitem__(self, image_id: str) -> dict[str, np.ndarray]:
        """The arrays of an image.

        Raises:
            WsssError: there is no such image, or its content is not what was written.
        """
        return self._read(image_id)[1]

    def fitting(self, image_id: str, size: tuple[int, int]) -> dict[str, np.ndarray]:
        """The arrays of an image whose photograph, or other maps, have the size (height, width).

        Raises:
            WsssError: as of the arrays alone; or the store's image has another size: it was made of other photographs.
        """
        found, arrays = self._read(image_id)
        if found == size:
            return arrays
        sizes = "{} x {} px (height x width), but here it has {} x {}".format(*found, *size)
        raise WsssError(
            f"{self.path} was made of other images: its {image_id!r} has {sizes}: remove it and rerun its stage, or"
            " give that of the same run"
        )

    def _read(self, image_id: str) -> tuple[tuple[int, int], dict[str, np.ndarray]]:
        with self._opened(image_id) as file:
            size, content, datasets = form.image(file, key_of(image_id), self.attributes)
            arrays = {name: form.read(dataset) for name, dataset in datasets.items()}
            for name, values in arrays.items():
                form.check_values(name, values, len(self.classes.names))
            if content != _digest_of(image_id, size, arrays):
                raise ValueError(f"the content of {image_id!r} is not what was written")
        return size, arrays

    def size(self, image_id: str) -> tuple[int, int]:
        with self._opened(image_id) as file:
            return form.size(attributes.read(form.member(file, key_of(image_id), h5py.Group)))

    @contextmanager
    def _opened(self, image_id: str) -> Iterator[h5py.File]:
        """The file in which an image lies; damage that is met there is told of it.

        A shard is opened here and not by HDF5, which would follow what stands there to any file.
        """
        place = self._place(image_id)
        if not place.exists():
            if place == self.path:
                raise WsssError(f"{place} was removed while it was read: rerun its stage, and one run at a time")
            raise WsssError(f"{place} was joined to {self.path} and is not there: remove both and rerun their stages")
        with damage.told(place, joined=self.path):
            if place == self.path:
                yield self._file
                return
            check_regular(place)
            with h5py.File(place, "r") as shard:
                yield shard

    def _place(self, image_id: str) -> Path:
        """The file in which an image lies: the store itself, or a shard that was joined to it."""
        key = key_of(image_id)
        with damage.told(self.path):
            if not self._file.id.links.exists(key.encode()):
                raise WsssError(
                    f"{self.path} holds no image {image_id!r}: was it made from another manifest? remove it and rerun"
                    " its stage"
                )
            return _target(self._file, key, self.path, shards=self.attributes.get("files", ()))


@contextmanager
def read(path: Path, kind: str) -> Iterator[Reader]:
    """Open a store of the given kind; refuse other kinds, unfinished stores and other files.

    The mode is "r": any other mode changes the file's time stamp, and Snakemake would rerun the later stages.
    """
    with _open(path) as file:
        found = attributes.read(file).get("kind")
        if found != kind:
            raise WsssError(f"{path} holds {found!r}, expected {kind!r}: is the rule's input right?")
        yield Reader(path, file)


def _target(file: h5py.File, key: str, path: Path, *, shards: Iterable[str]) -> Path:
    """The file to which the link of an image leads. Links that no store of ours has are refused: they could show what
    stands in any file.

    A joined store links to groups of the same name in the shards that it lists, which lie in folders beside it.
    """
    kind = file.id.links.get_info(key.encode()).type
    if kind == h5py.h5l.TYPE_HARD:
        return path
    if kind == h5py.h5l.TYPE_EXTERNAL:
        name, place = (part.decode() for part in file.id.links.get_val(key.encode()))
        if name in shards and place == key:
            return path.parent / name
    raise WsssError(f"{path} holds a link that wsss did not make: remove it and rerun its stage")


def gather(shards: list[Path], path: Path) -> None:
    """Join shards into one store of links, with the digest that a single store of all images would have."""
    require_no_inputs([path], shards)
    content, digests = 0, []
    files = [os.path.relpath(shard, path.parent) for shard in shards]
    with whole_or_absent(path) as partial, _new_file(partial) as joined:
        for shard, name_of_file in zip(shards, files, strict=True):
            with _open(shard) as file:
                everything = attributes.read(file)
                if "files" in everything:
                    raise WsssError(f"{shard} was itself joined of shards: give those")
                about = {name: value for name, value in everything.items() if name not in OF_ITS_OWN}
                digests.append(everything["digest"])
                before = attributes.read(joined)
                names = before.keys() | about.keys()
                if before and any(not np.array_equal(before.get(name), about.get(name)) for name in names):
                    raise WsssError(f"{shard} was made with other settings than {shards[0]}: remove both and rerun")
                attributes.write(joined, about)
                for key in _checked_images(shard, file, everything):
                    if key in joined:
                        raise WsssError(
                            f"{shard} holds the image {id_of(key)!r}, as an earlier shard does: give each shard once"
                        )
                    joined[key] = h5py.ExternalLink(name_of_file, key)
                content = _joined(content, everything["digest"])
        about = {"shards": len(shards), "digest": f"{content:064x}", "images": len(joined)}
        attributes.write(joined, about | {"files": files, "digests": digests})
        attributes.write(joined, {"seal": _seal(attributes.read(joined))})


def _checked_images(path: Path, file: h5py.File, about: Mapping[str, object]) -> list[str]:
    """The names of the groups of a shard, whose images are those that it says it holds; their arrays are not read."""
    with damage.told(path):
        keys, content = keys_of(file), 0
        for key in keys:
            content = _joined(content, form.image(file, key, about).digest)
        if f"{content:064x}" != about["digest"]:
            raise ValueError("its images are not those that were written")
    return keys


def _joined(digest: int, image_digest: str) -> int:
    """A digest of images with that of one more image: a sum, which depends on neither their order nor the shards."""
    return (digest + int(image_digest, 16)) % 2**256


def digest(path: Path) -> str:
    """A digest of a file's content; for a store, the one in its attributes."""
    check_regular(path)
    if path.suffix == ".h5":
        with _open(path) as file:
            return str(attributes.read(file)["digest"])
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    check_regular(path)
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: run the stage that writes it first") from error
    except OSError as error:
        pass_on(error)
        raise WsssError(f"{path} cannot be read as an HDF5 file ({error}): remove it and rerun its stage") from error
    with file:
        with damage.told(path):
            if "complete" not in file.attrs:
                raise WsssError(f"{path} is not a finished store of wsss: remove it and rerun its stage")
            about = attributes.read(file)
            _check_attributes(path, about)
            form.check(about, len(file))
            _check_shards(path, about)
        yield _with_small_cache(file)


def _check_attributes(path: Path, about: Mapping[str, object]) -> None:
    """Refuse a store of another schema, or whose attributes are not what was written."""
    if about.get("schema") != SCHEMA:
        raise WsssError(f"{path} has schema {about.get('schema')}, expected {SCHEMA}: remove it and rerun its stage")
    if about.get("seal") != _seal(about):
        raise WsssError(f"{path} is damaged, its attributes are not what was written: remove it and rerun its stage")


def _check_shards(path: Path, about: Mapping[str, object]) -> None:
    """Of a joined store, whether its shards are those that were joined."""
    for name, content in zip(about.get("files", ()), about.get("digests", ()), strict=True):
        shard = path.parent / name
        if not shard.exists():
            continue  # what it lacks is told where an image of it is asked for
        try:
            check_regular(shard)
            with h5py.File(shard, "r") as file:
                same = attributes.read(file).get("digest") == content
        except (WsssError, *damage.OF_HDF5):
            same = False
        if not same:
            raise WsssError(f"{shard} is not the file that was joined to {path}: remove both and rerun their stages")


def kind_of(path: Path) -> str:
    """The kind of a finished store."""
    with _open(path) as file:
        return str(attributes.read(file)["kind"])


def final_labels(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The final label map of an image: the one after the CRF, or the plain one without a CRF."""
    return arrays.get("refined", arrays["plain"])
