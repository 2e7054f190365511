"""The label map of an image that AffinityNet learns from: void where the activation maps are not confident."""

import numpy as np
import torch

from wsss.maths import cues, grid
from wsss.options.crf import Crf
from wsss.psa import affinity
from wsss.results.refinement import Scored, refined_scores


def confident_labels(
    image: Scored, *, alphas: tuple[float, float], stride: int, parameters: Crf
) -> tuple[Scored, np.ndarray]:
    """Label the cells of an image as class, background or void (PSA: two CRF passes).

    The background score is computed with a low and with a high exponent. Each set of scores is refined by the CRF,
    pooled to cells and turned into labels. The low exponent favours background, so what remains foreground is
    confident; the high exponent favours foreground, so what remains background is confident.

    Args:
        image: an image with its activation maps and their classes.
        alphas: the low and the high exponent.
        stride: input pixels for each cell.
        parameters: settings of the CRF.

    Returns:
        The image, and uint8 labels (ceil(height / stride), ceil(width / stride)).
    """
    photograph = image.pixels()
    cam = image.at_pixels()
    classes = torch.from_numpy(np.concatenate([[0], image.classes]).astype(np.int64))
    labels = []
    for alpha in alphas:
        scores = cues.with_background(cam, alpha=alpha).numpy()
        refined = torch.from_numpy(refined_scores(scores, photograph, parameters))
        labels.append(cues.label_map(grid.pooled(refined, stride=stride), classes))
    return image, affinity.merge_labels(*labels).numpy()
