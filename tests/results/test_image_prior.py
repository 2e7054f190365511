"""What the whole image shows weighs what its cells show."""

import numpy as np
import pytest
import torch
from settings import CLASSES, FEATURES

from wsss.labels import Classes
from wsss.maths.photographs import to_tensor
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.results import image_prior
from wsss.runtime.errors import WsssError


def test_probabilities_are_multiplied_and_sum_to_1_again():
    cells = torch.tensor([[[0.5, 0.2]], [[0.3, 0.0]], [[0.2, 0.8]]]).half()
    found = image_prior.weighted(cells, torch.tensor([0.25, 0.01]), power=0.5)
    products = np.array([[0.5, 0.2], [0.3 * 0.5, 0], [0.2 * 0.1, 0.8 * 0.1]])
    np.testing.assert_allclose(found[:, 0].numpy(), products / products.sum(0), atol=1e-3)


def test_power_0_changes_nothing():
    cells = torch.rand(3, 4, 5).softmax(0).half()
    np.testing.assert_allclose(image_prior.weighted(cells, torch.rand(2), power=0), cells, atol=1e-3)


def test_a_cell_of_one_class_alone_keeps_it():
    cells = torch.tensor([[[0.0]], [[1.0]], [[0.0]]]).half()
    assert image_prior.weighted(cells, torch.tensor([0.0, 1.0]), power=10).flatten().tolist() == [0, 1, 0]


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(0)
    network = Classifier.build(FEATURES, classes=3)
    file.save(tmp_path / "classifier.safetensors", network, About(CLASSES, "tags"))
    return tmp_path / "classifier.safetensors"


def test_the_photograph_and_its_mirror_image_are_judged(classifier):
    photograph = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    cells = torch.full((3, 2, 2), 1 / 3).half()
    weigh = image_prior.weighing(classifier, CLASSES, power=1)
    network, _ = file.load(classifier, Classifier)
    with torch.inference_mode():
        shown = [network(to_tensor(np.ascontiguousarray(side))[None]) for side in (photograph, photograph[:, ::-1])]
    weights = np.append(1, torch.cat(shown).sigmoid().mean(0).numpy())
    np.testing.assert_allclose(weigh(photograph, cells)[:, 0, 0], weights / weights.sum(), atol=1e-3)
    np.testing.assert_array_equal(
        weigh(photograph, cells), weigh(np.ascontiguousarray(photograph[:, ::-1]), cells)
    )  # in half precision


def test_the_offsets_of_a_balanced_classifier_are_left_out(classifier):
    photograph = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    cells = torch.full((3, 2, 2), 1 / 3).half()
    before = image_prior.weighing(classifier, CLASSES, power=1)(photograph, cells)
    network, about = file.load(classifier, Classifier)
    network.offsets.copy_(torch.tensor([-3.0, 1.0]))
    file.save(classifier, network, about)
    assert torch.equal(image_prior.weighing(classifier, CLASSES, power=1)(photograph, cells), before)


def test_without_a_classifier_nothing_changes():
    cells = torch.rand(3, 2, 2).half()
    assert image_prior.weighing(None, CLASSES, power=1)(None, cells) is cells


def test_a_classifier_of_other_classes_is_refused(classifier):
    with pytest.raises(WsssError, match="has other classes than the segmenter"):
        image_prior.weighing(classifier, Classes.of({"cat": 1, "cow": 2}), power=1)
