"""The choices of log p(y|z,x) of the latent CRF (see `wsss.lcrf.bound`), without trainable parameters.

None is a distribution over the tags, normalised for every z: `local_evidence` is a potential of the labels, given the
tags, and the others weigh present and absent classes anew.

`masked_cam`, `local_evidence`, `masked_image` and `pooling` are functions (z, evidence, tags) of labels, relaxed or
one-hot, of what a frozen classifier has to go by, and of y, to a number for each image. The tags' classes and the
others are averaged separately, as in SEC, since an image shows few.

`wsss.training.lcrf_evidence` joins a choice to the frozen classifier that gives the evidence.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from wsss.lcrf.bound import uniform
from wsss.maths.pooling import rank_pool
from wsss.runtime.errors import WsssError


def _answers(
    yes: Float[Tensor, "batch foreground"],
    no: Float[Tensor, "batch foreground"],
    present: Bool[Tensor, "batch foreground"],
    absent: Bool[Tensor, "batch foreground"],
) -> Float[Tensor, " batch"]:
    """Mean of `yes` over an image's present classes, plus that of `no` over the absent; 0 for a mean of no classes."""
    # ASSUME: two means, where the product of all p(y_k|z,x) would be that of the absent classes but for a little
    pairs = ((yes, present), (no, absent))
    return sum(values.where(which, 0).sum(dim=1) / which.sum(dim=1).clamp(min=1) for values, which in pairs)


def masked_cam(
    z: Float[Tensor, "batch classes height width"],
    logits: Float[Tensor, "batch classes-1 height width"],
    tags: Bool[Tensor, "batch classes-1"],
    *,
    bias: Float[Tensor, " classes-1"] | None = None,
    least_share: float,
    eps: float,
    absent_floor: float,
    decay_background: float | None,
) -> Float[Tensor, " batch"]:
    """log p(y|z,x) of a classifier that averages its logits over the cells of a class only, not over the whole image.

        s_k(z) = 1/n sum_j z_jk a_jk / ( max(1/n sum_j z_jk, least_share) + eps ) + b_k
        mean_{k in T} log sigma(s_k) + mean_{k in A} log sigma(-s_k) + log sigma( G(z_j0 a_j0) )

    with T the tags, A the other classes, a_j0 = -max_{k in T} a_jk (of all classes where T is empty), G `rank_pool`.

    Args:
        z: labels.
        logits: a_jk with both signs, of a classifier whose head is linear and averaged over the cells.
        tags: y.
        bias: b_k, where the head has one.
        least_share: below this share of the image, 0.1 to 0.2, a larger area has a higher score; 0 for none.
        eps: as above, smoothly (0.01): without either, the best area is the one cell that the classifier likes best.
        absent_floor: least logit of an absent class; -inf leaves them as they are.
        decay_background: of its rank pooling, such as 0.999 on 41 x 41 cells; None leaves the background's term out.

    Raises:
        WsssError: least_share or eps below 0, both of them 0, a decay outside of [0, 1].
    """
    if not (least_share >= 0 and eps >= 0 and least_share + eps > 0):
        raise WsssError(
            f"the least share of masked_cam is {least_share}, its eps {eps}: give neither below 0 and one of them"
            " above, such as eps 0.01, or a class without cells has no score"
        )
    # ASSUME: the frozen classifier is asked of its logits under the labels, not of masked images
    present = tags[:, :, None, None]
    # ASSUME: a floor of 0 ignores an absent class's negative logits. As they are, a cell given to the class there makes
    # its absence more certain than no cell does, so absent classes would be asked to spread
    evidence = logits.where(present, logits.clamp(min=absent_floor))
    area = z[:, 1:].mean((-2, -1)).clamp(min=least_share) + eps
    scores = (z[:, 1:] * evidence).mean((-2, -1)) / area
    if bias is not None:
        scores = scores + bias
    answers = _answers(F.logsigmoid(scores), F.logsigmoid(-scores), tags, ~tags)
    if decay_background is None:
        return answers
    # ASSUME: the background is always present, and its logit, of which the classifier has none, minus the largest of
    # the classes shown; in its pooling the denominator is fixed, so that area is rewarded
    asked = present | ~tags.any(dim=1)[:, None, None, None]
    background = -logits.where(asked, -math.inf).amax(dim=1)
    return answers + F.logsigmoid(rank_pool((z[:, 0] * background).flatten(1), decay=decay_background))


