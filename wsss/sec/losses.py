"""Seed, expand, constrain: the three losses of SEC, which train a segmenter from seeds and tags.

Kolesnikov & Lampert, ECCV 2016 (SEC, arXiv:1603.06098); their sum, each with weight 1, is the loss of training. p_uc is
the probability of class c in cell u of the network's grid, from `probabilities`; class 0 is the background, always
there; T are the tags.

Each loss is the mean over the images of a batch of what it is for an image by itself. So the losses of equal parts of a
batch have the loss of the whole as their mean, as training on several GPUs needs it; parts of unequal size weigh as
many as their images are.

Where the paper and the authors' code disagree the code is followed, and the function says so.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wsss.maths.pooling import decay_of_share, one_hot, rank_pool
from wsss.options.sec import SecLosses
from wsss.runtime.errors import WsssError


def probabilities(
    logits: Float[Tensor, "batch classes height width"], *, floor: float
) -> Float[Tensor, "batch classes height width"]:
    """Softmax over the classes, bounded away from 0 and 1; all three losses use it.

        p_c = (softmax_c(logits) + floor) / (1 + C floor)

    with C the number of classes. Not in the paper: the authors' code has it, with a floor of 1e-4. Each p_c is at least
    floor / (1 + C floor), and 1 - p_c at least C - 1 times that: so no loss takes a logarithm of 0, however confident
    the network is, as long as there is a class besides the background.

    Raises:
        WsssError: the floor is not between 0 and 1.
    """
    _check_floor(floor)
    return (logits.softmax(dim=1) + floor) / (1 + logits.shape[1] * floor)


def floored(
    marginals: Float[Tensor, "batch classes height width"], *, floor: float
) -> Float[Tensor, "batch classes height width"]:
    """The CRF's marginals with none below the floor, and again of sum 1: the Q of `constrain_loss`.

    As in the authors' code they are clamped, where the network's probabilities are raised by the floor.

    Raises:
        WsssError: the floor is not between 0 and 1.
    """
    _check_floor(floor)
    raised = marginals.clamp(min=floor)
    return raised / raised.sum(dim=1, keepdim=True)


def _check_floor(floor: float) -> None:
    if not 0 < floor < 1:
        raise WsssError(f"the floor of the probabilities is {floor}: give a small one above 0, such as SEC's 0.0001")


def _mean_log(values: Float[Tensor, "batch values"], chosen: Bool[Tensor, "batch values"]) -> Float[Tensor, " batch"]:
    """Mean of the logarithms of an image's chosen values; 0 where none is chosen."""
    # the others are replaced by 1 before the logarithm, so that their gradient is 0 whatever they are
    return values.where(chosen, 1).log().sum(dim=1) / chosen.sum(dim=1).clamp(min=1)


def seeding_loss(
    probabilities: Float[Tensor, "batch classes height width"], seeds: Bool[Tensor, "batch classes height width"]
) -> Float[Tensor, ""]:
    """Cross-entropy at the seeds; the cells without one are left to the other losses.

    With S_c the cells that are seeds of class c, background included, for each image:

        L_seed = - sum_c sum_{u in S_c} log p_uc / sum_c |S_c|

    All classes of an image share one denominator, so a class weighs as much as it has seeds; images do not, so each
    weighs the same. An image without seeds gives 0 (the authors' code divides by 0; their cues have no such image).
    """
    return -_mean_log(probabilities.flatten(1), seeds.flatten(1)).mean()


