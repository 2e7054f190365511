"""The label map of an image that AffinityNet learns from: where activation maps are sure, and void elsewhere."""

import numpy as np
import torch

from wsss import affinity, cues, grid
from wsss.options import Crf
from wsss.pictures import read_photograph
from wsss.refinement import Scored, refined_scores


def confident_labels(
    image: Scored, *, alphas: tuple[float, float], stride: int, parameters: Crf
) -> tuple[Scored, np.ndarray]:
    """Classes, background and void of an image's cells (PSA: two CRF passes).

    The background score is taken with a low and with a high exponent. Each stack of scores is refined by the CRF,
    pooled by the stride and decided. The first, rich in background, leaves sure foreground; the second, poor in it,
    leaves sure background.

    Args:
        image: its activation maps and their classes.
        alphas: the low and the high exponent.
        stride: input pixels for each cell.
        parameters: of the CRF.

    Returns:
        The image, and uint8 labels (ceil(height / stride), ceil(width / stride)).
    """
    photograph = read_photograph(image.photograph)
    cam = image.at_pixels()
    classes = torch.from_numpy(np.concatenate([[0], image.classes]).astype(np.int64))
    decided = []
    for alpha in alphas:
        scores = cues.with_background(cam, alpha=alpha).numpy()
        refined = torch.from_numpy(refined_scores(scores, photograph, parameters))
        decided.append(cues.label_map(grid.pooled(refined, stride=stride), classes))
    return image, affinity.merge_labels(*decided).numpy()
