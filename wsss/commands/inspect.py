"""A look into a result file: a store, a network, a fitted CRF or a table."""

import difflib
import heapq
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from wsss.commands.positional import File, ImageId
from wsss.commands.terminal import say
from wsss.labels import Classes
from wsss.runtime.errors import WsssError
from wsss.runtime.files import check_regular, read_json, require_no_inputs

if TYPE_CHECKING:
    from wsss.stores.store import Reader

HDF5 = b"\x89HDF\r\n\x1a\n"
IMAGES_CSV, CLASSES_CSV = b"id,split,image,mask,tags,tag_source", b"class,name,mask_value,colour"
"""How the files begin that are not known by their names."""

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Tensors of BatchNorm layers that are no parameters."""


def inspect(
    file: File,
    image_id: ImageId = "",
    /,
    *,
    images: Path = Path("results/images.csv"),
    picture: Path = Path("inspect.png"),
) -> None:
    """Show what a result file holds: a store or one image of it as a picture, a network, a fitted CRF, or a table.

    Args:
        file: a store (.h5), a network (.safetensors), a fitted CRF (.json), or the list of images or of classes (.csv).
        image_id: id of an image of a store, to be drawn; without one, the attributes and the first ids are listed.
        images: manifest, where the photograph is found.
        picture: picture to write, in any format of matplotlib's (png, pdf, svg, jpg, …).
    """
    if not file.exists():
        raise WsssError(f"{file} does not exist: run the stage that writes it first")
    if file.is_dir():
        raise WsssError(f"{file} is a folder: name a file in it, such as {file / 'cams.h5'}")
    check_regular(file)
    with file.open("rb") as opened:
        start = opened.read(64)
    if start.startswith(HDF5):
        _store(file, image_id, images, picture)
    elif image_id:
        raise WsssError(f"{file} is not a store: only the images of a store can be drawn")
    elif file.suffix == ".safetensors":
        say("\n".join(_network(file)))
    elif file.suffix == ".json":
        say("\n".join(_fitted_crf(file)))
    elif start.startswith(IMAGES_CSV):
        say("\n".join(_images(file)))
    elif start.startswith(CLASSES_CSV):
        say("\n".join(_classes(file)))
    else:
        raise _unknown(file)


def _unknown(path: Path) -> WsssError:
    expected = "a store (.h5), a network (.safetensors), a fitted CRF (.json), images.csv or classes.csv"
    return WsssError(f"{path} cannot be described: give {expected}")


def _store(path: Path, image_id: str, images: Path, picture: Path) -> None:
    """List the attributes of a store, or draw one image of it."""
    from wsss.stores.store import kind_of, read

    kind = kind_of(path)
    with read(path, kind) as source:
        ids = list(source)
        if not image_id:
            lines = [f"{name}: {value}" for name, value in sorted(source.attributes.items())]
            first = "ids: " + " ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
            say("\n".join([f"{path}: {len(ids)} images of kind {kind}", *lines, first]))
        elif image_id in ids:
            say(_drawn(source, image_id, images, picture))
        else:
            near = _nearest(image_id, ids)
            hint = f"did you mean {' or '.join(near)}?" if near else f"`wsss inspect {path}` lists the first ids"
            raise WsssError(f"{path} holds no image {image_id!r}: {hint}")


def _drawn(source: "Reader", image_id: str, images: Path, picture: Path) -> str:
    """Draw the arrays of an image beside its photograph; returns what was drawn, in words."""
    from wsss.datasets import manifest
    from wsss.results import figures, panels

    arrays, size, classes = source[image_id], source.size(image_id), source.classes
    listed = manifest.read(images)
    require_no_inputs([picture], manifest.files(listed))
    row = next((row for row in listed if row.id == image_id), None)
    if row is None:
        raise WsssError(f"{images} lists no image {image_id!r}: give the manifest of this run by --images")
    figures.write(picture, {str(source.path): [panels.everything(row, source)]}, classes)
    arrays.pop("classes", None)
    shapes = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in arrays.items())
    return f"{image_id}: size {size}, {shapes}; drawn in {picture}"


def _nearest(word: str, known: list[str]) -> list[str]:
    """The ids that are most like a word; only those whose beginning and end agree best are compared in detail."""

    def shared(name: str) -> int:
        return sum(len(os.path.commonprefix(pair)) for pair in ((word, name), (word[::-1], name[::-1])))

    def likeness(name: str) -> tuple[float, int]:
        return difflib.SequenceMatcher(None, name, word).ratio(), shared(name)

    near = heapq.nlargest(3, heapq.nlargest(200, known, key=shared), key=likeness)  # all of 20,000 would take seconds
    return [name for name in near if likeness(name)[0] > 0.6]


def _network(path: Path) -> list[str]:
    """A network, as its file describes it."""
    from wsss.networks import file

    try:
        state, header = file.read(path)
    except WsssError as error:
        if error.__cause__:  # the file of another program, perhaps, which nobody should remove
            raise WsssError(f"{path} is damaged, or no network: copy it again, or run its stage again") from error
        raise
    about, features = file.about(header), header["features"]
    parameters = sum(tensor.numel() for name, tensor in state.items() if not name.endswith(STATISTICS))
    sizes = f"warped to {about.warped_px} x {about.warped_px} px" if about.warped_px else "as they are"
    return [
        f"{path}: a network of kind {header['kind']}, {path.stat().st_size / 1e6:.1f} MB",
        f"backbone: {features['backbone']}, stride {features['stride']} px",
        f"parameters: {parameters:,}",
        f"trained on: {about.supervision}",
        f"images: {sizes}; normalised by mean {_short(header['mean'])}, standard deviation {_short(header['std'])}",
        "classes: " + ", ".join(_each(about.classes)),
        f"code: {about.code}",
        *(f"setting.{name}: {value}" for name, value in sorted(about.settings.items())),
        *(f"input.{name}: {value}" for name, value in sorted(about.inputs.items())),
    ]


def _fitted_crf(path: Path) -> list[str]:
    """A fitted CRF: what it was fitted to, and each number before and after."""
    from dataclasses import asdict

    from wsss.results import fitted_crf

    try:
        kind = read_json(path).get("kind")
    except WsssError as error:
        if error.__cause__:  # the file of another program, perhaps, which nobody should remove
            raise _unknown(path) from error
        raise
    if kind != fitted_crf.KIND:
        raise WsssError(f"{path} is not a fitted CRF; `wsss summary` shows the scores of a run")
    found = fitted_crf.load(path)
    before = asdict(found.start)
    after = {name: value for name, value in vars(found.potentials).items() if value is not None}
    return [
        f"{path}: a fitted CRF for {len(found.classes)} classes",
        f"classes: {' '.join(found.classes)}",
        "fitted to: " + ", ".join(f"{name} {value}" for name, value in found.about.items()),
        *(f"{name}: {float(after[name]):.4g}, before fitting {before[name]:g}" for name in before if name in after),
        *(f"{name}: learned, {tuple(value.shape)}" for name, value in after.items() if name not in before),
        *(f"setting.{name}: {value}" for name, value in before.items() if name not in after),
    ]


def _images(path: Path) -> list[str]:
    """The list of images: how many of each split and of each tag."""
    from wsss.datasets import manifest

    rows = manifest.read(path)
    splits, tags = Counter(row.split for row in rows), Counter(tag for row in rows for tag in row.tags)
    masks = Counter(row.split for row in rows if row.mask)
    return [
        f"{path}: {len(rows)} images",
        *(f"{split}: {count} images, {masks[split]} with a mask" for split, count in splits.items()),
        "tags: " + ", ".join(f"{tag} {count}" for tag, count in tags.most_common()),
    ]


def _classes(path: Path) -> list[str]:
    """The table of classes."""
    from wsss.datasets import manifest

    classes = manifest.read_classes(path)
    return [f"{path}: {len(classes.names)} classes", *_each(classes)]


def _each(classes: Classes) -> list[str]:
    """Each class with its value in the masks and its colour."""
    named = zip(classes.names, classes.mask_values, classes.colours, strict=True)
    return [f"{name} = {value} #{bytes(colour).hex()}" for name, value, colour in named]


def _short(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)
