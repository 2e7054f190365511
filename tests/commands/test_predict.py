"""Photographs that no run has seen: labelled as the run labels its own, whatever they are called."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from new_photographs import NAMES, SIZES, written
from PIL import Image
from settings import CLASSES, FEATURE_CRF, FEATURES, PSA

import wsss
from wsss.commands.predict import predict
from wsss.crf.potentials import potentials_of
from wsss.datasets import manifest, pictures
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.options.crf import NO_FEATURE_CRF
from wsss.results import fitted_crf
from wsss.results.inference import settings_of_run
from wsss.runtime.errors import WsssError
from wsss.stages.masks import masks
from wsss.stages.scores import scores
from wsss.stores import store


def run_stages(
    folder: Path, network: Path, *, classifier: Path | None = None, prior: float = 0, by_features=NO_FEATURE_CRF, **crf
) -> Path:
    """What the pipeline makes of the photographs: the store of masks beside the network."""
    rows = [manifest.Row(name, "val", folder / f"{name}.png", None, ("cat",), "test") for name in NAMES]
    results = network.parent
    manifest.write(results / "images.csv", rows)
    common = dict(images=results / "images.csv", split="val", shard="1-of-1")
    weighed = {"classifier": [classifier] if classifier else [], "image_prior": prior}
    weighed["feature_crf"] = by_features
    scores(segmenter=network, scores=results / "psa_val_scores.h5", scales=(1.0, 1.5), **weighed, **common)
    options = PSA.__class__(**{**vars(PSA), "engine": "cells", "steps": 3, **crf})
    masks(scores=results / "psa_val_scores.h5", fitted=[], masks=results / "psa_val_masks.h5", crf=options, **common)
    return results / "psa_val_masks.h5"


@pytest.mark.parametrize("warped_px", [0, 40])
def test_masks_are_those_of_the_pipeline_bit_by_bit(tmp_path, photographs, network, warped_px):
    path = network(warped_px=warped_px)
    made = run_stages(photographs, path, smoothness_weight=0.1, appearance_weight=0.1)
    predict(path, (str(photographs),), out=tmp_path / "out")
    found = written(tmp_path / "out")
    assert set(found) == set(NAMES)
    assert len(np.unique(np.concatenate([mask.ravel() for mask in found.values()]))) > 1
    with store.read(made, "masks") as source:
        for name in NAMES:
            expected = source.classes.values_of(store.final_labels(source[name]))
            np.testing.assert_array_equal(found[name], expected)


@pytest.mark.parametrize(
    "changed",
    [
        {"scales": "x"},
        {"scales": ""},
        {"scales": "1e9"},
        {"image_prior": "nan"},
        {"fitted": None},
        {"steps": "many"},
        {"feature_crf.weight": "x"},
    ],
)
def test_a_run_that_does_not_say_how_it_labelled_is_told(photographs, network, changed):
    path = network()
    said = {"scales": "1.0", "fitted": "no", **{name: str(value) for name, value in vars(PSA).items()}} | changed
    said = {name: value for name, value in said.items() if value is not None}
    with store.create(path.parent / "psa_val_masks.h5", "masks", classes=CLASSES, settings=said, inputs={}) as target:
        target.add("a", (2, 3), plain=np.zeros((2, 3), np.uint8))
    with pytest.raises(WsssError, match=r"psa_val_masks\.h5 does not say how its images were labelled"):
        predict(path, (str(photographs),), out=path.parent / "out")


def masks_beside(network: Path, name: str, *, inputs=None, **said) -> None:
    """A store of masks beside a network, which says how they were made."""
    settings = {"scales": "1.0", "fitted": "no", **vars(PSA)} | said
    with store.create(network.with_name(name), "masks", classes=CLASSES, settings=settings, inputs=inputs or {}) as new:
        new.add("a", (2, 3), plain=np.zeros((2, 3), np.uint8))


def test_masks_of_a_variant_are_not_those_of_its_method(network):
    path = network()
    masks_beside(path, "psa_second_round_val_masks.h5", scales="2.0")
    assert settings_of_run(path, CLASSES).source.startswith("the defaults")
    masks_beside(path, "psa_val_masks.h5", scales="1.5")
    assert settings_of_run(path, CLASSES).scales == (1.5,)


def test_a_variant_has_the_fitted_crf_of_its_method(network):
    path = network()
    path = path.rename(path.with_name("psa_second_round_segmenter.safetensors"))
    fitted = {path.with_name(f"{method}_crf.json"): weight for method, weight in (("lcrf", 5), ("psa", 7))}
    for file_of_crf, weight in fitted.items():
        found = potentials_of(replace(PSA, appearance_weight=weight), like=torch.zeros(()))
        about = {"images": 2, "split": "crf_fit", "masks": "pseudo"}
        fitted_crf.write(file_of_crf, PSA, found, classes=CLASSES, about=about)
    masks_beside(
        path, "psa_second_round_val_masks.h5", inputs={"fitted": path.with_name("psa_crf.json")}, fitted="on 2"
    )
    settings = settings_of_run(path, CLASSES)
    assert settings.crf.appearance_weight == float(settings.potentials.appearance_weight) == 7
    path.with_name("psa_crf.json").unlink()
    with pytest.raises(WsssError, match="was made with a fitted CRF"):
        settings_of_run(path, CLASSES)


def test_without_its_run_a_network_is_used_as_usual(tmp_path, photographs, network):
    predict(network(), (str(photographs / "one.png"),), out=tmp_path / "out", crf=False, overlays=True)
    assert written(tmp_path / "out")["one"].shape == SIZES[0]
    assert (tmp_path / "out/one.overlay.jpg").exists()


def test_the_areas_are_listed(tmp_path, photographs, network):
    predict(network(), (str(photographs),), out=tmp_path / "out", crf=False)
    with (tmp_path / "out/areas.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert {row["file_name"] for row in rows} == {str(photographs / f"{name}.png") for name in NAMES}
    found = written(tmp_path / "out")
    for row in rows:
        name = Path(row["file_name"]).relative_to(photographs).with_suffix("").as_posix()
        assert float(row["cat"]) == pytest.approx((found[name] == 8).mean(), abs=1e-4)
        assert sum(float(row[name]) for name in CLASSES.names) == pytest.approx(1, abs=1e-3)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools
def test_all_masks_in_cocos_format(tmp_path, photographs, network):
    pycocotools = pytest.importorskip("pycocotools.coco")
    table = tmp_path / "masks.json"
    predict(network(), (str(photographs),), out=tmp_path / "out", crf=False, coco=table)
    read = pycocotools.COCO(str(table))
    found = written(tmp_path / "out")
    assert {image["file_name"] for image in read.imgs.values()} == {f"{name}.png" for name in found}
    for image in read.imgs.values():
        mask = np.zeros((image["height"], image["width"]), int)
        for annotation in read.imgToAnns[image["id"]]:
            mask[read.annToMask(annotation) == 1] = annotation["category_id"]
        np.testing.assert_array_equal(mask, found[image["file_name"].removesuffix(".png")])


def test_a_bad_photograph_is_passed_over_and_listed(tmp_path, photographs, network, caplog):
    (photographs / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(SystemExit) as ended:
        predict(network(), (str(photographs),), out=tmp_path / "out", crf=False)
    assert ended.value.code == 1
    assert set(written(tmp_path / "out")) == set(NAMES)
    assert "bad.jpg cannot be read as a picture" in caplog.text
    assert "1 of 4 photographs could not be labelled" in caplog.text


def test_large_photographs_are_labelled_at_the_working_size(tmp_path, photographs, network):
    large = network(longest_px=40)
    predict(large, (str(photographs),), out=tmp_path / "out", crf=False)
    found = written(tmp_path / "out")
    assert [found[name].shape for name in NAMES] == list(SIZES)
    photograph = pictures.read_photograph(photographs / "one.png")
    prediction = wsss.load(large, crf=False)(photograph)
    assert prediction.probabilities.shape == (3, 29, 40)
    np.testing.assert_array_equal(CLASSES.values_of(prediction.labels), found["one"])


def test_from_python(photographs, network):
    predictor = wsss.load(str(network()))
    by_path = predictor(photographs / "one.png")
    by_picture = predictor(Image.open(photographs / "one.png"))
    assert by_path.class_names == ("background", "cat", "dog")
    assert by_path.labels.shape == SIZES[0]
    np.testing.assert_array_equal(by_path.labels, by_picture.labels)
    np.testing.assert_array_equal(by_path.labels, by_path.probabilities.argmax(0))
    np.testing.assert_allclose(by_path.probabilities.sum(0), 1, atol=1e-4)


def written_by_run(store_path: Path) -> dict[str, np.ndarray]:
    """The values of the masks of a run, by name."""
    with store.read(store_path, "masks") as source:
        return {name: source.classes.values_of(store.final_labels(source[name])) for name in NAMES}


@pytest.fixture
def classifier(tmp_path):
    """An untrained classifier beside the network, whose probabilities differ from photograph to photograph."""
    torch.manual_seed(1)
    path = tmp_path / "results/classifier.safetensors"
    untrained = Classifier.build(FEATURES, classes=3)
    with torch.no_grad():
        untrained.head.weight *= 20
    file.save(path, untrained, About(CLASSES, "tags"))
    return path


@pytest.mark.parametrize("warped_px", [0, 40])
@pytest.mark.parametrize("by_classifier", [{"prior": 1.0}, {"by_features": FEATURE_CRF}])
def test_what_a_runs_classifier_does_is_done_to_new_photographs_too(
    photographs, network, classifier, tmp_path, warped_px, by_classifier
):
    segmenter = network(warped_px=warped_px)
    plain = written_by_run(run_stages(photographs, segmenter))
    weighed = written_by_run(run_stages(photographs, segmenter, classifier=classifier, **by_classifier))
    assert any((plain[name] != weighed[name]).any() for name in NAMES)
    predict(segmenter, (str(photographs),), out=tmp_path / "out")
    found = written(tmp_path / "out")
    for name in NAMES:
        np.testing.assert_array_equal(found[name], weighed[name])


def test_a_prior_whose_classifier_is_gone_is_told(photographs, network, classifier, tmp_path):
    run_stages(photographs, network(), classifier=classifier, prior=1.0)
    classifier.unlink()
    with pytest.raises(
        WsssError,
        match="classifier.safetensors does not exist: the run weighed the scores of psa_segmenter.safetensors",
    ):
        predict(network(), (str(photographs),), out=tmp_path / "out")


@pytest.mark.parametrize("pixels", [np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8)])
def test_pixels_that_are_no_photograph_are_refused(network, pixels):
    with pytest.raises(WsssError, match="the photograph is .*: give RGB, uint8"):
        wsss.load(network())(pixels)
