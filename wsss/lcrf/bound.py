"""The latent CRF: the lower bound of log p(y|x) by which a segmenter learns from tags alone, without cues.

Pandey & Dukkipati, arXiv:1705.01262 v1, May 2017; later versions under that number are of another method. Of v1 only
the abstract, a poster and notes are public, no code: whatever they leave open is decided here and marked ASSUME.

The labels z of the cells of a grid are latent, the tags y are observed, x is the photograph:

    log p(y|x) = log sum_z p(z|x) p(y|z,x)  >=  -KL(q || p(z|x)) + E_q log p(y|z,x),    q(z) = prod_j q_j(z_j)
    p(z|x) = 1/Z exp( -1/2 sum_{i != j} K_ij mu(z_i, z_j) )

with q_j the softmax of the inference network's logits at cell j, the same network that labels new images; label 0 is
the background. All terms are of each image by itself, those of the KL divided by its number of cells n.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wsss.maths.pooling import one_hot
from wsss.options.lcrf import Bound
from wsss.runtime.errors import WsssError
from wsss.sec.losses import probabilities, seeding_loss

Loss = tuple[Tensor, dict[str, Tensor]]
"""The loss that is minimised, and its terms for the log."""

LEAST_LOGIT = -1e4
"""Of a label that is ruled out: its probability is 0 in every precision, and its logarithm still finite."""


def ruled_by_tags(
    logits: Float[Tensor, "batch classes height width"], tags: Bool[Tensor, "batch classes-1"]
) -> Float[Tensor, "batch classes height width"]:
    """Logits whose softmax gives no cell to a class that the image does not show: a q(z|x,y) that depends on y."""
    # ASSUME: an option, for training. The equation of v1's q is without y; a q with it has to be taught to the network
    # as well, by a cross-entropy, since new images have no tags
    allowed = torch.cat([tags.new_ones(len(tags), 1), tags], dim=1)
    return logits.where(allowed[:, :, None, None], LEAST_LOGIT)


def messages_of(
    filtered: Float[Tensor, "batch classes height width"],
    q: Float[Tensor, "batch classes height width"],
    *,
    diagonal: Float[Tensor, "batch height width"],
) -> Float[Tensor, "batch classes height width"]:
    """`messages` from K q, by whichever engine has filtered q.

    Args:
        filtered: sum_i K_ji q_ik, of a symmetric K.
        q: marginals of the labels.
        diagonal: the K_jj that are part of `filtered`, zeros where it leaves a cell's own q out.
    """
    # ASSUME: Potts, mu = 1 for two labels that differ; the sources name mu and do not give it
    neighbours = filtered - diagonal[:, None] * q
    return neighbours.sum(dim=1, keepdim=True) - neighbours


def messages(
    q: Float[Tensor, "batch classes height width"], kernel: Float[Tensor, "batch height*width height*width"]
) -> Float[Tensor, "batch classes height width"]:
    """What each label of a cell costs beside all other cells, whose labels are distributed as q.

        m_jk = sum_{i != j} K_ji sum_l mu(k, l) q_il,    mu(k, l) = 1 for k != l, else 0

    Args:
        q: marginals of the labels.
        kernel: K, symmetric: take (K + K^T) / 2 of another. Its diagonal, which `wsss.crf` keeps, does not count.
    """
    with torch.autocast(q.device.type, enabled=False):  # labels differ by little of what the kernel sums up
        filtered = torch.einsum("bij,bkj->bki", kernel, q.flatten(2)).reshape(q.shape)
    diagonal = kernel.diagonal(dim1=1, dim2=2).reshape(q[:, 0].shape)
    return messages_of(filtered, q, diagonal=diagonal)


def negative_entropy(log_q: Float[Tensor, "batch classes height width"]) -> Float[Tensor, " batch"]:
    """1/n sum_jk q_jk log q_jk, from log q, so that a probability of 0 has a gradient too."""
    return (log_q.exp() * log_q).sum(dim=1).mean((-2, -1))


def prior_energy(
    q: Float[Tensor, "batch classes height width"], m: Float[Tensor, "batch classes height width"]
) -> Float[Tensor, " batch"]:
    """1/(2n) sum_jk q_jk m_jk: what labels from q cost on average under the prior, m being the `messages` of q."""
    return (q * m).sum(dim=1).mean((-2, -1)) / 2


def divergence(
    log_q: Float[Tensor, "batch classes height width"],
    m: Float[Tensor, "batch classes height width"],
    *,
    entropy_weight: float,
    prior_weight: float,
) -> Float[Tensor, " batch"]:
    """KL(q || p(z|x)) - log Z for each cell, with its exact gradient from one pass of messages.

        1/n sum_jk q_jk ( w_e log q_jk + w_p m_jk / 2 ),    derivative 1/n ( w_e (log q_jk + 1) + w_p m_jk )

    Since K is symmetric, half of the prior's part comes through the messages to other cells and equals the other half:
    so m is held fixed and counted twice, and what filters q need not be differentiable. log Z does not depend on q.

    Args:
        log_q: logarithms of the marginals, a `log_softmax`.
        m: the `messages` of q.
        entropy_weight: w_e; 1 for the divergence. From 0 to 1 the bound only gets lower, and remains one.
        prior_weight: w_p, a factor of the kernel: another prior, with its own Z.
    """
    energy = prior_energy(log_q.exp(), m.detach())
    return entropy_weight * negative_entropy(log_q) + prior_weight * (2 * energy - energy.detach())


def negative_bound(
    log_q: Float[Tensor, "batch classes height width"],
    m: Float[Tensor, "batch classes height width"],
    log_likelihood: Float[Tensor, " batch"],
    *,
    entropy_weight: float,
    prior_weight: float,
    likelihood_weight: float,
) -> Float[Tensor, ""]:
    """The loss of training: minus the lower bound, up to log Z, for each cell, mean over the images of a batch.

        w_e 1/n sum q log q + w_p 1/(2n) sum q m - w_y log p(y|z,x)

    with z a sample of q, or q itself; the other arguments, and the gradient, are those of `divergence`.
    """
    # ASSUME: three weights, and a divergence for each cell. The bound itself has it for all cells, and weights of 1:
    # then a likelihood of a few tags is nothing beside a prior of all pairs of cells
    kl = divergence(log_q, m, entropy_weight=entropy_weight, prior_weight=prior_weight)
    return (kl - likelihood_weight * log_likelihood).mean()


def mean_field_update(
    slope: Float[Tensor, "batch classes height width"],
    m: Float[Tensor, "batch classes height width"],
    *,
    entropy_weight: float,
    prior_weight: float,
    likelihood_weight: float,
) -> Float[Tensor, "batch classes height width"]:
    """Logits of the labels that the bound asks for next, a mean-field update: where q equals them it is stationary.

        log q_jk <- ( w_y n d log p(y|z,x) / d z_jk - w_p m_jk ) / w_e + constant

    Args:
        slope: derivative of the log-likelihood of an image with respect to z.
        m: the `messages` of q.
        entropy_weight: w_e, above 0; the weights are those of `negative_bound`.
        prior_weight: w_p.
        likelihood_weight: w_y.
    """
    cells = slope[0, 0].numel()
    return (likelihood_weight * cells * slope - prior_weight * m) / entropy_weight


def temperature(share: float, *, start: float, end: float) -> float:
    """Temperature of the samples after a share of all steps: from `start` to `end`, falling by equal factors.

    Raises:
        WsssError: a share outside of [0, 1], a temperature that is not above 0.
    """
    # ASSUME: exponential, for 1 to 0.5; the sources have no schedule
    if not 0 <= share <= 1:
        raise WsssError(f"the share of the steps is {share}: it must lie between 0 (the first step) and 1 (the last)")
    _check_temperature(start)
    _check_temperature(end)
    return start * (end / start) ** share


def _check_temperature(value: float) -> None:
    if not 0 < value < math.inf:
        raise WsssError(f"the temperature of the samples is {value}: it must be above 0, such as 1 at the start")


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform noise in [0, 1), drawn where the generator is: one on the CPU gives the same for every device."""
    dtype = torch.promote_types(like.dtype, torch.float32)  # half precision has no noise near 0 and 1
    return torch.rand(like.shape, generator=generator, device=generator.device, dtype=dtype).to(like.device)


