"""Files of networks that are whole, and that wsss did not write: refused in one line, and nothing large is made."""

import json

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
}

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
