"""Label maps in the formats of other programs, read back by their own libraries or by readers written here."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labelled_photographs import IDS, SIZE, masks
from PIL import Image, ImageDraw
from settings import CLASSES

from wsss.commands.export import export
from wsss.datasets import manifest
from wsss.datasets import masks as true_masks
from wsss.exchange import coco, outlines
from wsss.exchange.pictures import LabelMap
from wsss.labels import VOID, Classes
from wsss.runtime.errors import WsssError
from wsss.stores import store

OF_ONE_FILE = {"coco": "out.json", "cvat": "out.zip"}
VALUES = CLASSES.values_of(np.arange(256).astype(np.uint8))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_grey_levels_are_the_values(run, tmp_path):
    source, content = run
    export(source, tmp_path / "out", as_="grey")
    assert files(tmp_path / "out") == {f"{image_id}.png" for image_id in IDS}
    for image_id, labels in content.items():
        with Image.open(tmp_path / f"out/{image_id}.png") as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), VALUES[labels])


def test_overlays_colour_the_classes_alone(run, tmp_path):
    source, content = run
    export(source, tmp_path / "out", as_="overlay")
    for image_id, labels in content.items():
        with Image.open(tmp_path / f"out/{image_id}.jpg") as picture:
            shown = np.asarray(picture).astype(int)
        expected = np.where(np.isin(labels, [0, VOID])[..., None], (200, 100, 50), 0)
        expected = np.where((labels == 1)[..., None], (100 + 64 // 2, 50, 25), expected)  # (64, 0, 0)
        expected = np.where((labels == 2)[..., None], (100 + 64 // 2, 50, 25 + 128 // 2), expected)  # (64, 0, 128)
        assert abs(shown - expected).mean() < 3  # JPEG


def test_overlays_of_other_photographs_are_refused(run, tmp_path):
    source, _ = run
    Image.new("RGB", (5, 6)).save(tmp_path / "photographs/a.JPG")
    with pytest.raises(WsssError, match=r"a\.JPG has the size \(6, 5\), its label map \(24, 31\)"):
        export(source, tmp_path / "out", as_="overlay")


@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("as_", ["png", "grey", "overlay", "labelme", "coco", "cvat"])
def test_a_photograph_that_was_replaced_is_told(run, tmp_path, as_, original):
    if as_ == "coco":
        pytest.importorskip("pycocotools")
    source, _ = run
    table, photograph = tmp_path / "results/images.csv", tmp_path / "photographs/a.JPG"
    first, *others = map(manifest.with_digest, manifest.read(table))
    if original:  # the run worked on a smaller copy of it
        copy = tmp_path / "copy.jpg"
        copy.write_bytes(photograph.read_bytes())
        first = replace(first, image=copy, original=photograph)
    manifest.write(table, [first, *others])
    export(source, tmp_path / "before" / OF_ONE_FILE.get(as_, ""), as_=as_)
    Image.new("RGB", SIZE[::-1], (1, 2, 3)).save(photograph)
    with pytest.raises(WsssError, match=r"a\.JPG was replaced since the run.*: rerun the stages images"):
        export(source, tmp_path / "out" / OF_ONE_FILE.get(as_, ""), as_=as_)
    assert not list((tmp_path / "out").rglob("*.*"))


def test_photographs_that_are_gone_are_not_needed_for_masks(run, tmp_path):
    source, content = run
    table = tmp_path / "results/images.csv"
    manifest.write(table, list(map(manifest.with_digest, manifest.read(table))))
    for file in (tmp_path / "photographs").rglob("*.JPG"):
        file.unlink()
    for as_ in ("png", "grey", "labelme", "cvat"):
        export(source, tmp_path / as_ / OF_ONE_FILE.get(as_, ""), as_=as_)
    assert files(tmp_path / "png") == {f"{image_id}.png" for image_id in content}
    with pytest.raises(WsssError, match="does not exist"):
        export(source, tmp_path / "overlay", as_="overlay")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0 with numpy 2
def test_coco_by_pycocotools(run, tmp_path):
    library = pytest.importorskip("pycocotools.coco")
    source, content = run
    export(source, tmp_path / "new/out.json", as_="coco")
    found = library.COCO(tmp_path / "new/out.json")
    assert {number: entry["name"] for number, entry in found.cats.items()} == {8: "cat", 12: "dog"}
    assert [entry["file_name"] for entry in found.imgs.values()] == [f"{image_id}.JPG" for image_id in sorted(IDS)]
    for entry in found.imgs.values():
        labels = content[entry["file_name"].removesuffix(".JPG")]
        assert (entry["height"], entry["width"]) == labels.shape
        annotations = found.loadAnns(found.getAnnIds(imgIds=entry["id"]))
        assert sorted(annotation["category_id"] for annotation in annotations) == [8, 12]
        for annotation in annotations:
            expected = VALUES[labels] == annotation["category_id"]
            np.testing.assert_array_equal(found.annToMask(annotation), expected)
            rows, columns = np.nonzero(expected)
            left, top = columns.min(), rows.min()
            assert annotation["bbox"] == [left, top, columns.max() + 1 - left, rows.max() + 1 - top]
            assert annotation["area"] == expected.sum() and annotation["iscrowd"] == 0


def test_coco_numbers_the_annotations_by_class(tmp_path):
    pytest.importorskip("pycocotools")
    classes = Classes.of({f"class {value}": value for value in range(1, 10)})
    labels = np.array([[8, 1, 9]], np.uint8)  # as Python iterates over a set, 8 comes before 1
    with coco.writer(tmp_path / "out.json", classes) as add:
        add(LabelMap("a", labels, Path("a.jpg")))
    annotations = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert [annotation["category_id"] for annotation in annotations] == [1, 8, 9]


def test_cvats_archive(run, tmp_path):
    source, content = run
    export(source, tmp_path / "out.zip", as_="cvat")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        listed = archive.read("ImageSets/Segmentation/default.txt").decode().splitlines()
        lines = archive.read("labelmap.txt").decode().splitlines()
        assert sorted(listed) == sorted(IDS) and lines[0] == "# label:color_rgb:parts:actions"
        colours = {tuple(map(int, line.split(":")[1].split(","))): line.split(":")[0] for line in lines[1:]}
        names = {0: "background", 1: "cat", 2: "dog", VOID: "void"}
        for image_id, labels in content.items():
            by_class, by_object = (
                np.asarray(Image.open(io.BytesIO(archive.read(f"{folder}/{image_id}.png"))).convert("RGB"))
                for folder in ("SegmentationClass", "SegmentationObject")
            )
            shown = [[colours[tuple(pixel)] for pixel in row] for row in by_class.tolist()]
            assert shown == [[names[label] for label in row] for row in labels.tolist()]
            # as CVAT reads it: an object is what has one colour but black, and its class is that of its pixels
            objects = {tuple(pixel) for pixel in by_object.reshape(-1, 3).tolist()} - {(0, 0, 0)}
            covered = [(by_object == pixel).all(-1) for pixel in objects]
            assert sorted(np.unique(labels[of]).tolist() for of in covered) == [[1], [2]]
            np.testing.assert_array_equal(np.any(covered, 0), (labels == 1) | (labels == 2))


def test_cvats_archive_is_read_as_true_masks(run, tmp_path):
    source, content = run
    export(source, tmp_path / "out.zip", as_="cvat")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path / "out")
    for image_id, labels in content.items():
        found = true_masks.read(tmp_path / f"out/SegmentationClass/{image_id}.png", CLASSES)
        np.testing.assert_array_equal(found, VALUES[labels])


def test_equal_maps_are_equal_archives(run, tmp_path):
    source, _ = run
    for name in ("1.zip", "2.zip"):
        export(source, tmp_path / name, as_="cvat")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


@pytest.mark.parametrize("names", [{"a:1": 1}, {"#a": 1}])
def test_what_does_not_fit_in_cvats_lists_is_refused(tmp_path, names):
    source, _ = masks(tmp_path, Classes.of(names | {"b": 2}))
    with pytest.raises(WsssError, match=r"does not fit in CVAT's labelmap\.txt"):
        export(source, tmp_path / "out.zip", as_="cvat")
    assert files(tmp_path) & {"out.zip"} == set()


def drawn_by_labelme(shapes, size, values):
    """The label map of polygons, as labelme's own converter draws them: in their order, border included."""
    mask = Image.new("L", size[::-1])
    for shape in shapes:
        points = [tuple(point) for point in shape["points"]]
        assert len(points) > 2
        one = Image.new("1", size[::-1])
        ImageDraw.Draw(one).polygon(xy=points, outline=1, fill=1)
        mask.paste(values[shape["label"]], mask=one)
    return np.asarray(mask)


