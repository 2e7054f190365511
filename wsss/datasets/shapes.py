"""The built-in synthetic data set: objects whose class shows only in a small mark, with exact masks.

Every object is a body of random outline and random colour that carries the mark of its class: a target, stripes, a
checkerboard or a cross. The body's outline and colour are independent of the class, so a classifier learns the marks,
its activation maps cover the marks and miss the bodies, and a method has to spread them over the bodies. Each image
shows one to three objects, which may touch or occlude one another, on a textured background, all from a seed.
"""

import colorsys
from pathlib import Path

import numpy as np
from PIL import Image

from wsss.datasets.pictures import write_mask, write_photograph
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent

CLASSES = ("target", "stripes", "checker", "cross")
"""Class i has the value i + 1 in the masks."""

MARKER = ".shapes"
"""File that marks a folder as written by this module, so that it may be overwritten."""

MARK_COLOURS = {
    "target": ((0.85, 0.10, 0.10), (0.95, 0.95, 0.95)),
    "stripes": ((0.10, 0.20, 0.80), (0.95, 0.95, 0.95)),
    "checker": ((0.08, 0.08, 0.08), (0.98, 0.85, 0.10)),
    "cross": ((0.05, 0.55, 0.20), (0.95, 0.95, 0.95)),
}
"""Colours of the figure and the ground of each mark."""

MARK_RADIUS = 0.3
"""Radius of a mark, as a fraction of the radius of its body."""


def write(root: Path, *, train: int, val: int, size: int, seed: int) -> None:
    """Write the data set in the layout of VOC's devkit, with tags in image_labels.txt.

    Args:
        root: folder to write to.
        train: number of training images.
        val: number of val images.
        size: side of the square images, in px.
        seed: random seed; image i of a split depends only on the seed, the split and i.

    Raises:
        WsssError: the folder holds files, and this module did not write it.
    """
    if root.exists() and any(root.iterdir()) and not (root / MARKER).exists():
        raise WsssError(
            f"{root} holds files that shapes did not write: set dataset: voc to read them, or give another root"
        )
    root.mkdir(parents=True, exist_ok=True)
    (root / MARKER).touch()
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    tags = []
    for number, (split, count) in enumerate({"train": train, "val": val}.items()):
        ids = [f"{split}_{i:05d}" for i in range(count)]
        for i, image_id in enumerate(ids):
            photograph, mask = picture(np.random.default_rng([seed, number, i]), size=size)
            write_photograph(root / f"JPEGImages/{image_id}.jpg", photograph, subsampling="4:2:0")
            write_mask(root / f"SegmentationClass/{image_id}.png", mask)
            tags.append(" ".join([image_id, *(CLASSES[value - 1] for value in np.unique(mask[mask > 0]))]))
        _write_lines(root / f"ImageSets/Segmentation/{split}.txt", ids)
    _write_lines(root / "image_labels.txt", tags)


def _write_lines(path: Path, lines: list[str]) -> None:
    with whole_or_absent(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines))


def picture(generator: np.random.Generator, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, uint8 (size, size, 3), and its mask, uint8 (size, size)."""
    while True:
        canvas = _texture(generator, size, _palette(generator), contrast=1.0)
        mask = np.zeros((size, size), np.uint8)
        marks = np.zeros((size, size), np.uint8)
        sizes = []
        objects = generator.choice([1, 2, 3], p=[0.4, 0.4, 0.2])
        for number in range(1, objects + 1):
            sizes.append(_draw_object(generator, canvas, mask, marks, number))
        # the class of an object with a hidden mark could not be recognised, and two marks must not look like one
        if all((marks == number).sum() >= 0.8 * drawn for number, drawn in enumerate(sizes, 1)):
            break
    canvas += generator.normal(0, 0.02, canvas.shape)
    return (canvas.clip(0, 1) * 255).round().astype(np.uint8), mask


def _draw_object(
    generator: np.random.Generator, canvas: np.ndarray, mask: np.ndarray, marks: np.ndarray, number: int
) -> int:
    """Draw an object on top of the others; returns the area of its whole mark."""
    size = mask.shape[0]
    radius = size * generator.uniform(0.18, 0.3)
    centre = generator.uniform(0.8 * radius, size - 0.8 * radius, 2)
    body = _outline(generator, size, centre, radius)
    red, green, blue = colorsys.hsv_to_rgb(
        generator.uniform(), generator.uniform(0.3, 0.9), generator.uniform(0.4, 0.95)
    )
    tone = np.array([red, green, blue])
    canvas[body] = _texture(generator, size, (tone * 0.92, np.minimum(tone * 1.08, 1)), contrast=1.0)[body]

    value = int(generator.integers(1, len(CLASSES) + 1))
    angle = generator.uniform(0, 2 * np.pi)
    place = centre + radius * generator.uniform(0, 0.5) * np.array([np.sin(angle), np.cos(angle)])
    mark, figure = _mark(generator, CLASSES[value - 1], size, place, MARK_RADIUS * radius)
    mark &= body
    colour, ground = MARK_COLOURS[CLASSES[value - 1]]
    canvas[mark] = ground
    canvas[mark & figure] = colour
    mask[body] = value
    marks[body] = 0
    marks[mark] = number
    return int((_disc(size, place, MARK_RADIUS * radius)).sum())


def _outline(generator: np.random.Generator, size: int, centre: np.ndarray, radius: float) -> np.ndarray:
    """A star-shaped region, bool (size, size), whose radius varies with the angle."""
    rows, columns = np.mgrid[:size, :size]
    dy, dx = rows - centre[0], columns - centre[1]
    angle = np.arctan2(dy, dx)
    wave = sum(
        generator.uniform(0, 0.32 / k) * np.cos(k * angle + generator.uniform(0, 2 * np.pi)) for k in (2, 3, 4, 5)
    )
    return np.hypot(dy, dx) < radius * (1 + wave)


def _mark(
    generator: np.random.Generator, name: str, size: int, centre: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """The mark's disc and its figure, both bool (size, size), rotated by a random angle."""
    rows, columns = np.mgrid[:size, :size]
    turn = generator.uniform(0, np.pi)
    dy, dx = (rows - centre[0]) / radius, (columns - centre[1]) / radius
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    figures = {
        "target": (np.hypot(dy, dx) > 0.72) | (np.hypot(dy, dx) < 0.36),
        "stripes": np.floor(along * 1.8) % 2 == 0,
        "checker": (np.floor(along * 1.5) + np.floor(across * 1.5)) % 2 == 0,
        "cross": (abs(along) < 0.3) | (abs(across) < 0.3),
    }
    return _disc(size, centre, radius), figures[name]


def _disc(size: int, centre: np.ndarray, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return np.hypot(rows - centre[0], columns - centre[1]) < radius


def _palette(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first = generator.uniform(0.15, 0.85, 3)
    return first, (first + generator.uniform(-0.25, 0.25, 3)).clip(0, 1)


def _texture(
    generator: np.random.Generator, size: int, colours: tuple[np.ndarray, np.ndarray], *, contrast: float
) -> np.ndarray:
    """A blend of two colours by smooth noise of several wavelengths, float (size, size, 3) in [0, 1]."""
    noise = np.zeros((size, size))
    for cells in (4, 9, 20, 45):
        coarse = Image.fromarray(generator.uniform(-1, 1, (cells, cells)).astype(np.float32))
        noise += np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)) * generator.uniform(0.2, 1)
    share = 0.5 + 0.5 * np.tanh(contrast * noise)
    return colours[0] + (colours[1] - colours[0]) * share[..., None]
