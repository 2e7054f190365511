"""Photographs as tensors."""

import numpy as np
import torch
from jaxtyping import Float, UInt8


def to_tensor(
    photographs: UInt8[np.ndarray, "*batch height width 3"], device: str = "cpu"
) -> Float[torch.Tensor, "*batch 3 height width"]:
    """RGB in [0, 1] on a device, to which it goes as bytes; networks normalise by themselves."""
    planes = torch.from_numpy(photographs).to(device).movedim(-1, -3).contiguous()  # else resizing takes twice as long
    return planes.float() / 255


def at_cells(
    photographs: Float[torch.Tensor, "batch 3 height width"], cells: tuple[int, int]
) -> UInt8[torch.Tensor, "batch {cells[0]} {cells[1]} 3"]:
    """Photographs in [0, 1] as pictures whose pixels are the (rows, columns) of a grid: what its CRF looks at."""
    means = torch.nn.functional.interpolate(photographs, cells, mode="bilinear", antialias=True)
    return (255 * means).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
