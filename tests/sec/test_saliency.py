"""Where the scores of a classifier hang on an image."""

import pytest
import torch
from torch import nn

from wsss.networks.classifier import Classifier
from wsss.options.network import Features
from wsss.sec.saliency import saliency


class Squares(nn.Module):
    """Taps x and x^2 of an image, so that the gradient at a cell is known."""

    def forward(self, images):
        first = images * 1
        return first, first, first**2


class Toy(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.backbone = Squares()
        self.head = nn.Conv2d(3, len(weight), 1, bias=False)
        self.head.weight.data = torch.tensor(weight)[:, :, None, None]


def test_by_hand():
    # two classes with weights (1, 0, -3) and (1, 2, 0): the sum of the scores of a cell is 2 x^2 + 2 y^2 - 3 z^2,
    # its gradient (4 x, 4 y, -6 z)
    network = Toy([[1.0, 0.0, -3.0], [1.0, 2.0, 0.0]])
    image = torch.tensor([[1.0, 0.5], [0.5, 2.0], [0.25, 1.0]]).reshape(1, 3, 1, 2).requires_grad_()
    found = saliency(network, image)
    torch.testing.assert_close(found, torch.tensor([4.0, 8.0]).reshape(1, 1, 1, 2))


def test_it_does_not_hang_on_the_size_of_the_image():
    network = Toy([[1.0, 2.0, 3.0]])
    small, large = (torch.full((1, 3, side, side), 0.5, requires_grad=True) for side in (4, 12))
    torch.testing.assert_close(saliency(network, large)[..., :4, :4], saliency(network, small))


def test_images_do_not_touch_one_another():
    network = Toy([[1.0, 2.0, 3.0]])
    images = torch.rand(3, 3, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    together = saliency(network, images)
    torch.testing.assert_close(together[1:2], saliency(network, images[1:2]))


@pytest.mark.parametrize(
    ("backbone", "stride"), [("timm/test_efficientnet", 8), ("timm/resnet10t", 16), ("vgg16", 8), ("resnet38", 8)]
)
def test_any_backbone(backbone, stride):
    torch.manual_seed(0)
    network = Classifier.build(Features(backbone, stride=stride, weights="none", freeze=True), classes=4).eval()
    images = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    found = saliency(network, images)
    with torch.no_grad():
        assert found.shape == (1, 1, *network.backbone(images)[0].shape[-2:])
    assert found.isfinite().all()
    assert found.max() > 0
    assert not found.requires_grad