def test_labelmes_polygons(run, tmp_path):
    source, content = run
    export(source, tmp_path / "out", as_="labelme")
    assert files(tmp_path / "out") == {f"{image_id}.json" for image_id in IDS}
    values = {"_background_": 0, "cat": 1, "dog": 2, "__ignore__": VOID}
    for image_id, labels in content.items():
        path = tmp_path / f"out/{image_id}.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        assert {shape["shape_type"] for shape in found["shapes"]} == {"polygon"}
        assert (found["imageHeight"], found["imageWidth"]) == labels.shape and found["imageData"] is None
        with Image.open(path.parent / found["imagePath"]) as picture:
            assert picture.size == SIZE[::-1]
        np.testing.assert_array_equal(drawn_by_labelme(found["shapes"], SIZE, values), labels)


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 2])))
def test_regions_drawn_one_over_another_are_the_label_map(labels):
    shapes = [{"label": found.label, "points": found.outline.tolist()} for found in outlines.regions(labels)]
    np.testing.assert_array_equal(drawn_by_labelme(shapes, labels.shape, range(3)), labels)


def test_an_outline_by_hand():
    region = np.array([[0, 1, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]], bool)
    assert outlines.traced(region).tolist() == [[1, 0], [3, 0], [3, 2], [0, 2], [1, 1]]
    assert outlines.traced(np.ones((1, 1), bool)).tolist() == [[0, 0]] * 3


