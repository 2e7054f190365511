"""PSA's ResNet-38: the pre-activation Wide-ResNet-38 (A1) of Wu et al. 2016 (arXiv:1611.10080), at stride 8.

Names of layers are those of the state dicts that PSA (Ahn & Kwak 2018, arXiv:1803.10464) and its followers pass on:
b3_1.conv_branch2a is MXNet's res3b1_branch2a. Its ImageNet weights exist as an MXNet .params file, read here without
MXNet. Nothing has a bias.
"""

import re
import struct
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss.networks.backbones.backbone import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    Weights,
    check_stride,
    load_weights,
    read_weights,
)
from wsss.options.network import weights_file
from wsss.runtime.errors import WsssError

HEADS = r"fc8\.|linear1000"
"""Classifiers in files: PSA's, and that of ImageNet."""

LIST_MAGIC = 0x112
MAGIC_V1, MAGIC_V2, MAGIC_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
TYPES = (torch.float32, torch.float64, torch.float16, torch.uint8, torch.int32, torch.int8, torch.int64)
"""By MXNet's type flag."""
MAX_DIMENSIONS = 32

MXNET_LAYER = re.compile(r"(res|bn)(\d)(?:a|b(\d+))_branch(\w+?)_(weight|gamma|beta|moving_mean|moving_var)")
MXNET_ENDS = {
    "weight": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_var": "running_var",
}


