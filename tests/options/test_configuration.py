"""The configuration: conversion of values, messages of refusals, and the page that explains it."""

import copy
import re

import pytest
from projects import ROOT

from wsss.commands.configuration import configuration as print_page
from wsss.options import configuration
from wsss.runtime.errors import WsssError

DEFAULTS = configuration.read(ROOT / "config.yaml")
SCHEMA = configuration.read(ROOT / "workflow/config.schema.yaml")


def completed(changes):
    """The defaults with changes, as Snakemake merges them, completed."""
    config = copy.deepcopy(DEFAULTS)
    for name, value in changes.items():
        config[name] = {**config[name], **value} if isinstance(value, dict) else value
    return configuration.completed(config, defaults=DEFAULTS, schema=SCHEMA)


def test_the_defaults_are_a_configuration():
    assert completed({})["classifier"].items() >= DEFAULTS["classifier"].items()


def test_where_a_value_comes_from_does_not_change_the_order_of_the_options():
    classifier = DEFAULTS["classifier"]
    turned = {"classifier": dict(reversed(classifier.items())), "images": {"download": "false"}}
    found = configuration.completed(
        {**DEFAULTS, **turned, "images": {**turned["images"], **DEFAULTS["images"]}}, defaults=DEFAULTS, schema=SCHEMA
    )
    for section in ("classifier", "images"):
        assert list(found[section].items()) == list(completed({})[section].items())


@pytest.mark.parametrize(
    ("section", "key", "text", "value"),
    [
        ("classifier", "epochs", "1", 1),
        ("classifier", "epochs", "0.5", 0.5),
        ("classifier", "weights", "none", "none"),
        ("classifier", "seed", "3", 3),
        ("crf", "fit.seed", "3", 3),
        ("classifier", "flip", "false", False),
        ("classifier", "resize_px", ["96", "192"], [96, 192]),
        ("images", "download", "true", True),
        ("images", "masks", "", ""),
        ("cams", "scales", ["1", "1.5"], [1, 1.5]),
        ("masks", "crf.engine", "none", "none"),
    ],
)
def test_text_from_the_command_line_gets_the_type_of_the_default(section, key, text, value):
    found = completed({section: {key: text}})[section][key]
    assert found == value and type(found) is type(value)


def test_text_in_the_changes_of_a_method_gets_the_types_of_scores_and_masks():
    assert completed({"scores_of": {"psa": {"scales": ["1", 2]}}})["scores_of"] == {"psa": {"scales": [1.0, 2.0]}}
    found = completed({"masks_of": {"sec": {"crf.appearance_px": "80", "crf.engine": "exact"}}})
    assert found["masks_of"] == {"sec": {"crf.appearance_px": 80, "crf.engine": "exact"}}


def test_text_in_an_ablation_gets_the_types_of_the_segmenter():
    found = completed({"sec_ablation": {"sec_new": {"seed_weight": "2", "constrain_gradient": "true"}}})
    assert found["sec_ablation"]["sec_new"] == {"seed_weight": 2, "constrain_gradient": True}


def test_each_section_takes_the_seed_of_the_run_unless_it_has_its_own():
    found = completed({"seed": 5, "sec_segmenter": {"seed": 6}})
    seeds = {name: part["seed"] for name, part in found.items() if isinstance(part, dict) and "seed" in part}
    trained = ("classifier", "affinity_net", "psa_segmenter", "lcrf_segmenter")
    assert seeds == {**dict.fromkeys(trained, 5), "sec_segmenter": 6}
    assert found["crf"]["fit.seed"] == 5 and found["images"]["shapes_seed"] == DEFAULTS["images"]["shapes_seed"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"classifier": {"epochs": "many"}}, "config: classifier: epochs is 'many': give a number above 0"),
        ({"classifier": {"crop_px": 0.5}}, "config: classifier: crop_px is 0.5: give a whole number from 1"),
        ({"classifier": {"flip": "maybe"}}, "config: classifier: flip is 'maybe': give true or false"),
        ({"classifier": {"stride": 7}}, "config: classifier: stride is 7: give one of 8, 16, 32"),
        ({"classifier": 3}, "config: classifier is 3: give a table of keys and values"),
        ({"classifier": {"epoch": 3}}, "config: classifier: there is no key epoch: did you mean epochs?"),
        ({"clasifier": {"epochs": 3}}, "config: there is no key clasifier: did you mean classifier?"),
        ({"cams": {"scales": [0.5, "x"]}}, "config: cams: scales: 1 is 'x': give a number from 0.05 to 8"),
        ({"images": {"crf_fit_images": -1}}, "config: images: crf_fit_images is -1: give a whole number from 0"),
        ({"sec_segmenter": {"pool_present": 0.7}}, "pool_present is 0.7: give a number from 0 to 0.5"),
        (
            {"sec_ablation": {"sec_x": {"seed_weight": -1}}},
            "sec_ablation: sec_x: seed_weight is -1: give a number from 0",
        ),
        (
            {"sec_ablation": {"sec_x": {"seed_weigt": 1}}},
            "sec_ablation: sec_x: there is no key seed_weigt: did you mean",
        ),
        (
            {"masks_of": {"sec": {"crf.appearance_px": -1}}},
            "config: masks_of: sec: crf.appearance_px is -1: give a number above 0",
        ),
        (
            {"scores_of": {"sec": {"image_prior": 11}}},
            "config: scores_of: sec: image_prior is 11: give a number from 0",
        ),
        (
            {"masks_of": {"sec": {"crf.apearance_px": 1}}},
            "config: masks_of: sec: there is no key crf.apearance_px: did you mean crf.appearance_px?",
        ),
        (
            {"psa_ablation": {"other": {"epochs": 1}}},
            "config: psa_ablation: the name 'other' must be psa_ followed by up to 100 lower",
        ),
        (
            {"psa_ablation": {f"psa_{'a' * 101}": {"epochs": 1}}},
            "must be psa_ followed by up to 100 lower-case letters",
        ),
        ({"psa_ablation": {"psa_a\n": {"epochs": 1}}}, "must be psa_ followed by up to 100 lower-case letters"),
        ({"classifier": {"lr_drops": 101}}, "lr_drops is 101: give a whole number from 0 to 100"),
        ({"affinity_net": {"resize_px": [1, 2]}}, "config: affinity_net: resize_px is [1, 2]: give [0, 0]"),
        ({"seed": -1}, "config: seed is -1: give a whole number from 0"),
    ],
)
def test_a_wrong_key_or_value_is_one_line_that_names_its_section(changes, line):
    if "clasifier" in changes:
        with pytest.raises(WsssError) as refused:
            configuration.completed({**DEFAULTS, **changes}, defaults=DEFAULTS, schema=SCHEMA)
    else:
        with pytest.raises(WsssError) as refused:
            completed(changes)
    assert line in str(refused.value) and str(refused.value).count("\n") == 0


