"""Seeds from and to the files of SEC's authors, by the commands that people type."""

import numpy as np
import pytest
from PIL import Image

from wsss.commands.seeds_export import seeds_export
from wsss.commands.seeds_import import seeds_import
from wsss.datasets import manifest
from wsss.labels import VOID, Classes
from wsss.runtime.errors import WsssError
from wsss.stores import localization_cues, store

CLASSES = Classes.of({"cat": 8, "dog": 12})
IDS = ("2007_000032", "b", "c")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with a manifest of three training images and one that is held out."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for number, image_id in enumerate((*IDS, "held_out")):
        file = tmp_path / f"{image_id}.png"
        Image.new("RGB", (20 + number, 12), "grey").save(file)
        split = "val" if image_id == "held_out" else ("train", "extra")[number % 2]
        rows.append(manifest.Row(image_id, split, file, None, ("cat", "dog")[: 1 + number % 2], "test"))
    (tmp_path / "results").mkdir()
    manifest.write(tmp_path / "results/images.csv", rows)
    manifest.write_classes(tmp_path / "results/classes.csv", CLASSES)
    return tmp_path


def seeds(path):
    """A store of seeds of 5 x 5 cells: ranks 0 to 2 and VOID."""
    rng = np.random.default_rng(0)
    with store.create(path, "seeds", classes=CLASSES, settings={"cells": 5}, inputs={}) as target:
        for number, image_id in enumerate(IDS):
            ranks = [0, 1, 2, VOID][: 2 + number % 2] + [VOID]
            target.add(image_id, (12, 20 + number), labels=rng.choice(ranks, (5, 5)).astype(np.uint8))
    return path


def test_cues_and_their_list_need_two_names(run):
    with pytest.raises(WsssError, match="is named for the cues and for their list: give two names"):
        seeds_export(seeds(run / "seeds.h5"), run / "a", run / "a")
    assert not (run / "a").exists()


def test_round_trip(run):
    source = seeds(run / "seeds.h5")
    seeds_export(source, run / "cues.pickle", run / "list.txt")
    seeds_import(run / "cues.pickle", run / "list.txt", run / "back.h5", cells=5)
    with store.read(source, "seeds") as expected, store.read(run / "back.h5", "seeds") as found:
        assert list(found) == list(expected) == sorted(IDS)
        assert found.classes == CLASSES
        assert found.attributes["setting.cells"] == "5"
        for image_id in IDS:
            np.testing.assert_array_equal(found[image_id]["labels"], expected[image_id]["labels"], strict=True)
            assert found.size(image_id) == expected.size(image_id)


def test_the_file_has_the_numbers_of_the_masks(run):
    seeds_export(seeds(run / "seeds.h5"), run / "cues.pickle", run / "list.txt")
    assert (run / "list.txt").read_text() == "2007_000032.jpg 0\nb.jpg 1\nc.jpg 2\n"
    names = localization_cues.read_list(run / "list.txt")
    found = localization_cues.read(run / "cues.pickle", names, classes=21, size=(5, 5))
    assert found["b"].tags.tolist() == [8, 12]
    assert set(np.unique(found["b"].labels)) <= {0, 8, 12, VOID}
    assert 12 in found["b"].labels


def cues(*tags, labels):
    return localization_cues.Cues(np.array(tags, np.uint8), np.array(labels, np.uint8))


def refusal(run, content, **options):
    localization_cues.write(run / "cues.pickle", content, run / "list.txt")
    with pytest.raises(WsssError) as caught:
        seeds_import(run / "cues.pickle", run / "list.txt", run / "back.h5", **options)
    assert "\n" not in str(caught.value)
    assert not (run / "back.h5").exists()
    return str(caught.value)


def test_images_without_cues_are_refused(run):
    found = refusal(run, {"b": cues(8, labels=[[8]])}, cells=1)
    assert found == f"{run / 'cues.pickle'} has no cues for 2 of 3 images, e.g. 2007_000032: add them"


def test_a_class_that_the_manifest_lacks_is_refused(run):
    content = {image_id: cues(8, 3, labels=[[3 if image_id == "c" else 8]]) for image_id in IDS}
    found = refusal(run, content, cells=1)
    told = "c: mask value 3 belongs to no class of results/classes.csv: correct one of them"
    assert found == f"{run / 'cues.pickle'}: {told}"


def test_another_grid_is_refused(run):
    found = refusal(run, {image_id: cues(8, labels=[[VOID, VOID], [VOID, 8]]) for image_id in IDS}, cells=1)
    assert "cues.pickle" in found


def test_seeds_of_classes_without_tag_are_left_out(run, caplog):
    caplog.set_level("INFO", logger="wsss")
    content = {image_id: cues(8, 12, labels=[[8, 0], [12, VOID]]) for image_id in IDS}
    localization_cues.write(run / "cues.pickle", content, run / "list.txt")
    seeds_import(run / "cues.pickle", run / "list.txt", cells=2)
    with store.read(run / "results/imported_seeds.h5", "seeds") as found:
        assert found["b"]["labels"].tolist() == [[1, 0], [2, VOID]]  # a cat and a dog
        assert found["c"]["labels"].tolist() == [[1, 0], [VOID, VOID]]  # a cat alone
    assert "of 2 images seeds were left out" in caplog.text