class Block(nn.Module):
    """Two 3 x 3 convolutions, each after batch normalisation and ReLU; a 1 x 1 shortcut where the shape changes."""

    def __init__(self, before: int, middle: int, after: int, *, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        first, second = dilations
        self.bn_branch2a = nn.BatchNorm2d(before)
        self.conv_branch2a = nn.Conv2d(before, middle, 3, stride, padding=first, dilation=first, bias=False)
        self.bn_branch2b1 = nn.BatchNorm2d(middle)
        self.conv_branch2b1 = nn.Conv2d(middle, after, 3, padding=second, dilation=second, bias=False)
        self.has_shortcut = before != after or stride != 1
        if self.has_shortcut:
            self.conv_branch1 = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(
        self, x: Float[Tensor, "batch before height width"]
    ) -> tuple[Float[Tensor, "batch after rows columns"], Float[Tensor, "batch before height width"]]:
        """Output of the block, and its input after batch normalisation and ReLU: the taps are such."""
        active = self.bn_branch2a(x).relu()
        shortcut = self.conv_branch1(active) if self.has_shortcut else x
        residual = self.conv_branch2b1(self.bn_branch2b1(self.conv_branch2a(active)).relu())
        return shortcut + residual, active


class Bottleneck(nn.Module):
    """1 x 1, dilated 3 x 3 and 1 x 1 convolutions, with dropout; the 1 x 1 shortcut is always there."""

    def __init__(self, before: int, after: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        narrow, middle = after // 4, after // 2
        self.bn_branch2a = nn.BatchNorm2d(before)
        self.conv_branch2a = nn.Conv2d(before, narrow, 1, bias=False)
        self.bn_branch2b1 = nn.BatchNorm2d(narrow)
        self.dropout_2b1 = nn.Dropout2d(dropout)
        self.conv_branch2b1 = nn.Conv2d(narrow, middle, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn_branch2b2 = nn.BatchNorm2d(middle)
        self.dropout_2b2 = nn.Dropout2d(dropout)
        self.conv_branch2b2 = nn.Conv2d(middle, after, 1, bias=False)
        self.conv_branch1 = nn.Conv2d(before, after, 1, bias=False)

    def forward(
        self, x: Float[Tensor, "batch before height width"]
    ) -> tuple[Float[Tensor, "batch after height width"], Float[Tensor, "batch before height width"]]:
        """Output of the block, and its input after batch normalisation and ReLU."""
        active = self.bn_branch2a(x).relu()
        narrow = self.dropout_2b1(self.bn_branch2b1(self.conv_branch2a(active)).relu())
        middle = self.dropout_2b2(self.bn_branch2b2(self.conv_branch2b1(narrow)).relu())
        return self.conv_branch1(active) + self.conv_branch2b2(middle), active


class Resnet38(Backbone):
    """ResNet-38; its taps are the active inputs of b5 (512) and b6 (1024), and the active output of b7 (4096)."""

    def __init__(self) -> None:
        super().__init__(channels=(512, 1024, 4096), stride=8, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        self.conv1a = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self._add_level("b2", 3, before=64, middle=128, after=128, stride=2, dilation=1)
        self._add_level("b3", 3, before=128, middle=256, after=256, stride=2, dilation=1)
        self._add_level("b4", 6, before=256, middle=512, after=512, stride=2, dilation=1)
        self._add_level("b5", 3, before=512, middle=512, after=1024, stride=1, dilation=2)
        self.b6 = Bottleneck(1024, 2048, dilation=4, dropout=0.3)
        self.b7 = Bottleneck(2048, 4096, dilation=4, dropout=0.5)
        self.bn7 = nn.BatchNorm2d(4096)

    def _add_level(
        self, name: str, blocks: int, *, before: int, middle: int, after: int, stride: int, dilation: int
    ) -> None:
        """Blocks NAME, NAME_1, ...: the first changes stride and width, and its first convolution is not dilated."""
        self.add_module(name, Block(before, middle, after, stride=stride, dilations=(1, dilation)))
        for index in range(1, blocks):
            block = Block(after, middle, after, stride=1, dilations=(dilation, dilation))
            self.add_module(f"{name}_{index}", block)

    @property
    def early(self) -> list[nn.Module]:
        """The first convolution and the first level."""
        return [self.conv1a, self.b2, self.b2_1, self.b2_2]

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch 512 rows columns"],
        Float[Tensor, "batch 1024 rows columns"],
        Float[Tensor, "batch 4096 rows columns"],
    ]:
        """Taps of RGB images in [0, 1], on a grid of stride 8, rounded up: 448 gives 56, 321 gives 41."""
        x = self.conv1a(self.normalise(images))
        active = {}
        for name, block in self.named_children():
            if isinstance(block, Block | Bottleneck):
                x, active[name] = block(x)
        return active["b5"], active["b6"], self.bn7(x).relu()


def build(*, stride: int, weights: str, field_dilation: int) -> Resnet38:
    """ResNet-38 with weights 'none' or those of a local file; `field_dilation` means nothing to it."""
    check_stride("resnet38", stride, known=8)
    if weights == "none":
        return Resnet38()
    if not weights_file(weights):
        raise WsssError(
            f"there is no download of resnet38's weights ({weights!r}): give a local file, such as MXNet's "
            "ilsvrc-cls_rna-a1_cls1000_ep-0001.params that PSA's README links to, or 'none'"
        )
    state, normalisation = _read(Path(weights))
    backbone = Resnet38()
    load_weights(backbone, state, name="resnet38", source=weights, ignored=HEADS)
    if normalisation:
        backbone.set_normalisation(mean=normalisation[0], std=normalisation[1])
    return backbone


def _read(path: Path) -> Weights:
    """Weights under our names, of a file of torch or of MXNet."""
    if path.suffix != ".params":
        return read_weights(path, name="resnet38")
    return Weights({rename_mxnet(name): value for name, value in read_mxnet_params(path).items()}, None)


def rename_mxnet(name: str) -> str:
    """Our name of a tensor of MXNet's: arg:bn3b1_branch2a_gamma is b3_1.bn_branch2a.weight. Others stay as they are."""
    name = name.removeprefix("arg:").removeprefix("aux:")
    if layer := MXNET_LAYER.fullmatch(name):
        kind, level, block, branch, end = layer.groups()
        kind = "conv" if kind == "res" else "bn"
        return f"b{level}{f'_{block}' if block else ''}.{kind}_branch{branch}.{MXNET_ENDS[end]}"
    if layer := re.fullmatch(rf"(conv1a|bn7)_({'|'.join(MXNET_ENDS)})", name):
        return f"{layer[1]}.{MXNET_ENDS[layer[2]]}"
    return name


def read_mxnet_params(path: Path) -> dict[str, Tensor]:
    """Tensors of an MXNet .params file by name ('arg:...', 'aux:...'), without MXNet.

    The file is a list of dense arrays, little-endian: uint64 magic 0x112, uint64 reserved, the arrays behind their
    uint64 count, the names behind theirs. Arrays of all four versions of the format are read.
    """
    if not path.is_file():
        raise WsssError(f"there is no weights file {path}: give the path of a .params file")
    with path.open("rb") as file:
        reader = _Reader(file, path)
        magic, _, count = reader.numbers("<3Q")
        if magic != LIST_MAGIC:
            raise WsssError(f"{path} is no MXNet file of parameters: it starts with {magic:#x}, not {LIST_MAGIC:#x}")
        arrays = [_read_array(reader) for _ in range(count)]
        names = [reader.take(reader.number("<Q")).decode(errors="replace") for _ in range(reader.number("<Q"))]
    if len(names) != len(arrays):
        raise WsssError(f"{path} holds {len(arrays)} arrays but {len(names)} names: download it again")
    return dict(zip(names, arrays, strict=True))


class _Reader:
    """Takes numbers and bytes from a file, and complains where it ends early."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.left = path.stat().st_size

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise WsssError(f"{self.path} ends {count - self.left} bytes too early: download it again")
        self.left -= count
        return self.file.read(count)

    def numbers(self, layout: str) -> tuple[int, ...]:
        """The next numbers, in a layout of `struct`."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def number(self, layout: str) -> int:
        """The next number."""
        return self.numbers(layout)[0]


def _read_array(reader: _Reader) -> Tensor:
    """One array: version, storage type, shape, device, type and data; without a shape there is nothing after it."""
    version = reader.number("<I")
    if version in (MAGIC_V2, MAGIC_V3) and (storage := reader.number("<i")) != 0:
        raise WsssError(f"{reader.path} holds a sparse array (storage type {storage}): only dense ones are read")
    if version in (MAGIC_V1, MAGIC_V2, MAGIC_V3):
        dimensions, letter = reader.number("<i"), "q"
    else:  # the oldest format has no magic, and this is the number of dimensions
        dimensions, letter = version, "I"
    # An array that was never filled has a shape that is not known: of 0 dimensions, and of -1 since version 3.
    if dimensions == (-1 if version == MAGIC_V3 else 0):
        return torch.empty(0)
    if not 0 <= dimensions <= MAX_DIMENSIONS:
        raise WsssError(f"{reader.path} is damaged: an array of {dimensions} dimensions; download it again")
    shape = reader.numbers(f"<{dimensions}{letter}")
    _, _, flag = reader.numbers("<3i")
    if not 0 <= flag < len(TYPES) or min(shape, default=0) < 0:
        raise WsssError(f"{reader.path} is damaged: an array of shape {shape} and type {flag}; download it again")
    return _tensor(reader, shape, TYPES[flag])


def _tensor(reader: _Reader, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """The next numbers of a file as a tensor."""
    data = reader.take(prod(shape) * dtype.itemsize)
    if not data:  # its other sides may be longer than any tensor's
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)
