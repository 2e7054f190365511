"""Files of networks that are whole, and that wsss did not write: refused in one line, and nothing large is made."""

import pytest
import torch
from settings import CLASSES, FEATURES

from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.runtime import sealed
from wsss.runtime.errors import WsssError


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """What is in the file of a network."""
    path = tmp_path_factory.mktemp("network") / "a.pt"
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
    "texts for weights": {"backbone_state": {"a": "b"}},
    "no weights": {"head_state": {}, "backbone_state": {}},
    "a table for the size": {"warped_px": {}},
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_network_is_refused(tmp_path, content, name):
    path = tmp_path / "forged.pt"
    sealed.save(path, content | FORGED[name])
    with pytest.raises(WsssError, match=r"forged\.pt"):
        file.load(path, Classifier)


def test_the_file_itself_is_read(tmp_path, content):
    sealed.save(tmp_path / "same.pt", content)
    network, about = file.load(tmp_path / "same.pt", Classifier)
    assert about.classes == CLASSES
    assert torch.equal(network.head.weight, content["head_state"]["head.weight"])