def local_evidence(
    z: Float[Tensor, "batch classes height width"],
    cams: Float[Tensor, "batch classes-1 height width"],
    tags: Bool[Tensor, "batch classes-1"],
    *,
    alpha: float,
    absent: float,
) -> Float[Tensor, " batch"]:
    """A potential that replaces log p(y|z,x), the classifier's evidence at every cell; it is linear in z.

        1/n sum_j sum_k z_jk log e_jk

    with e the `evidence_of_labels`. It is normalised over the labels, not over y, so the latent CRF is then a CRF of
    activation maps and pairs, whose q is a network. Since it is linear, its value for q is its expectation, and no
    sample is needed.

    Args:
        z: labels.
        cams: activation maps in [0, 1].
        tags: y.
        alpha: of the background's score; a larger one means less background.
        absent: e of an absent class, such as 0.001.

    Raises:
        WsssError: an alpha below 0, an e not between 0 and 1.
    """
    # ASSUME: tags are explained cell by cell, not as a whole: what pools its evidence is content with a few cells of a
    # class, while the prior counts them all
    evidence = evidence_of_labels(cams, tags, alpha=alpha, absent=absent)
    return (z * evidence.log()).sum(dim=1).mean((-2, -1))


def evidence_of_labels(
    cams: Float[Tensor, "batch foreground height width"],
    tags: Bool[Tensor, "batch foreground"],
    *,
    alpha: float,
    absent: float,
) -> Float[Tensor, "batch classes height width"]:
    """The evidence for each label at each cell, which `local_evidence` sums up.

        e_j = [ (1 - max_{k in T} cam_jk)^alpha, cam_jk for k in T ] / their sum

    with T the tags. No e is below `absent`, which is the e of the other classes. See there for the arguments.
    """
    if not 0 <= alpha < math.inf:
        raise WsssError(f"the alpha of local_evidence is {alpha}: it must be 0 or more, such as 8")
    if not 0 < absent < 1:
        raise WsssError(f"the evidence of absent classes is {absent}: give a small one above 0, such as 0.001")
    shown = cams.where(tags[:, :, None, None], 0)
    background = (1 - shown.amax(dim=1, keepdim=True)).clamp(min=0) ** alpha
    evidence = torch.cat([background, shown], dim=1)
    return (evidence / evidence.sum(dim=1, keepdim=True)).clamp(min=absent)


def _drawn(
    candidates: Bool[Tensor, "batch foreground"], noise: Float[Tensor, "batch foreground"], *, most: int
) -> Bool[Tensor, "batch foreground"]:
    """At most this many of each image's candidates, those of the lowest noise, so that each is equally likely."""
    ranks = noise.where(candidates, math.inf).argsort(dim=1).argsort(dim=1)
    return candidates & (ranks < most)