def gumbel_softmax(
    log_q: Float[Tensor, "batch classes height width"], *, temperature: float, generator: torch.Generator
) -> Float[Tensor, "batch classes height width"]:
    """A relaxed sample of each cell's label, which is differentiable: the Gumbel-softmax distribution, as in v1.

    Jang, Gu & Poole 2017 (arXiv:1611.01144), Maddison, Mnih & Teh 2017 (arXiv:1611.00712):

        z_j = softmax( (log q_j + g_j) / temperature ),    g_jk = -log(-log u_jk),  u_jk uniform in (0, 1)

    Its largest entry is label k with probability q_jk, and the closer to 1, the lower the temperature: the bias of the
    gradient falls with it, the variance grows.

    Raises:
        WsssError: a temperature that is not above 0.
    """
    _check_temperature(temperature)
    # ASSUME: one sample of each image, soft in the backward and in the forward pass (no straight-through)
    u = uniform(log_q, generator).clamp(min=torch.finfo(torch.float32).tiny)
    return ((log_q - (-u.log()).log()) / temperature).softmax(dim=1)


def background_fraction(q: Float[Tensor, "batch classes height width"]) -> Float[Tensor, " batch"]:
    """Share of an image's cells whose most probable label is the background; near 0 or 1, training collapsed."""
    return (q.argmax(dim=1) == 0).to(q.dtype).mean((-2, -1))


