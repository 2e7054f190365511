import hashlib
from pathlib import Path

import numpy as np
import pytest

from wsss.datasets import checks, masks, pictures, shapes, voc
from wsss.labels import Classes
from wsss.runtime.errors import WsssError

SIZE = 64
CLASSES = Classes.of({name: value for value, name in enumerate(shapes.CLASSES, 1)})


def draw(seed: int, *, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    return shapes.picture(np.random.default_rng(seed), size=size)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[np.ndarray, np.ndarray]]:
    return [draw(seed) for seed in range(200)]


def digests(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write(root: Path, **changes) -> dict[str, str]:
    shapes.write(root, **(dict(train=4, val=2, size=SIZE, seed=7) | changes))
    return digests(root)


def test_the_seed_determines_the_images(tmp_path):
    first = write(tmp_path / "a")
    assert write(tmp_path / "b") == first
    other = write(tmp_path / "c", seed=8)
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first if name.endswith((".jpg", ".png")))


def test_an_image_does_not_depend_on_the_others(tmp_path):
    few, many = write(tmp_path / "few"), write(tmp_path / "many", train=6, val=3)
    pictures_of_few = {name: value for name, value in few.items() if name.endswith((".jpg", ".png"))}
    assert len(pictures_of_few) == 2 * (4 + 2)
    assert pictures_of_few.items() <= many.items()


def test_images_are_unique(tmp_path):
    found = [value for name, value in write(tmp_path).items() if name.endswith(".jpg")]
    assert len(set(found)) == len(found) == 6


def test_layout(tmp_path):
    names = set(write(tmp_path))
    ids = [f"train_{i:05d}" for i in range(4)] + [f"val_{i:05d}" for i in range(2)]
    assert names == {
        *(f"JPEGImages/{image_id}.jpg" for image_id in ids),
        *(f"SegmentationClass/{image_id}.png" for image_id in ids),
        "ImageSets/Segmentation/train.txt",
        "ImageSets/Segmentation/val.txt",
        "image_labels.txt",
        shapes.MARKER,
    }
    assert (tmp_path / "ImageSets/Segmentation/val.txt").read_text().split() == ids[4:]


def test_it_is_read_as_voc_and_its_tags_are_those_of_the_masks(tmp_path):
    write(tmp_path, train=12)
    splits, problems = voc.splits(tmp_path, train="train", extra="", val="val", test="")
    assert problems == []
    options = dict(classes=CLASSES, masks="SegmentationClass")
    found = list(checks.checked(voc.rows(tmp_path, splits, tags="file", **options), CLASSES))
    assert all(checked.problems == [] for checked in found)
    rows = [checked.row for checked in found]
    assert [row.split for row in rows] == ["train"] * 12 + ["val"] * 2
    by_masks = voc.rows(tmp_path, splits, tags="masks", **options)
    assert [row.tags for row in rows] == [row.tags for row, _ in by_masks]
    for row in rows:
        assert pictures.read_photograph(row.image).shape == (SIZE, SIZE, 3)
        mask = masks.read(row.mask, CLASSES)
        assert row.tags == tuple(CLASSES.names[value] for value in np.unique(mask) if value)


def test_masks_hold_the_background_and_one_to_three_classes(drawn):
    counts = set()
    for photograph, mask in drawn:
        assert photograph.dtype == mask.dtype == np.uint8
        assert photograph.shape == (SIZE, SIZE, 3)
        assert mask.shape == (SIZE, SIZE)
        values = set(np.unique(mask).tolist())
        assert 0 in values
        assert values <= {0, 1, 2, 3, 4}
        counts.add(len(values - {0}))
    assert counts == {1, 2, 3}


def test_one_to_three_objects(monkeypatch):
    draw_object = shapes._draw_object
    numbers = []

    def recorded(generator, canvas, mask, marks, number):
        numbers.append(number)
        return draw_object(generator, canvas, mask, marks, number)

    monkeypatch.setattr(shapes, "_draw_object", recorded)
    objects = []
    for seed in range(60):
        numbers.clear()
        draw(seed)
        last = len(numbers) - 1 - numbers[::-1].index(1)  # where the accepted attempt begins
        objects.append(len(numbers) - last)
    assert set(objects) == {1, 2, 3}


def test_a_tagged_class_is_visible(drawn):
    # its mark has a radius of 0.3 * 0.18 * 64 px at least, and at most a fifth of it is hidden
    smallest = 0.75 * np.pi * (0.3 * 0.18 * SIZE) ** 2
    for _, mask in drawn:
        for value in np.unique(mask[mask > 0]):
            assert (mask == value).sum() > smallest


def test_classes_are_equally_frequent(drawn):
    counts = np.array([sum(bool((mask == value).any()) for _, mask in drawn) for value in range(1, 5)])
    assert (abs(counts - counts.mean()) < 4 * np.sqrt(counts.mean())).all()


def body_colours(drawn: list) -> tuple[np.ndarray, np.ndarray]:
    """The median colour of each class in each picture, which its small mark hardly changes, and the class."""
    colours, classes = [], []
    for photograph, mask in drawn:
        for value in np.unique(mask[mask > 0]):
            colours.append(np.median(photograph[mask == value], axis=0))
            classes.append(value)
    return np.array(colours), np.array(classes)


def spread_of_means(colours: np.ndarray, classes: np.ndarray) -> float:
    """How far the classes' mean colours lie from the mean of all, weighted by their numbers."""
    mean = colours.mean(0)
    return sum((classes == c).sum() * ((colours[classes == c].mean(0) - mean) ** 2).sum() for c in np.unique(classes))


def chance(colours: np.ndarray, classes: np.ndarray) -> float:
    """Permutation test: the share of shuffled classes whose mean colours lie as far apart as those found."""
    generator = np.random.default_rng(0)
    found = spread_of_means(colours, classes)
    return float(np.mean([spread_of_means(colours, generator.permutation(classes)) >= found for _ in range(300)]))


def test_the_colour_of_the_body_is_independent_of_the_class(drawn):
    colours, classes = body_colours(drawn)
    assert len(classes) > 250
    assert chance(colours, classes) > 0.02
    # the test would detect body colours that depend on the class
    tinted = colours + 25 * (classes == 2)[:, None]
    assert chance(tinted, classes) < 0.02


def test_the_size_of_the_body_is_independent_of_the_class(drawn):
    areas, classes = [], []
    for _, mask in drawn:
        for value in np.unique(mask[mask > 0]):
            areas.append([np.sqrt((mask == value).sum())])
            classes.append(value)
    assert chance(np.array(areas), np.array(classes)) > 0.02


def test_the_mark_shows_the_class(drawn):
    # pixels of the colour of a mark's figure are where its class is
    for name, value in zip(shapes.CLASSES, range(1, 5), strict=True):
        colour = 255 * np.array(shapes.MARK_COLOURS[name][0])
        inside = [
            (abs(photograph[mask == value] - colour).max(-1) < 20).any()
            for photograph, mask in drawn
            if (mask == value).any()
        ]
        assert len(inside) > 30
        assert all(inside)


def test_a_folder_of_other_files_is_not_overwritten(tmp_path):
    (tmp_path / "image_labels.txt").write_text("mine cat")
    with pytest.raises(WsssError, match="holds files that shapes did not write"):
        write(tmp_path)
    assert (tmp_path / "image_labels.txt").read_text() == "mine cat"
    assert len(list(tmp_path.iterdir())) == 1
