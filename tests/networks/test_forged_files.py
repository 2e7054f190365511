"""Files of networks that are whole, and that wsss did not write: refused in one line, and nothing large is made."""

import json
import math
import os
from dataclasses import asdict, replace

import pytest
import torch
from settings import CLASSES, FEATURES

from wsss.networks import file
from wsss.networks.backbones.backbone import read_weights
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.runtime import tensors
from wsss.runtime.errors import WsssError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights and the header of a network's file."""
    path = tmp_path_factory.mktemp("network") / "a.safetensors"
    file.save(path, Classifier.build(FEATURES, classes=len(CLASSES.names)), About(CLASSES, "tags"))
    return file.read(path)


FORGED = {
    "a million million classes": {"shape": {"classes": 10**12}},
    "other classes than names": {"shape": {"classes": 4}},
    "no classes": {"classes": [], "mask_values": []},
    "numbers as names": {"classes": [1, 2, 3]},
    "more names than a byte counts": {"classes": [str(n) for n in range(300)], "mask_values": list(range(300))},
    "fewer values than names": {"mask_values": [0]},
    "a text for the shape": {"shape": "large"},
    "a text in the shape": {"shape": {"classes": "three"}},
    "an unknown number of the shape": {"shape": {"classes": 3, "depth": 3}},
    "a share that the mean exceeds": {"shape": {"classes": 3, "pool_share": 0.7}},
    "a share below 0": {"shape": {"classes": 3, "pool_share": -0.1}},
    "a share that is no number": {"shape": {"classes": 3, "pool_share": math.nan}},
    "a share without end": {"shape": {"classes": 3, "pool_share": 1e999}},
    "a whole share": {"shape": {"classes": 3, "pool_share": 3}},
    "a text for the share": {"shape": {"classes": 3, "pool_share": "half"}},
    "a fraction of classes": {"shape": {"classes": 0.5}},
    "an unknown feature": {"features": {"backbone": "timm/test_efficientnet", "depth": 3}},
    "a list for the features": {"features": [1, 2]},
    "an unknown supervision": {"supervision": "masks"},
    "two means": {"mean": [0.5, 0.5]},
    "a mean that is no number": {"mean": [0.5, 0.5, 1e999]},
    "a deviation of zero": {"std": [0.5, 0.5, 0.0]},
    "a table for the size": {"warped_px": {}},
    "a million million pixels": {"warped_px": 10**12},
    "a list for the backbone": {"backbone": ["vgg16"]},
    "numbers for digests": {"inputs": {"images.csv": 3}},
    "numbers for settings": {"settings": {"radius": 3}},
    "a class twice": {"classes": ["background", "cat", "cat"]},
    "a class in two lines": {"classes": ["background", "cat\ndog", "dog"]},
    "a large mask value": {"mask_values": [0, 8, 1000]},
    "a truth value for a mask value": {"mask_values": [0, True, 8]},
    "other colours": {"colours": [[0, 0, 0]] * 3},
    "no features": {"features": {}},
    "another backbone than in the features": {"backbone": "vgg16"},
    "a stride of 0": {"features": asdict(FEATURES) | {"stride": 0}},
    "a stride that the backbone has not": {"features": asdict(FEATURES) | {"stride": 7}},
    "a million million pixels as stride": {"features": asdict(FEATURES) | {"stride": 10**12}},
    "a truth value for the stride": {"features": asdict(FEATURES) | {"stride": True}},
    "a number of classes of 0": {"shape": {"classes": 0}},
    "a side below 0": {"warped_px": -1},
    "a longer side below 0": {"longest_px": -1},
    "a truth value for the size": {"warped_px": True},
    "a key that no header has": {"more": 3},
}

TYPES = ("text", 3, 0.5, None, True, [], {}, [{}], {"a": []})
"""Values of another type than one that a header has."""


def other_features():
    """The features with one that is missing, unknown, or of another type."""
    whole = asdict(FEATURES)
    for name in whole:
        yield {other: value for other, value in whole.items() if other != name}
        yield from (whole | {name: value} for value in TYPES if type(value) is not type(whole[name]))
    yield whole | {"depth": 3}


