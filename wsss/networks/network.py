"""What all networks have in common: a backbone handed in, plus a head."""

from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss.maths import grid
from wsss.networks import backbones, convolution, fold
from wsss.options.network import Features

Built = TypeVar("Built", bound="Network")

MOST_PIXELS = 300_000
"""Of the images that go through a backbone together on a CPU: the maps of more of them do not stay in its caches."""


class Network(nn.Module):
    """A backbone and a head.

    If it is frozen, the early layers and all BatchNorm layers of the backbone keep their pretrained weights, as in the
    papers. A subclass names its `kind`, which its file states, and has a classmethod `build`, which makes the network
    from options alone. `features` and `shape` are the arguments of `build`: they are all that is needed to build the
    network again, before its weights are loaded.
    """

    kind: ClassVar[str]
    features: Features
    shape: dict[str, float]

    def __init__(self, backbone: nn.Module, *, frozen: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.frozen = frozen
        convolution.install(backbone)
        fold.install(backbone)

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        if self.frozen:
            for module in self.backbone.early:
                module.requires_grad_(False)
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval().requires_grad_(False)
        return self

    def taps(self, images: Float[Tensor, "batch 3 height width"], multiple: int) -> tuple[Tensor, ...]:
        """The backbone's taps of images that are filled up to whole multiples of a number of pixels."""
        return self.taps_of_whole(grid.padded(images, multiple, fill=self.backbone.mean))

    def taps_of_whole(self, images: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        """The backbone's taps; on a CPU a few images after the other, which is faster and the same but for rounding."""
        parts = images.split(self._together(images))
        if len(parts) == 1:
            return self.backbone(images)
        return tuple(map(torch.cat, zip(*map(self.backbone, parts), strict=True)))

    def _together(self, images: Tensor) -> int:
        """How many images go through the backbone at once: all where a norm has the statistics of the batch."""
        norms = (module for module in self.backbone.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
        if images.device.type != "cpu" or any(norm.training or norm.running_mean is None for norm in norms):
            return len(images)
        return max(1, MOST_PIXELS // (images.shape[-2] * images.shape[-1]))

    def parameter_groups(self, *, new_layers_factor: float, weight_decay: float) -> list[dict]:
        """Weights, biases and the scales of norms, of the backbone and of the head, each a group.

        Biases learn twice as fast; neither they nor the scales of norms are decayed.
        """
        groups = []
        for module, factor in ((self.backbone, 1), (self.new_layers(), new_layers_factor)):
            named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
            biases = [p for name, p in named if name.endswith("bias")]
            scales = [p for name, p in named if not name.endswith("bias") and p.ndim <= 1]
            weights = [p for name, p in named if not name.endswith("bias") and p.ndim > 1]
            groups.append({"params": weights, "factor": factor, "weight_decay": weight_decay})
            groups.append({"params": scales, "factor": factor, "weight_decay": 0.0})
            groups.append({"params": biases, "factor": 2 * factor, "weight_decay": 0.0})
        return [group for group in groups if group["params"]]

    def new_layers(self) -> nn.ModuleList:
        """Everything but the backbone."""
        return nn.ModuleList(module for name, module in self.named_children() if name != "backbone")

    @classmethod
    def built(
        cls: type[Built], features: Features, *, field_dilation: int, shape: dict[str, float], **more: object
    ) -> Built:
        """The network on the backbone that the options name, remembering what it was built from; for `build`.

        Args:
            features: the backbone.
            field_dilation: of VGG-16's fc6, in cells.
            shape: the arguments of `build` beside `features`.
            more: arguments of the class beside `backbone` and `frozen`.
        """
        backbone = backbones.build(
            features.backbone, stride=features.stride, weights=features.weights, field_dilation=field_dilation
        )
        network = cls(backbone, frozen=features.freeze, **more)
        network.features, network.shape = features, shape
        return network
