"""The evidence of the latent CRF: what a classifier finds in photographs and windows of them, or stored maps say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from settings import BOUND, FEATURES, PRIOR
from torch import nn

from wsss.networks.classifier import Classifier
from wsss.training.lcrf_evidence import Evidence, evidence, finder, stored_maps


def test_evidence_of_a_mirrored_photograph_is_mirrored():
    torch.manual_seed(0)
    frozen = Classifier.build(FEATURES, classes=3).eval().requires_grad_(False)
    photographs = torch.rand(2, 3, 32, 32)
    found = evidence(frozen, photographs, 4, scale=1.5)
    mirrored = evidence(frozen, photographs.flip(-1), 4, scale=1.5)
    assert found.scores.shape[2:] == found.features.shape[2:] == (4, 4)
    torch.testing.assert_close(mirrored.scores, found.scores.flip(-1))
    torch.testing.assert_close(mirrored.features, found.features.flip(-1))


class Means(nn.Module):
    """A backbone whose one layer are the mean colours of its cells."""

    channels, mean = (3,), (0.5, 0.5, 0.5)

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, images):
        return (nn.functional.avg_pool2d(images, self.stride),)


@pytest.mark.parametrize(("stride", "side"), [(16, 64), (16, 136), (32, 136)])
@pytest.mark.parametrize("scale", [0.7, 1, 1.1, 1.5])
def test_evidence_lies_where_the_photograph_has_it(stride, side, scale):
    """Also where the classifier's cells do not divide the resized photograph: no side of it is filled up."""
    judge = Classifier(Means(stride), classes=4, frozen=False)
    nn.init.dirac_(judge.head.weight)
    photographs = torch.zeros(1, 3, side, side)
    photographs[..., side // 2 :, side // 2 :] = 1
    found = evidence(judge, photographs, 16, scale=scale).scores[0, 0]
    torch.testing.assert_close(found, found.T)
    edge = (1 - found[-1] / found[-1].max()).sum() / 16  # the share of the last row before the middle
    assert abs(edge - 0.5) < 0.03


@pytest.fixture
def ramp():
    """Evidence that says where it is: from 0 to 1 from left to right, from top to bottom, and both."""
    across = ((torch.arange(8) + 0.5) / 8).expand(8, 8)
    maps = torch.stack([across, across.T, across + across.T])[None].repeat(2, 1, 1, 1)
    return Evidence(maps, torch.full((2, 3), 2.0), maps[:, :1])


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_evidence_of_a_window_is_that_of_the_photograph_there(ramp, mirrored):
    left, top, right, bottom = 0.25, 0.5, 0.75, 1.0
    window = torch.tensor([[right, top, left, bottom] if mirrored else [left, top, right, bottom]] * 2)
    found = ramp.within(window, 4)
    across, down = torch.arange(4) / 8 + left + 1 / 16, torch.arange(4) / 8 + top + 1 / 16
    expected = across.expand(4, 4).flip(-1) if mirrored else across.expand(4, 4)
    torch.testing.assert_close(found.scores[1, 0], expected)
    torch.testing.assert_close(found.scores[1, 1], down[:, None].expand(4, 4))
    torch.testing.assert_close(found.cams, found.scores / 2)
    torch.testing.assert_close(found.features, found.scores[:, :1])


def test_the_evidence_of_the_whole_is_that_of_the_photograph(ramp):
    torch.testing.assert_close(ramp.within(torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2), 8), ramp)


def test_stored_maps_are_on_the_grid_of_all_classes():
    cam = np.array([[[0.25, 0.5], [0.75, 1.0]]], np.float16)
    maps = stored_maps(cam, np.array([2], np.uint8), (2, 2), stride=1, foreground=3, side=2)
    torch.testing.assert_close(maps, torch.stack([torch.zeros(2, 2), torch.from_numpy(cam[0]).float(), maps[0]]))
    assert not stored_maps(cam[:0], np.array([], np.uint8), (4, 4), stride=2, foreground=3, side=4).any()
    fine = np.eye(8, dtype=np.float16)[None]
    coarse = stored_maps(fine, np.array([1], np.uint8), (8, 8), stride=1, foreground=1, side=2)
    assert coarse[0].diagonal().tolist() == pytest.approx([0.25, 0.25], abs=0.1)  # means, and no samples