STATES = {
    "no weights": lambda state: {},
    "a missing tensor": lambda state: {name: value for name, value in state.items() if name != "head.weight"},
    "an unknown tensor": lambda state: state | {"head.bias": torch.zeros(2)},
    "another shape": lambda state: state | {"head.weight": torch.zeros(3, 3)},
    "a shape of a million million numbers": lambda state: state | {"head.weight": torch.zeros(10**12, 0)},
    "whole numbers for weights": lambda state: state | {"head.weight": state["head.weight"].to(torch.int8)},
    "truth values for weights": lambda state: state | {"head.weight": state["head.weight"] > 0},
    "NaN": lambda state: state | {"head.weight": torch.full_like(state["head.weight"], torch.nan)},
}


def write(path, state, header):
    """A file whose header has numbers that are not finite, too, which `tensors.save` refuses."""
    with pytest.MonkeyPatch.context() as patch:
        dumps = json.dumps
        patch.setattr(json, "dumps", lambda value, **_: dumps(value))
        tensors.save(path, state, header)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_header_is_refused(tmp_path, whole, name):
    state, header = whole
    path = tmp_path / "forged.safetensors"
    write(path, state, header | FORGED[name])
    with pytest.raises(WsssError, match=r"forged\.safetensors [^\n]*remove it and train again$"):
        file.load(path, Classifier)


def assert_is_not_read(path, state, header):
    write(path, state, header)
    with pytest.raises(WsssError, match=r"forged\.safetensors [^\n]*remove it and train again$"):
        file.read(path)


@pytest.mark.parametrize("name", file.FORM)
def test_a_header_without_a_key_or_with_another_type_is_not_read(tmp_path, whole, name):
    state, header = whole
    path = tmp_path / "forged.safetensors"
    for value in TYPES:
        if type(value) is not file.FORM[name]:
            assert_is_not_read(path, state, header | {name: value})
    if name != "kind":  # it marks our files
        assert_is_not_read(path, state, {key: value for key, value in header.items() if key != name})


def test_a_header_with_other_features_is_not_read(tmp_path, whole):
    state, header = whole
    for features in other_features():
        assert_is_not_read(tmp_path / "forged.safetensors", state, header | {"features": features})


def test_a_header_without_kind_is_that_of_weights_alone(tmp_path, whole):
    state, header = whole
    path = tmp_path / "forged.safetensors"
    write(path, state, {key: value for key, value in header.items() if key != "kind"})
    with pytest.raises(WsssError, match=r"forged\.safetensors is not a network of wsss: weights alone are given"):
        file.read(path)


@pytest.mark.parametrize("value", [None, "", "x", "0", "-3", "3.5", "9" * 5000])
def test_a_missing_or_crooked_setting_is_told(tmp_path, whole, value):
    path = tmp_path / "forged.safetensors"
    about = replace(file.about(whole[1]), settings={} if value is None else {"radius": value})
    with pytest.raises(WsssError, match=r"forged\.safetensors does not say with which radius it was trained: remove"):
        file.whole_setting(path, about, "radius")
    assert file.whole_setting(path, replace(about, settings={"radius": "5"}), "radius") == 5


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "forged.safetensors")
    with pytest.raises(WsssError, match=r"forged\.safetensors is a pipe or device, no file"):
        file.read(tmp_path / "forged.safetensors")


@pytest.mark.parametrize("name", STATES)
def test_forged_weights_are_refused(tmp_path, whole, name):
    state, header = whole
    path = tmp_path / "forged.safetensors"
    tensors.save(path, STATES[name](state), header)
    with pytest.raises(WsssError, match=r"forged\.safetensors does not fit the network timm/[^\n]*$"):
        file.load(path, Classifier)


@pytest.mark.parametrize("forged", [{"mean": [0.5]}, {"mean": 3}, {"std": ["a", "b", "c"]}, {"std": {}}])
def test_a_forged_header_of_weights_is_refused(tmp_path, whole, forged):
    state, header = whole
    path = tmp_path / "forged.safetensors"
    tensors.save(path, state, header | forged)
    with pytest.raises(WsssError, match=r"forged\.safetensors was written by another version of wsss"):
        read_weights(path, name=FEATURES.backbone)


def test_the_file_itself_is_read(tmp_path, whole):
    state, header = whole
    tensors.save(tmp_path / "same.safetensors", state, header)
    network, about = file.load(tmp_path / "same.safetensors", Classifier)
    assert about.classes == CLASSES
    assert torch.equal(network.head.weight, state["head.weight"])
