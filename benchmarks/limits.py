"""What a machine allows at most: its memory and its matrix products, measured, and the work of what is timed.

A module of gpu.py beside it. A limit is the longer of two times: that of the floating-point operations at the rate of a
large matrix product, and that of the bytes at the speed of a large copy. Bytes are those that any program must move:
arrays that fit in the largest cache are not counted. So a limit is one from below, and no program need reach it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from timing import cache_bytes, copy_speed, seconds_of
from torch import Tensor, nn

PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
"""Those in which matrices are multiplied. On GPUs torch's convolutions in float32 take tf32, products of 10 bits."""


@dataclass(frozen=True)
class Work:
    """Floating-point operations, a multiplication and its addition being two, and bytes moved to or from memory."""

    operations: float
    moved: float = 0
    precision: str = "float32"

    def __add__(self, other: "Work") -> "Work":
        """Both; in the precision of the second."""
        return Work(self.operations + other.operations, self.moved + other.moved, other.precision)


@dataclass(frozen=True)
class Limits:
    """What a machine allows: bytes a second of a copy, operations a second by precision, bytes of its largest cache."""

    device: str
    copied: float
    rates: dict[str, float]
    cache: float

    def beyond(self, size: float) -> float:
        """The bytes of arrays that do not fit in the cache together; 0 of those that do."""
        return size if size > self.cache else 0

    def least(self, work: Work) -> tuple[float, str]:
        """The seconds that a work takes at least, and what they are given by."""
        return max((work.operations / self.rates[work.precision], "FLOP"), (work.moved / self.copied, "memory"))

    def __str__(self) -> str:
        rates = ", ".join(f"{rate / 1e12:.2f} TFLOP/s in {name}" for name, rate in self.rates.items())
        return f"Measured: {self.copied / 1e9:.0f} GB/s copying, {rates}; {self.cache / 1e6:.0f} MB of cache."


def measured(device: str, *, side: int, copied: int, repeats: int) -> Limits:
    """The limits of a device, the fastest of some copies of `copied` bytes and products of `side` x `side` matrices."""
    names = [name for name in PRECISIONS if device == "cuda" or name != "tf32"]
    rates = {name: _rate(device, name, side=side, repeats=repeats) for name in names}
    return Limits(device, copy_speed(device, repeats, size=copied), rates, cache_bytes(device))


def _rate(device: str, name: str, *, side: int, repeats: int) -> float:
    matrix = torch.rand(side, side, device=device).to(PRECISIONS[name])
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    try:
        seconds = [seconds_of(lambda: matrix @ matrix) for _ in range(2 + repeats)]
    finally:
        torch.set_float32_matmul_precision(before)
    return 2 * side**3 / min(seconds)


def of_convolutions(network: nn.Module, run: Callable[[], object], limits: Limits) -> Work:
    """The work of a network's convolutions in one call, gradients included where the call asks for them.

    Each convolution reads its input and its weights and writes its output; as many operations and bytes go to the
    gradient with respect to the weights, and to that with respect to the input. Norms and activations are left out, as
    if they were done in passing.
    """
    found = []
    tf32 = limits.device == "cuda" and torch.backends.cudnn.allow_tf32

    def note(layer: nn.Conv2d, given: tuple[Tensor, ...], maps: Tensor) -> None:
        operations = 2 * maps.numel() * layer.weight[0].numel()
        arrays = (given[0], layer.weight, maps)
        moved = sum(limits.beyond(array.numel() * maps.element_size()) for array in arrays)
        learned = layer.weight.requires_grad + given[0].requires_grad if torch.is_grad_enabled() else 0
        name = "bfloat16" if maps.dtype == torch.bfloat16 else "tf32" if tf32 else "float32"
        found.append(Work(operations * (1 + learned), moved * (1 + learned), name))

    with _hooked(network, note):
        run()
    return sum(found[1:], found[0])


@contextmanager
def _hooked(network: nn.Module, note: Callable[..., None]) -> Iterator[None]:
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