@pytest.mark.parametrize("stride", [4, 8, 16])
@pytest.mark.parametrize("height", [100, 75])
def test_stored_maps_lie_where_the_photograph_has_them(height, stride):
    """Also where its last cells reach beyond it: a map that holds the height of each place holds it on the square."""
    cells = -(-height // stride)
    heights = ((np.arange(cells) + 0.5) * stride / height)[:, None].repeat(5, 1)[None]
    found = stored_maps(heights, np.array([1], np.uint8), (height, 5 * stride), stride=stride, foreground=1, side=16)
    inner = slice(1 + 8 * stride // height, 15 - 8 * stride // height)  # half a cell from the border nothing is between
    expected = (torch.arange(16) + 0.5)[inner, None].expand(-1, 16) / 16
    torch.testing.assert_close(found[0, inner].double(), expected.double(), rtol=0, atol=0.01)


@pytest.fixture
def judge():
    torch.manual_seed(0)
    return Classifier.build(FEATURES, classes=3).eval().requires_grad_(False)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_a_window_is_judged_by_its_photograph(judge, scale):
    """The map of a class is over its largest value in the photograph, and not in the window."""
    wholes = torch.rand(2, 3, 64, 64)
    windows = torch.tensor([[0.5, 0.25, 1.0, 0.75], [0.5, 0.0, 0.0, 0.5]])  # the second one is mirrored
    parts = torch.stack([wholes[0, :, 16:48, 32:], wholes[1, :, :32, :32].flip(-1)])
    photographs = torch.nn.functional.interpolate(parts, (64, 64), mode="bilinear")
    found_in = finder(judge, replace(BOUND, evidence_scale=scale), PRIOR, cells=8)
    found = found_in(photographs, windows, None, wholes)
    expected = evidence(judge, wholes, 8, scale=scale, finer=max(1, scale)).within(windows, 8)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found.cams, evidence(judge, photographs, 8, scale=scale).cams, atol=0.05)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_a_window_that_is_the_whole_photograph_has_its_evidence(judge, scale):
    wholes = torch.rand(2, 3, 64, 64)
    found_in = finder(judge, replace(BOUND, evidence_scale=scale), PRIOR, cells=64 // judge.backbone.stride)
    windowed = found_in(wholes, torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2), None, wholes)
    plain = found_in(wholes, torch.empty(2, 4))
    torch.testing.assert_close(windowed.scores, plain.scores)
    torch.testing.assert_close(windowed.cams, plain.cams)
    assert plain.cams.amax((-2, -1)) == pytest.approx(
        torch.ones(2, 2), abs=0.01
    )  # scores are over their largest + 1e-5


def test_stored_maps_are_mirrored_and_cut_as_photographs_are(judge):
    """Of windows on a finer grid, and over the largest value that the photograph has on the network's."""
    bound = replace(BOUND, evidence_from="cams", evidence_scale=1.5)
    found_in = finder(judge, bound, PRIOR, cells=8)
    wholes, cams = torch.rand(1, 3, 64, 64), torch.rand(1, 2, 8, 8)
    plain = found_in(wholes, torch.tensor([[0.0, 0.0, 1.0, 1.0]]), cams)
    mirrored = found_in(wholes.flip(-1), torch.tensor([[1.0, 0.0, 0.0, 1.0]]), cams)
    torch.testing.assert_close(mirrored.cams.flip(-1), plain.cams, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plain.cams, cams / cams.amax((-2, -1), keepdim=True), rtol=1e-4, atol=1e-4)
    ramp = ((torch.arange(16) + 0.5) / 16).expand(1, 2, 16, 16)
    part = torch.nn.functional.interpolate(wholes[..., :32, 32:], (64, 64))
    cut = found_in(part, torch.tensor([[0.5, 0.0, 1.0, 0.5]]), ramp, wholes)
    expected = ((torch.arange(8) + 8.5) / 16 / (15 / 16)).clamp(max=1).expand(1, 2, 8, 8)
    torch.testing.assert_close(cut.cams, expected, rtol=0, atol=1e-4)
    whole = found_in(wholes, torch.tensor([[0.0, 0.0, 1.0, 1.0]]), ramp, wholes)
    coarse = torch.nn.functional.avg_pool2d(ramp, 2) / (15 / 16)
    torch.testing.assert_close(whole.cams, coarse, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_features_beside_stored_maps_are_the_classifiers(judge, scale):
    prior, cams = replace(PRIOR, appearance_features=0.4), torch.rand(2, 2, 8, 8)
    found_in = finder(judge, replace(BOUND, evidence_from="cams", evidence_scale=scale), prior, cells=8)
    wholes, whole = torch.rand(2, 3, 64, 64), torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2)
    resized = torch.nn.functional.interpolate(wholes, scale_factor=scale, mode="bilinear")
    expected = judge.features_at(resized, (8, 8))
    torch.testing.assert_close(found_in(wholes, whole, cams).features, expected)
    torch.testing.assert_close(found_in(wholes.flip(-1), whole, cams, wholes).features, expected, rtol=1e-4, atol=1e-4)
    mean = (expected + judge.features_at(resized.flip(-1), (8, 8)).flip(-1)) / 2
    torch.testing.assert_close(evidence(judge, wholes, 8, scale=scale).features, mean)
    assert finder(judge, BOUND, PRIOR, cells=8)(wholes, whole, cams).features is None
