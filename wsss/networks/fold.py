"""BatchNorm with fixed statistics, folded into the convolution before it: one pass over the maps in place of two.

With the running mean m and variance v of a norm, its scale g and shift b, and the convolution W * x + c before it,

    g (W * x + c - m) / sqrt(v + eps) + b  =  (s W) * x + (s (c - m) + b),    s = g / sqrt(v + eps)

which is exact but for rounding, and has the same gradient with respect to W. The weights themselves stay as they are,
in memory and in files, so that a network may learn on, or be written, at any time. A norm in training mode, whose
statistics are those of the batch, is not folded.
"""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wsss.networks import convolution

NORMS = ("torch.nn.modules.batchnorm.BatchNorm2d", "timm.layers.norm_act.BatchNormAct2d")
"""Layers that are known to be a BatchNorm, and in timm's case a DropBlock and an activation after it."""

PROBE_PX = 64
"""Side of the image by which the pairs are found."""


class Pair(NamedTuple):
    """A convolution and the norm that alone takes its output."""

    convolution: nn.Conv2d
    norm: nn.BatchNorm2d

    def folds(self) -> bool:
        """Whether the norm now has fixed statistics."""
        return not self.norm.training and self.norm.running_mean is not None

    def weights(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution that does the work of both."""
        norm, layer = self.norm, self.convolution
        scale = (norm.running_var + norm.eps).rsqrt()
        if norm.weight is not None:
            scale = scale * norm.weight
        mean = norm.running_mean if layer.bias is None else norm.running_mean - layer.bias
        shift = -scale * mean if norm.bias is None else norm.bias - scale * mean
        return layer.weight * scale[:, None, None, None], shift

    def convolved(self, maps: Tensor) -> Tensor:
        """Forward of the convolution."""
        if not self.folds():
            return convolution.forward(self.convolution, maps)
        return convolution.conv2d(self.convolution, maps, *self.weights())

    def normalised(self, maps: Tensor) -> Tensor:
        """Forward of the norm: what comes after it, where the convolution has done its work."""
        if not self.folds():
            return type(self.norm).forward(self.norm, maps)
        return self.norm.act(self.norm.drop(maps)) if hasattr(self.norm, "act") else maps


def install(network: nn.Module) -> None:
    """Let each convolution of a network do the work of its norm from now on, whenever that has fixed statistics.

    The network is run once, on a grey image.
    """
    for pair in pairs(network):
        pair.convolution.forward = partial(Pair.convolved, pair)
        pair.norm.forward = partial(Pair.normalised, pair)


def pairs(network: nn.Module) -> list[Pair]:
    """The convolutions whose output goes into one norm and nowhere else, each with it.

    They are read from the graph that autograd keeps of a forward pass, so that it does not matter how the network is
    written; a convolution whose output is also added to something, or is an output of the network, is not among them.
    """
    if not any(_is_norm(module) for module in network.modules()):
        return []
    made, taken = _traced(network)
    calls = Counter(id(layer) for layer in (*made.values(), *(norm for _, norm in taken)))
    once = [(made[node], norm) for node, norm in taken if node in made]
    return [Pair(layer, norm) for layer, norm in once if calls[id(layer)] == calls[id(norm)] == 1]


def _traced(network: nn.Module) -> tuple[dict[object, nn.Conv2d], list[tuple[object, nn.Module]]]:
    """Nodes of the graph that convolutions made and one other took, and the nodes that norms took."""
    made: dict[object, nn.Conv2d] = {}
    taken: list[tuple[object, nn.Module]] = []
    hooks = []
    for module in network.modules():
        if _is_norm(module):
            hooks.append(module.register_forward_pre_hook(lambda norm, given: taken.append((given[0].grad_fn, norm))))
        elif convolution.is_known(module):
            hooks.append(module.register_forward_hook(lambda layer, _, maps: made.update({maps.grad_fn: layer})))
    weight = next(network.parameters())
    probe = torch.full((1, 3, PROBE_PX, PROBE_PX), 0.5, dtype=weight.dtype, device=weight.device, requires_grad=True)
    modes = {module: module.training for module in network.modules()}
    try:
        with torch.enable_grad():
            outputs = network.eval()(probe)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    uses = _uses(outputs if isinstance(outputs, Iterable) and not isinstance(outputs, Tensor) else [outputs])
    return {node: layer for node, layer in made.items() if uses[node] == 1}, taken


def _uses(outputs: Iterable[Tensor]) -> Counter:
    """How often each node of the graph is used, by other nodes or as an output."""
    waiting = [maps.grad_fn for maps in outputs]
    uses = Counter(waiting)
    seen = set(waiting)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is None:
                continue
            uses[node] += 1
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return uses


def _is_norm(module: nn.Module) -> bool:
    """Whether a module is one of NORMS itself; a subclass may do something else."""
    return f"{type(module).__module__}.{type(module).__qualname__}" in NORMS