def label_entropy(q: Float[Tensor, "batch classes height width"]) -> Float[Tensor, " batch"]:
    """Entropy, in nats, of the labels of all of an image's cells together: near 0 where one label fills the image.

    That of the mean of q over the cells, from 0 to log of the number of classes; `negative_entropy` is of each cell's.
    """
    return torch.special.entr(q.mean((-2, -1))).sum(dim=1)


def warm(logits: Float[Tensor, "batch classes height width"], labels: Int64[Tensor, "batch height width"]) -> Loss:
    """SEC's loss at the seeds, with which a warm start begins; see `objective`."""
    p = probabilities(logits, floor=1e-4)
    seeds = one_hot(labels.to(torch.uint8), classes=logits.shape[1])
    zero = torch.zeros(())
    seeding = seeding_loss(p, seeds)
    return seeding, {"likelihood": -seeding, "prior": zero, "entropy": zero, **detectors(p)}


def objective(
    logits: Float[Tensor, "batch classes height width"],
    tags: Bool[Tensor, "batch classes-1"],
    kernels: Float[Tensor, "batch height*width height*width"],
    fits: Callable[[Tensor], Tensor],
    *,
    bound: Bound,
    done: float,
    generator: torch.Generator,
) -> Loss:
    """What a step lowers, its terms, and signs of a collapse.

    It is minus the lower bound. With `bound.by_tags` the bound is that of q(z|x,y), and the cross-entropy of the
    network's own q(z|x), which has no tags, to it is added.

    With `bound.update` mean_field it is the cross-entropy of the network's q to the `mean_field_update` of it instead,
    with q(z|x,y) in its place where `bound.by_tags`. Its gradient with respect to the logits, q minus the update, is 0
    where that of the bound is 0; but it does not vanish with the q of a label as that of the bound, by which a network
    that has given up a label never finds back to it.

    Args:
        logits: output of the inference network.
        tags: y.
        kernels: K of the prior.
        fits: log p(y|z,x) of each image for labels z.
        bound: the weights of the terms.
        done: share of the steps that is done.
        generator: of the samples.
    """
    own = log_q = logits.log_softmax(1)
    if bound.by_tags:
        log_q = ruled_by_tags(logits, tags).log_softmax(1)
    q = log_q.exp()
    m = messages(q.detach(), kernels)
    ramp = min(1.0, done / bound.prior_ramp) if bound.prior_ramp else 1.0
    weights = {
        "entropy_weight": bound.entropy_weight,  # from the start: a q that is certain of one label stops learning
        "prior_weight": ramp * bound.prior_weight,
        "likelihood_weight": bound.likelihood_weight,
    }
    tau = temperature(done, start=bound.temperature_start, end=bound.temperature_end)
    z = gumbel_softmax(log_q, temperature=tau, generator=generator) if bound.sample else q
    if bound.update == "mean_field":
        # ASSUME: learned by a cross-entropy, as q(z|x) learns from q(z|x,y); the sources have gradients of the bound
        z = z.detach().requires_grad_()
        likelihood = fits(z)
        updated = mean_field_update(*torch.autograd.grad(likelihood.sum(), z), m, **weights)
        likelihood = likelihood.detach()
        total = cross_entropy(ruled_by_tags(updated, tags) if bound.by_tags else updated, own)
    else:
        likelihood = fits(z)
        total = negative_bound(log_q, m, likelihood, **weights)
        if bound.by_tags:
            total = total + cross_entropy(log_q, own)
    terms = {
        "likelihood": likelihood.mean(),
        "prior": prior_energy(q, m).mean(),
        "entropy": -negative_entropy(log_q).mean(),
    }
    return total, terms | detectors(q)


def cross_entropy(
    taught: Float[Tensor, "batch classes height width"], log_q: Float[Tensor, "batch classes height width"]
) -> Float[Tensor, ""]:
    """Of the labels q to those that the logits `taught` give, for each cell; no gradient leads to `taught`."""
    return -(taught.detach().softmax(1) * log_q).sum(1).mean()


def detectors(q: Float[Tensor, "batch classes height width"]) -> dict[str, Tensor]:
    """Signs of a collapse: the share of background, and the entropy of an image's labels."""
    return {
        "background": background_fraction(q).mean(),
        "label_entropy": label_entropy(q).mean(),
    }
