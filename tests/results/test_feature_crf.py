"""A segmenter's cells, refined by the features of the run's classifier."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from settings import CLASSES, FEATURE_CRF, FEATURES
from torch import nn

from wsss.labels import Classes
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.options.crf import NO_FEATURE_CRF
from wsss.results import feature_crf
from wsss.runtime.errors import WsssError

pytestmark = pytest.mark.usefixtures("on_the_cpu")


class Means(nn.Module):
    """A backbone whose one layer are the mean colours of its cells of 4 pixels."""

    channels, mean, stride = (3,), (0.5, 0.5, 0.5), 4

    def forward(self, images):
        return (nn.functional.avg_pool2d(images, self.stride),)


def halves(height, width, *, noise=0):
    """A photograph, red on the left and blue on the right."""
    photograph = np.zeros((height, width, 3), np.uint8)
    photograph[:, : width // 2, 0] = photograph[:, width // 2 :, 2] = 200
    return photograph + np.random.default_rng(0).integers(0, noise + 1, photograph.shape).astype(np.uint8)


def unsure(rows, columns, *, wrong=0.3):
    """Probabilities of three classes: the second one on the left, the third on the right, some cells the other way."""
    right = torch.zeros(rows, columns, dtype=torch.bool)
    right[:, columns // 2 :] = True
    flipped = torch.rand(rows, columns, generator=torch.Generator().manual_seed(0)) < wrong
    likely = torch.where(right ^ flipped, 0.6, 0.3)
    return torch.stack([torch.full_like(likely, 0.1), 0.9 - likely, likely]), right


@pytest.mark.parametrize("size", [(64, 96), (62, 93), (33, 128)])
@pytest.mark.parametrize("stride", [4, 8])
def test_cells_that_look_alike_get_one_label(size, stride):
    probabilities, right = unsure(-(-size[0] // stride), -(-size[1] // stride))
    network = Classifier(Means(), classes=3, frozen=False)
    found = feature_crf.refined(probabilities, halves(*size, noise=20), network, FEATURE_CRF, stride=stride)
    assert found.shape == probabilities.shape and found.dtype == probabilities.dtype
    torch.testing.assert_close(found.sum(0), torch.ones_like(found[0]))
    before, after = ((maps.argmax(0) == 1 + right.long()).float().mean() for maps in (probabilities, found))
    assert before < 0.85 and after > 0.94


@pytest.mark.parametrize("size", [(60, 80), (61, 80)])
def test_a_large_grid_is_refined_by_larger_cells(size):
    """As a small one of the same picture would be, and each cell by its own probabilities."""
    probabilities, right = unsure(*size)
    network = Classifier(Means(), classes=3, frozen=False)
    photograph = halves(4 * size[0], 4 * size[1], noise=20)
    found = feature_crf.refined(probabilities, photograph, network, FEATURE_CRF, stride=4)
    inside = torch.ones_like(right)
    inside[:, 38:42] = False  # beside the edge messages are those of both sides
    assert (found.argmax(0) == 1 + right.long())[inside].float().mean() > 0.99


def test_larger_cells_lie_where_those_of_the_grid_do(monkeypatch):
    """Each is of so many of the grid's cells from its first one on, and as wide beside the kernel as they are."""
    seen = {}

    def marginals(unary, kernel, *, steps):
        seen["unary"] = unary
        return unary.neg().softmax(1)

    def kernel(colours, found, numbers):
        seen["cells"] = numbers.cells

    monkeypatch.setattr(feature_crf.features, "marginals", marginals)
    monkeypatch.setattr(feature_crf.features, "kernel", kernel)
    probabilities, _ = unsure(61, 83)
    network = Classifier(Means(), classes=3, frozen=False)
    feature_crf.refined(probabilities, halves(244, 332), network, FEATURE_CRF, stride=4)
    logs = probabilities.log()
    assert seen["unary"].shape == (1, 3, 31, 42) and seen["cells"] == FEATURE_CRF.cells / 2
    torch.testing.assert_close(-seen["unary"][0, :, 7, 11], logs[:, 14:16, 22:24].mean((1, 2)))
    torch.testing.assert_close(-seen["unary"][0, :, 30, 41], logs[:, 60, 82])


def test_half_precision_stays_half(tmp_path):
    probabilities, _ = unsure(4, 6)
    network = Classifier(Means(), classes=3, frozen=False)
    found = feature_crf.refined(probabilities.half(), halves(16, 24), network, FEATURE_CRF, stride=4)
    assert found.dtype == torch.float16


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(0)
    file.save(tmp_path / "classifier.safetensors", Classifier.build(FEATURES, classes=3), About(CLASSES, "tags"))
    return tmp_path / "classifier.safetensors"


def test_a_warped_network_has_the_features_of_its_square(classifier):
    photograph = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    probabilities, _ = unsure(4, 4)
    refine = feature_crf.refining(classifier, CLASSES, FEATURE_CRF, stride=8, warped_px=32)
    network = file.load(classifier, Classifier)[0]
    from wsss.datasets import pictures

    square = pictures.warped(photograph, 32)
    expected = feature_crf.refined(probabilities, square, network, FEATURE_CRF, stride=8)
    torch.testing.assert_close(refine(photograph, probabilities), expected)
    assert not torch.allclose(expected, probabilities, atol=0.05)


def test_without_a_crf_nothing_changes(classifier):
    probabilities, _ = unsure(2, 2)
    assert feature_crf.refining(None, CLASSES, NO_FEATURE_CRF, stride=8)(None, probabilities) is probabilities
    assert feature_crf.required([classifier], NO_FEATURE_CRF) is None
    assert feature_crf.required([classifier], FEATURE_CRF) == classifier


def test_a_classifier_that_is_not_there_or_of_other_classes_is_refused(classifier):
    with pytest.raises(WsssError, match="feature_crf.weight is 3, but there is no classifier: give its file, or 0"):
        feature_crf.required([], replace(FEATURE_CRF, weight=3))
    with pytest.raises(WsssError, match="has other classes than the segmenter"):
        feature_crf.refining(classifier, Classes.of({"cat": 1, "cow": 2}), FEATURE_CRF, stride=8)
