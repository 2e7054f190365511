"""BatchNorm folded into the convolution before it, and the convolutions' own backward pass."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss.networks import backbones, convolution, fold

NETWORKS = {"timm/test_efficientnet": 12, "timm/resnet18": 20, "timm/tf_efficientnet_lite0": 48, "vgg16": 0}
"""Pairs of a convolution and a norm, by backbone."""


class Shortcut(nn.Module):
    """A convolution whose output goes into a norm and, beside it, into a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(2))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        return maps + self.norms[1](self.second(self.norms[0](maps).relu()))


class Twice(nn.Module):
    """A norm that two convolutions share, and a convolution that is an output as well."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(3, 4, 1) for _ in range(3))
        self.shared, self.own = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        first, second, third = (layer(images) for layer in self.convolutions)
        return self.shared(first), self.shared(second), third, self.own(third)


def with_statistics(network: nn.Module) -> nn.Module:
    """The network in float64, its norms with statistics as of a trained one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
    return network.double().eval()


def images(height: int = 45, width: int = 70) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def outputs_and_gradients(network: nn.Module) -> list[Tensor]:
    network.zero_grad()
    outputs = network(images())
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    sum(maps.square().mean() for maps in outputs).backward()
    gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    return [*(maps.detach() for maps in outputs), *gradients]


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_stay(name):
    network = with_statistics(backbones.build(name, stride=8, weights="none", field_dilation=1))
    before = outputs_and_gradients(network)
    assert len(fold.pairs(network)) == NETWORKS[name]
    fold.install(network)
    torch.testing.assert_close(outputs_and_gradients(network), before, rtol=1e-9, atol=1e-12)


def test_the_norms_do_nothing_any_more():
    network = with_statistics(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    expected = network(images())
    fold.install(network)
    network[1].register_forward_hook(lambda norm, given, made: torch.testing.assert_close(made, given[0]))
    torch.testing.assert_close(network(images()), expected)


def test_what_is_used_elsewhere_is_left_alone():
    network = with_statistics(Shortcut())
    before = outputs_and_gradients(network)
    (pair,) = fold.pairs(network)
    assert pair.convolution is network.second
    fold.install(network)
    torch.testing.assert_close(outputs_and_gradients(network), before, rtol=1e-9, atol=1e-12)
    assert fold.pairs(Twice()) == []


def test_a_norm_that_learns_is_one():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).double()
    other = copy.deepcopy(network)
    fold.install(network)
    torch.testing.assert_close(network.train()(images()), other.train()(images()))
    torch.testing.assert_close(network[1].running_mean, other[1].running_mean)
    torch.testing.assert_close(network.eval()(images()), other.eval()(images()))


def test_finding_the_pairs_changes_nothing():
    network = backbones.build("timm/test_efficientnet", stride=8, weights="none", field_dilation=1).train()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    fold.install(network)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in network.modules())
    assert all(p.grad is None for p in network.parameters())


def test_a_copy_has_weights_of_its_own():
    network = with_statistics(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    fold.install(network)
    other = copy.deepcopy(network)
    with torch.no_grad():
        network[0].weight.zero_()
        network[1].bias.zero_()
    assert other(images()).std() > 0.01


@pytest.mark.parametrize("dilation", [(2, 2), (3, 2), (1, 4)])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 3)])
@pytest.mark.parametrize("size", [(12, 18), (7, 11), (2, 3)])
@pytest.mark.parametrize("biased", [True, False])
def test_the_backward_pass_is_that_of_torch(dilation, kernel, size, biased):
    padding = tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
    layer = nn.Conv2d(6, 6, kernel, padding=padding, dilation=dilation, groups=6, bias=biased).double()
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 6, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    to = torch.randn(2, 6, *size, generator=generator, dtype=torch.float64)
    wanted = [maps, *layer.parameters()]
    found = convolution.conv2d(layer, maps, layer.weight, layer.bias)
    assert "Depthwise" in type(found.grad_fn).__name__
    expected = layer(maps)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(made, wanted, to) for made in (found, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("changes", [{"groups": 1}, {"groups": 3}, {"stride": 2}, {"dilation": 1}, {"padding": 0}])
def test_other_convolutions_are_left_to_torch(changes):
    layer = nn.Conv2d(6, 6, 3, **({"padding": 2, "dilation": 2, "groups": 6} | changes))
    maps = torch.randn(1, 6, 12, 12, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = convolution.conv2d(layer, maps, layer.weight, layer.bias)
    assert "Depthwise" not in type(found.grad_fn).__name__
    torch.testing.assert_close(found, layer(maps))


@pytest.mark.parametrize("size", [(12, 12), (13, 10), (9, 16)])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (3, 1, 2), (4, 1, 1), (3, 3, 2)])
def test_padding_as_in_tensorflow(size, kernel, stride, dilation):
    timm_layers = pytest.importorskip("timm.layers")
    layer = timm_layers.create_conv2d(
        4, 4, kernel, stride=stride, dilation=dilation, padding="same", bias=True, depthwise=True
    )
    maps = torch.randn(1, 4, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(convolution.conv2d(layer, maps, layer.weight, layer.bias), layer(maps))


def test_layers_of_unknown_kinds_are_left_alone():
    class Standardised(nn.Conv2d):
        def forward(self, maps: Tensor) -> Tensor:
            return F.conv2d(maps, self.weight - self.weight.mean(), self.bias)

    network = nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4))
    assert fold.pairs(network) == []
    assert fold.pairs(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4))) == []
