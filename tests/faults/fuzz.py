"""Damages a file of each format at random, and reads it: `python fuzz.py FORMAT TRIES SEED FOLDER` writes a line a try.

A try that takes more than 5 seconds ends the process by SIGALRM; one that takes more than 6 GB raises MemoryError. Both
leave the damaged file.
"""

import json
import pickle
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from settings import CLASSES, FEATURES

from wsss.datasets import instances, manifest, masks, pictures, voc
from wsss.networks import file
from wsss.networks.backbones import resnet38
from wsss.networks.classifier import Classifier
from wsss.options import strict_yaml
from wsss.runtime.errors import WsssError
from wsss.stores import localization_cues, safe_pickle, store

SECONDS = 5
MEMORY = 6 * 2**30
MASK = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3


def main(name: str, tries: int, seed: int, folder: Path) -> None:
    write, read, sealed = FORMATS[name]
    path = folder / "Annotations" / name
    path.parent.mkdir(exist_ok=True)
    write(path)
    whole, expected = path.read_bytes(), repr(read(path))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    generator = np.random.default_rng(seed)
    for number in range(tries):
        path.write_bytes(damaged(whole, generator))
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            found = read(path)
            outcome = "silent" if sealed and repr(found) != expected else "right"
        except WsssError as error:
            outcome = "told" if path.name in str(error) else f"unnamed: {error}"
        except Exception as error:
            outcome = f"traceback: {error!r}"
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(f"{number} {outcome}\n".replace("\r", " "))
        sys.stdout.flush()


def damaged(whole: bytes, generator: np.random.Generator) -> bytes:
    """The content with one to three bytes flipped, runs zeroed, cut out or doubled, or numbers made large."""
    content = bytearray(whole)
    for _ in range(generator.integers(1, 4)):
        start = int(generator.integers(len(content) + 1))
        end = start + int(generator.integers(1, 17))
        kind = generator.integers(6)
        if kind == 0:
            content[start:end] = generator.bytes(len(content[start:end]))
        elif kind == 1:
            content[start : start + 512] = bytes(len(content[start : start + 512]))
        elif kind == 2:
            del content[start:end]
        elif kind == 3:
            content[start:start] = content[start:end]
        elif kind == 4:
            content[start : start + 4] = b"\xff\xff\xff\x7f"[: len(content[start : start + 4])]
        else:
            del content[start:]
    return bytes(content)


def write_store(path: Path) -> None:
    with store.create(path, "masks", classes=CLASSES, settings={"scales": "1.0"}, inputs={}) as target:
        target.add("a", MASK.shape, plain=MASK)


def read_store(path: Path) -> object:
    with store.read(path, "masks") as source:
        return [(name, source[name]["plain"].tolist(), source.size(name)) for name in source]


def write_network(path: Path) -> None:
    file.save(path, Classifier.build(FEATURES, classes=len(CLASSES.names)), file.About(CLASSES, "tags"))


def read_network(path: Path) -> object:
    network, about = file.load(path, Classifier)
    return about, [float(value.double().sum()) for value in network.state_dict().values()]


def write_manifest(path: Path) -> None:
    rows = [manifest.Row(name, "train", path.with_name("a.png"), None, ("dog",), "test") for name in "abc"]
    manifest.write(path, rows)


def write_pickle(path: Path) -> None:
    content = {"2007": MASK, "names": ["a", {1, 2}], "tensor": torch.arange(6.0)}
    path.write_bytes(pickle.dumps(content, 2))


def write_npy(path: Path) -> None:
    with path.open("wb") as target:
        np.save(target, {"a": np.array([0.0, 1.0])}, allow_pickle=True)


def write_params(path: Path) -> None:
    """One float32 array of shape (2, 3), as MXNet 1 writes it."""
    array = np.array([0xF993FAC9], "<u4").tobytes() + np.array([0], "<i4").tobytes()
    array += np.array([2], "<u4").tobytes() + np.array([2, 3], "<i8").tobytes() + np.array([1, 0, 0], "<i4").tobytes()
    array += np.arange(6, dtype="<f4").tobytes()
    name = b"arg:a"
    head, count = np.array([0x112, 0], "<u8").tobytes(), np.array([1], "<u8").tobytes()
    path.write_bytes(head + count + array + count + np.array([len(name)], "<u8").tobytes() + name)


def write_instances(path: Path) -> None:
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0}
    box["segmentation"] = [[0, 0, 2, 0, 2, 2]]
    images = [{"id": 1, "file_name": "a.jpg", "height": 6, "width": 8}]
    content = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "dog"}]}
    path.write_text(json.dumps(content))


def read_xml(path: Path) -> object:
    return voc._annotation_tags(path.parent.parent, CLASSES)(path.stem)


def picture(kind: str) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(MASK).convert("L" if kind == "png" else "RGB").save(path, kind)


XML = "<annotation><object><name>dog</name><difficult>0</difficult></object></annotation>"
FORMATS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object], bool]] = {
    "a.h5": (write_store, read_store, True),
    "a.safetensors": (write_network, read_network, True),
    "images.csv": (write_manifest, manifest.read, False),
    "classes.csv": (lambda path: manifest.write_classes(path, CLASSES), manifest.read_classes, False),
    "a.pickle": (write_pickle, safe_pickle.load_pickle, False),
    "a.npy": (write_npy, safe_pickle.load_npy, False),
    "a.params": (write_params, resnet38.read_mxnet_params, False),
    "instances.json": (write_instances, instances.read, False),
    "list.txt": (
        lambda path: path.write_text("2007_000032.jpg 1\n2007_000039.jpg 2\n"),
        localization_cues.read_list,
        False,
    ),
    "config.yaml": (lambda path: path.write_text("a:\n  b: [1, 2.5]\n  c: x\n"), strict_yaml.read, False),
    "a.xml": (lambda path: path.write_text(XML), read_xml, False),
    "mask.png": (picture("png"), lambda path: masks.read(path, CLASSES), False),
    "photograph.jpg": (picture("jpeg"), pictures.read_photograph, False),
}
"""How a file of each format is written and read, and whether it is sealed: any change to what is read must be told."""

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
