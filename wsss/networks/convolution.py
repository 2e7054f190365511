"""Convolutions with given weights, and a faster backward pass of those that are depthwise and dilated, on a CPU.

oneDNN takes some ten times as long for the gradient of a dilated depthwise convolution with respect to its input as for
the convolution itself. At stride 1 that gradient is such a convolution, with the flipped kernel; and the gradient with
respect to the kernel is that of a convolution without dilation, on the interleaved grids of every d-th pixel.
"""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LAYERS = ("torch.nn.modules.conv.Conv2d", "timm.layers.conv2d_same.Conv2dSame")
"""Layers that `conv2d` can stand for; timm's pads like TensorFlow, by the size of the image."""


def is_known(module: nn.Module) -> bool:
    """Whether `conv2d` can stand for a module: a subclass may do something else."""
    known = f"{type(module).__module__}.{type(module).__qualname__}" in LAYERS
    return known and getattr(module, "padding_mode", "zeros") == "zeros"


def install(network: nn.Module) -> None:
    """Let the convolutions of a network have the faster backward pass where there is one; their weights stay."""
    for module in network.modules():
        if is_known(module) and module.groups > 1 and max(module.dilation) > 1:
            module.forward = partial(forward, module)


def forward(layer: nn.Conv2d, maps: Float[Tensor, "batch _ height width"]) -> Float[Tensor, "batch _ _ _"]:
    """What a layer of a kind in LAYERS does."""
    return conv2d(layer, maps, layer.weight, layer.bias)


def conv2d(
    layer: nn.Conv2d,
    maps: Float[Tensor, "batch _ height width"],
    weight: Float[Tensor, "channels _ _ _"],
    bias: Float[Tensor, " channels"] | None,
) -> Float[Tensor, "batch channels _ _"]:
    """What a layer of a kind in LAYERS does, with other weights than its own.

    Args:
        layer: gives stride, padding, dilation and groups.
        maps: its input.
        weight, bias: in place of the layer's.
    """
    padding = layer.padding
    if type(layer) is not nn.Conv2d:
        maps, padding = _padded_as_tensorflow(layer, maps)
    if _is_slow_backward(layer, maps, weight, padding):
        return _Depthwise.apply(maps, weight, bias, layer.dilation)
    return F.conv2d(maps, weight, bias, layer.stride, padding, layer.dilation, layer.groups)


def _padded_as_tensorflow(layer: nn.Conv2d, maps: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """The maps filled up as TensorFlow's SAME does, and the padding that is left to the convolution.

    Where both ends get the same, as at stride 1 and an odd kernel, the convolution itself fills up.
    """
    before, after = [], []
    for length, kernel, step, dilation in zip(
        maps.shape[-2:], layer.kernel_size, layer.stride, layer.dilation, strict=True
    ):
        lacking = max((-(-length // step) - 1) * step + (kernel - 1) * dilation + 1 - length, 0)
        before.append(lacking // 2)
        after.append(lacking - lacking // 2)
    if before == after:
        return maps, (before[0], before[1])
    return F.pad(maps, (before[1], after[1], before[0], after[0])), (0, 0)


def _is_slow_backward(layer: nn.Conv2d, maps: Tensor, weight: Tensor, padding: tuple[int, int] | str) -> bool:
    """Whether torch's own backward pass is slow, and the one here can take its place."""
    kernel, dilation = layer.kernel_size, layer.dilation
    keeps_size = padding == "same" or padding == tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
    return (
        maps.device.type == "cpu"
        and layer.groups == maps.shape[1] == weight.shape[0]
        and layer.stride == (1, 1)
        and max(dilation) > 1
        and all(side % 2 for side in kernel)
        and keeps_size
        and (maps.requires_grad or weight.requires_grad)
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


class _Depthwise(torch.autograd.Function):
    """A depthwise, dilated convolution with stride 1 and an odd kernel that keeps the size of its maps."""

    @staticmethod
    def forward(ctx, maps: Tensor, weight: Tensor, bias: Tensor | None, dilation: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.dilation = dilation
        return _same_size(maps, weight, bias, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        maps, weight = ctx.saved_tensors
        to_maps, to_weight, to_bias, _ = ctx.needs_input_grad
        return (
            _same_size(gradient, weight.flip(-2, -1), None, ctx.dilation) if to_maps else None,
            _weight_gradient(maps, gradient, weight, ctx.dilation) if to_weight else None,
            gradient.sum((0, 2, 3)) if to_bias else None,
            None,
        )


def _same_size(maps: Tensor, weight: Tensor, bias: Tensor | None, dilation: tuple[int, int]) -> Tensor:
    return F.conv2d(maps, weight, bias, padding="same", dilation=dilation, groups=maps.shape[1])


def _weight_gradient(maps: Tensor, gradient: Tensor, weight: Tensor, dilation: tuple[int, int]) -> Tensor:
    """The gradient with respect to the kernel, as that of a convolution without dilation on interleaved grids."""
    maps, gradient = _interleaved(maps, dilation), _interleaved(gradient, dilation)
    padding = [side // 2 for side in weight.shape[-2:]]
    return torch.nn.grad.conv2d_weight(maps, weight.shape, gradient, padding=padding, groups=maps.shape[1])


def _interleaved(maps: Tensor, dilation: tuple[int, int]) -> Tensor:
    """The grids of every d-th row and column as images of a batch; rows and columns that lack are filled with 0."""
    down, across = dilation
    batch, channels, height, width = maps.shape
    rows, columns = -(-height // down), -(-width // across)
    maps = F.pad(maps, (0, columns * across - width, 0, rows * down - height))
    grids = maps.reshape(batch, channels, rows, down, columns, across).permute(0, 3, 5, 1, 2, 4)
    return grids.reshape(-1, channels, rows, columns).contiguous(memory_format=torch.channels_last)