def test_masks_for_vocs_server(tmp_path):
    classes = Classes.of({"cat": 8, "dog": 12})
    source, content = masks(tmp_path, classes, void=False)
    export(source, tmp_path / "out", as_="voc_server")
    folder = tmp_path / "out/results/VOC2012/Segmentation/comp6_test_cls"
    assert files(tmp_path / "out") == {(folder / f"{i}.png").relative_to(tmp_path / "out").as_posix() for i in IDS}
    for image_id, labels in content.items():
        with Image.open(folder / f"{image_id}.png") as picture:
            assert picture.mode == "P" and picture.getpalette()[3 * 8 : 3 * 8 + 3] == [64, 0, 0]
            np.testing.assert_array_equal(np.asarray(picture), VALUES[labels])


def test_vocs_server_gets_vocs_classes_without_void(run, tmp_path):
    source, _ = run
    with pytest.raises(WsssError, match="void pixels, which VOC's server refuses"):
        export(source, tmp_path / "out", as_="voc_server")
    (tmp_path / "other").mkdir()
    source, _ = masks(tmp_path / "other", Classes.of({"cat": 1, "dog": 12}), void=False)
    with pytest.raises(WsssError, match="the class cat=1 is not VOC's"):
        export(source, tmp_path / "out", as_="voc_server")


def test_scores_as_arrays(tmp_path):
    scores = np.random.default_rng(0).random((3, 6, 8)).astype(np.float16)
    settings = {"stride": 4, "warped_px": 0}
    with store.create(tmp_path / "s.h5", "scores", classes=CLASSES, settings=settings, inputs={}) as target:
        target.add(IDS[1], SIZE, scores=scores)
    export(tmp_path / "s.h5", tmp_path / "out", as_="npz")
    with np.load(tmp_path / f"out/{IDS[1]}.npz") as found:
        np.testing.assert_array_equal(found["scores"], scores, strict=True)
        assert found["classes"].tolist() == ["background", "cat", "dog"]
        assert found["mask_values"].tolist() == [0, 8, 12]
        assert (found["size"].tolist(), found["stride"], found["warped_px"]) == ([24, 31], 4, 0)
    with pytest.raises(WsssError, match="holds 'scores': only masks and pseudo_masks"):
        export(tmp_path / "s.h5", tmp_path / "out")


def test_what_is_refused(run, tmp_path):
    source, _ = run
    with pytest.raises(WsssError, match="only scores are written as npz"):
        export(source, tmp_path / "out", as_="npz")
    with pytest.raises(WsssError, match=r"--as coco writes one file: give it a name that ends in \.json"):
        export(source, tmp_path / "out", as_="coco")
    manifest.write(tmp_path / "other.csv", manifest.read(tmp_path / "results/images.csv")[:1])
    with pytest.raises(WsssError, match="is not in the manifest: give that of its run by --images"):
        export(source, tmp_path / "out.json", as_="coco", images=tmp_path / "other.csv")
    assert not (tmp_path / "out.json").exists()


def test_an_id_leads_nowhere_else(tmp_path):
    with store.create(tmp_path / "m.h5", "masks", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("../x", (1, 1), plain=np.zeros((1, 1), np.uint8))
    with pytest.raises(WsssError, match="leads out of"):
        export(tmp_path / "m.h5", tmp_path / "out")
    assert files(tmp_path) == {"m.h5"}
