"""Photographs as tensors."""

import numpy as np
import torch
from jaxtyping import Float, UInt8


def to_tensor(photograph: UInt8[np.ndarray, "height width 3"]) -> Float[torch.Tensor, "3 height width"]:
    """RGB in [0, 1]; networks normalise by themselves."""
    return torch.from_numpy(photograph).permute(2, 0, 1).float() / 255


def at_cells(
    photographs: Float[torch.Tensor, "batch 3 height width"], cells: int
) -> UInt8[torch.Tensor, "batch {cells} {cells} 3"]:
    """Photographs in [0, 1] as square pictures whose pixels are the cells of a grid: what its CRF looks at."""
    size = (cells, cells)
    means = torch.nn.functional.interpolate(photographs, size, mode="bilinear", antialias=True)
    return (255 * means).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