NUMBERS = [
    (section, key)
    for section, keys in configuration.sections(SCHEMA).items()
    for key, leaf in keys.items()
    if configuration.resolved(leaf, SCHEMA).get("type") in ("integer", "number")
]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -1, 10**12, "nan", ".inf", "1:30", "010"])
def test_no_number_of_a_configuration_is_absurd(value):
    changes = {section: {key: value for of, key in NUMBERS if of == section} for section, _ in NUMBERS}
    with pytest.raises(WsssError) as refused:
        completed(changes)
    found = set(re.findall(r"^config: (\w+): ([\w.]+)(?: is|:) '?" + re.escape(str(value)), str(refused.value), re.M))
    assert found == set(NUMBERS)


def test_text_that_is_a_number_is_one():
    assert completed({"classifier": {"learning_rate": "1e-3"}})["classifier"]["learning_rate"] == 0.001


def test_all_problems_are_reported_at_once():
    with pytest.raises(WsssError) as refused:
        completed({"classifier": {"epochs": 0, "batch_size": 0}, "masks": {"crf.stepz": 3}})
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("classifier", {"batch": 16}, "batch: it is now batch_size"),
        ("psa_segmenter", {"drops": 3}, "drops: it is now lr_drops"),
        ("masks", {"crf.cells": 100}, "crf.cells: it is now crf.max_cells"),
        ("images", {"held_out": 3}, "held_out: it is now crf_fit_images"),
        ("masks", {"crf.engine": "conv"}, "crf.engine is conv: it is now cells (or convcrf"),
        ("crf", {"split": "held"}, "split is held: it is now crf_fit"),
    ],
)
def test_old_names_are_refused_with_their_new_names(section, old, new):
    with pytest.raises(WsssError) as refused:
        completed({section: old})
    assert new in str(refused.value) and str(refused.value).count("\n") == 0


def test_every_key_has_a_description():
    for section, keys in configuration.sections(SCHEMA).items():
        assert SCHEMA["properties"][section]["description"]
        for key, leaf in keys.items():
            assert configuration.resolved(leaf, SCHEMA).get("description"), f"{section}: {key}"
    assert all("description" in part for part in SCHEMA["properties"].values())


def test_a_key_in_px_or_cells_says_so():
    for section, keys in configuration.sections(SCHEMA).items():
        for key, leaf in keys.items():
            unit = key.rpartition("_")[2]
            if unit in ("px", "cells"):
                words = configuration.resolved(leaf, SCHEMA)["description"].replace("pixels", "px")
                assert unit in words or "[0, 0]" in words, f"{section}: {key}: {words}"


def test_the_schema_knows_each_key_of_the_defaults_and_no_other():
    for section, keys in configuration.sections(SCHEMA).items():
        own = {key for key in keys if key.rpartition(".")[2] != "seed"}
        assert own == DEFAULTS[section].keys(), section


def test_the_page_is_up_to_date(capsys):
    print_page()
    page = (ROOT / "docs/configuration.md").read_text()
    assert capsys.readouterr().out == page, "run: wsss configuration > docs/configuration.md"


def test_the_page_of_a_folder_that_is_no_project(tmp_path):
    with pytest.raises(WsssError, match="config.yaml does not exist: give the folder of the project by --project"):
        print_page(project=tmp_path)
