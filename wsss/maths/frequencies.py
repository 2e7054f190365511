"""How frequent classes are, for logit adjustment: offsets of logits that keep rare classes from being left to others.

Menon et al., ICLR 2021 (arXiv:2007.07314). A stage adds these logarithms, times a strength tau (`balance`), to its
logits.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def log_odds(tags: Iterable[Collection[str]], names: Sequence[str]) -> Float[Tensor, " foreground"]:
    """log(p / (1 - p)) for the share p of the images whose tags name each class.

    One image with the class and one without are added, so that one that all images show, or none, has a finite value.
    """
    images = list(tags)
    shown = torch.tensor([sum(name in of for of in images) for name in names]).double()
    return ((shown + 1) / (len(images) - shown + 1)).log().float()


def adjustment(
    tags: Iterable[Collection[str]], names: Sequence[str], *, balance: float, background_offset: float
) -> Float[Tensor, "classes 1 1"]:
    """What is added to the logits of cells in training, and not in use, where only tags are known.

    Args:
        tags: those of each training image.
        names: the foreground classes.
        balance: tau, the strength of the correction for classes of few images (`log_rarities`).
        background_offset: added to the background.
    """
    added = balance * log_rarities(tags, names)
    added[0] += background_offset
    return added[:, None, None]


def log_rarities(tags: Iterable[Collection[str]], names: Sequence[str]) -> Float[Tensor, " classes"]:
    """log(n / max n) for the number n of images whose tags name each class; 0 of the background, which comes first.

    One image is added to each class.
    """
    images = list(tags)
    shown = torch.tensor([1 + sum(name in of for of in images) for name in names]).double()
    return torch.cat([torch.zeros(1), (shown / shown.max()).log().float()])


def log_shares(labels: Iterable[UInt8[np.ndarray, "_ _"]], *, classes: int) -> Float[Tensor, " {classes}"]:
    """Logarithm of each class's share among all labelled pixels of label maps; void ones are passed over.

    One pixel is added to each class, so that one without any has a logarithm, too.
    """
    counts = np.ones(classes)
    for label_map in labels:
        counts += np.bincount(label_map.ravel(), minlength=256)[:classes]
    return torch.from_numpy(np.log(counts / counts.sum())).float()