def expansion_loss(
    probabilities: Float[Tensor, "batch classes height width"],
    tags: Bool[Tensor, "batch classes-1"],
    asked: Bool[Tensor, "batch classes"] | None = None,
    *,
    decay_present: float,
    decay_absent: float,
    decay_background: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of each image's tags with its pooled probabilities, which makes the seeds grow, and not too far.

    With G_c(d) the `rank_pool` of class c for decay d, T the tags, A the other foreground classes, for each image:

        L_expand = - mean_{c in T} log G_c(d_present) - mean_{c in A} log(1 - G_c(d_absent)) - log G_0(d_background)

    SEC takes 0.996, 0 and 0.999. An image without tags, or one with all of them, gives 0 for the mean that has no
    classes (the authors' code divides by 0). 1 - G is above 0 for probabilities of `probabilities`, see there.

    Of a window of an image, tags say what it cannot show, and not what it shows: then T and the last term are
    restricted to the classes that are asked for.

    Args:
        probabilities: p, with at least the background.
        tags: whether the image shows foreground class c, at c - 1; the background needs none.
        asked: whether class c, background included, has to be there if the tags name it; None: all of them.
        decay_present: of the classes the image shows.
        decay_absent: of those it does not show.
        decay_background: of the background.

    Raises:
        WsssError: a decay is not in [0, 1].
    """
    probs = probabilities.flatten(2)
    background, foreground = probs[:, :1], probs[:, 1:]
    asked = torch.ones_like(probs[..., 0], dtype=torch.bool) if asked is None else asked
    present = _mean_log(rank_pool(foreground, decay=decay_present), tags & asked[:, 1:])
    absent = _mean_log(1 - rank_pool(foreground, decay=decay_absent), ~tags)
    behind = _mean_log(rank_pool(background, decay=decay_background), asked[:, :1])
    return -(present + absent + behind).mean()


def constrain_loss(
    probabilities: Float[Tensor, "batch classes height width"],
    crf_probabilities: Float[Tensor, "batch classes height width"],
) -> Float[Tensor, ""]:
    """How far the probabilities are from those that a CRF makes of them, which keep to the edges in the image.

    With Q the CRF's marginals, `floored`, and n the cells of an image:

        L_constrain = 1/n sum_u KL(Q_u || p_u) = 1/n sum_u sum_c Q_uc log(Q_uc / p_uc)

    The paper differentiates Q too, which is made of p. The authors' code does not, since January 2018: there Q is a
    target. Here whatever gradient Q has is passed on, so detach it to follow the code. No Q may be 0.
    """
    p, q = probabilities, crf_probabilities
    return (q * (q / p).log()).sum(dim=1).mean()


def decays_of(losses: SecLosses, *, cells: int) -> dict[str, float]:
    """The decays of the three poolings for this number of cells, as `expansion_loss` takes them."""
    pools = {name: getattr(losses, f"pool_{name}") for name in ("present", "absent", "background")}
    by_share = losses.pool_by == "share"
    return {f"decay_{name}": decay_of_share(pool, cells=cells) if by_share else pool for name, pool in pools.items()}


def objective(
    logits: Float[Tensor, "batch classes height width"],
    seeded: Int64[Tensor, "batch height width"],
    tags: Bool[Tensor, "batch classes-1"],
    refine: Callable[[Tensor], Tensor],
    *,
    losses: SecLosses,
    windows: bool = False,
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
    """The sum of SEC's losses, and each of them; NaN where a logit is.

    Args:
        logits: output of the network.
        seeded: label maps, VOID where there is no seed.
        tags: whether the image shows foreground class c, at c - 1.
        refine: the CRF of the constrain loss, from the energies -log p of the cells to its marginals.
        losses: weights and poolings; a loss of weight 0 is not computed.
        windows: whether the images are windows of those that the tags are of: the expansion loss then asks for the
            classes that have a seed in the window, and of the tags for no other.
    """
    p = probabilities(logits, floor=losses.floor)
    seeds = one_hot(seeded.to(torch.uint8), classes=logits.shape[1])
    terms = {}
    if losses.seed_weight:
        terms["seed"] = losses.seed_weight * seeding_loss(p, seeds)
    if losses.expand_weight:
        decays = decays_of(losses, cells=logits[0, 0].numel())
        asked = seeds.flatten(2).any(-1) if windows else None
        terms["expand"] = losses.expand_weight * expansion_loss(p, tags, asked, **decays)
    if losses.constrain_weight:
        unary = -logits.log_softmax(1)
        energies = unary if losses.constrain_gradient else unary.detach()
        target = floored(refine(energies), floor=losses.floor)
        terms["constrain"] = losses.constrain_weight * constrain_loss(p, target)
    return sum(terms.values()), terms