def masked_image(
    z: Float[Tensor, "batch classes _ _"],
    images: Float[Tensor, "batch 3 height width"],
    tags: Bool[Tensor, "batch classes-1"],
    *,
    classifier: Callable[[Float[Tensor, "passes 3 height width"]], Float[Tensor, "passes classes-1"]],
    stride: int,
    fill: tuple[float, float, float],
    most_present: int,
    generator: torch.Generator,
) -> Float[Tensor, " batch"]:
    """log p(y|z,x) of the classifier that sees, for each class, the photograph at the cells of that class only.

        s_k(z) = classifier_k( x z_k + fill (1 - z_k) )
        mean_{k in T} log sigma(s_k) + log sigma(-s_k) for one k drawn from A

    with z_k at each pixel (bilinear), T the tags, A the other classes. Closest to v1, where samples are fed to the
    classifier. Nothing in it speaks for the background: its term may be taken from `pooling`. It costs one batch, of
    min(|T|, most_present) + 1 masked images for each image (2.5 on VOC), that goes through the classifier and back.

    Args:
        z: labels, on a grid of `stride` (see `wsss.maths.grid`).
        images: x, as the classifier takes them.
        tags: y.
        classifier: logits of whole images; frozen, in evaluation mode.
        stride: pixels for each cell.
        fill: mean colour, where the class is not.
        most_present: largest number of tags per image; of an image with more, this many are drawn.
        generator: of the draws.

    Raises:
        WsssError: a grid that does not cover the images, most_present below 1.
    """
    (rows, columns), (height, width) = z.shape[2:], images.shape[2:]
    if most_present < 1:
        raise WsssError(f"most_present of masked_image is {most_present}: give 1 or more")
    if rows * stride < height or columns * stride < width:
        raise WsssError(
            f"the labels' grid of {rows} x {columns} cells of {stride} px is smaller than the images of {height} x"
            f" {width} px: give the stride of the network whose labels they are"
        )
    # ASSUME: a class is judged by itself, on what its own mask leaves; and of the absent ones, whose masks are mostly
    # empty, a draw stands for the mean of all
    noise = uniform(z[:, 1:, 0, 0], generator)
    present, absent = _drawn(tags, noise, most=most_present), _drawn(~tags, noise, most=1)
    image, rank = (present | absent).nonzero(as_tuple=True)
    masks = z[image, rank + 1][:, None]
    masks = F.interpolate(masks, scale_factor=stride, mode="bilinear", align_corners=False)[..., :height, :width]
    colour = torch.tensor(fill).to(images).view(1, 3, 1, 1)
    logits = classifier(masks * images[image] + (1 - masks) * colour)
    scores = logits.new_zeros(tags.shape).index_put((image, rank), logits.gather(1, rank[:, None])[:, 0])
    return _answers(F.logsigmoid(scores), F.logsigmoid(-scores), present, absent)


def pooling(
    z: Float[Tensor, "batch classes height width"],
    evidence: Float[Tensor, "..."] | None,
    tags: Bool[Tensor, "batch classes-1"],
    *,
    decay_present: float,
    decay_absent: float,
    decay_background: float | None,
    floor: float,
) -> Float[Tensor, " batch"]:
    """log p(y|z) of pooled labels, whatever the image shows where: SEC's expansion loss of a sample.

        mean_{k in T} log P_k(d_present) + mean_{k in A} log(1 - P_k(d_absent)) + log P_0(d_background)
        P_k(d) = floor + (1 - 2 floor) G_k(d)

    with T the tags, A the other classes, G_k(d) the `rank_pool` of class k; d = 0 asks whether any cell has the class.

    Args:
        z: labels.
        evidence: ignored; here for the sake of the other choices' interface.
        tags: y.
        decay_present: of the classes the image shows.
        decay_absent: of those it does not show.
        decay_background: of the background, which is always there; None leaves its term out.
        floor: above 0, such as 0.0001.

    Raises:
        WsssError: a decay outside of [0, 1], a floor not between 0 and 1/2.
    """
    if not 0 < floor < 0.5:
        raise WsssError(f"the floor of pooled labels is {floor}: give a small one above 0, such as 0.0001")

    # ASSUME: rank pooling, not a noisy-or, which is near 1 for each of 21 classes when 1681 cells know nothing yet
    def shown(labels: Tensor, decay: float) -> Tensor:
        return floor + (1 - 2 * floor) * rank_pool(labels.flatten(-2), decay=decay)

    foreground = z[:, 1:]
    answers = _answers(shown(foreground, decay_present).log(), (1 - shown(foreground, decay_absent)).log(), tags, ~tags)
    return answers if decay_background is None else answers + shown(z[:, 0], decay_background).log()
