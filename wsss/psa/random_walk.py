"""Random walk along affinities, which carries class scores to the pixels that look alike.

Ahn & Kwak, CVPR 2018 (PSA, arXiv:1803.10464). The authors' code forms the dense pixels x pixels matrix and
squares it; here it stays sparse, and only its products with the scores are computed.
"""

import math
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from wsss.psa.affinity import offsets


def _neighbours(
    affinities: Float[Tensor, "pairs height width"], *, radius: int, beta: float
) -> tuple[Float[Tensor, "pixels neighbours"], Bool[Tensor, "pixels neighbours"], Int[Tensor, "pixels neighbours"]]:
    """W^beta by rows: the values, 0 outside the grid, which of them are inside, and the index of each one's pixel.

    Neighbours are in the order of their index, the pixel itself in the middle.
    """
    pairs, height, width = affinities.shape
    half = offsets(radius)
    if pairs != len(half):
        raise ValueError(f"affinities of {pairs} pairs a pixel: radius {radius} has {len(half)}")
    margin = radius - 1
    powers = F.pad(affinities**beta, (margin, margin, margin, margin))
    inside = F.pad(torch.ones_like(affinities[0], dtype=torch.bool), (margin, margin, margin, margin))

    def seen(padded: Tensor, dy: int, dx: int) -> Tensor:
        return padded[margin + dy : margin + dy + height, margin + dx : margin + dx + width]

    # the affinity of a pair is stored at its first pixel p: the second one, at p + (dy, dx), finds it at -(dy, dx)
    before = [seen(power, -dy, -dx) for power, (dy, dx) in zip(powers, half, strict=True)]
    after = [seen(power, 0, 0) for power in powers]
    values = torch.stack([*reversed(before), torch.ones_like(affinities[0]), *after])
    disc = [(-dy, -dx) for dy, dx in reversed(half)] + [(0, 0)] + half
    valid = torch.stack([seen(inside, dy, dx) for dy, dx in disc])
    ahead = torch.tensor([dy * width + dx for dy, dx in disc], dtype=torch.int32, device=affinities.device)
    index = torch.arange(height * width, dtype=torch.int32, device=affinities.device)[:, None] + ahead
    values, valid = (values * valid).flatten(1).T.contiguous(), valid.flatten(1).T.contiguous()
    return values, valid, index.clamp_(0, height * width - 1)


def _csr(
    values: Float[Tensor, "pixels neighbours"],
    valid: Bool[Tensor, "pixels neighbours"],
    index: Int[Tensor, "pixels neighbours"],
) -> Tensor:
    pixels = len(values)
    kept = valid.flatten().nonzero().squeeze(1)
    starts = F.pad(valid.sum(dim=1).cumsum(dim=0), (1, 0)).int()  # 32-bit indices make the products faster
    with warnings.catch_warnings():
        # torch says once a process that the layout is in beta; products with it are all that is wanted here
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            starts, index.take(kept), values.take(kept), size=(pixels, pixels), check_invariants=False
        )


def _sparse_step(
    values: Float[Tensor, "pixels neighbours"],
    valid: Bool[Tensor, "pixels neighbours"],
    index: Int[Tensor, "pixels neighbours"],
) -> Callable[[Tensor, Tensor], Tensor]:
    """(x, y) -> 2 S x - y, with S given by its rows, as a product with a sparse matrix."""
    matrix = _csr(values, valid, index)
    return lambda x, y: torch.addmm(y, matrix, x, beta=-1, alpha=2)


def _gathered_step(
    values: Float[Tensor, "pixels neighbours"],
    valid: Bool[Tensor, "pixels neighbours"],
    index: Int[Tensor, "pixels neighbours"],
) -> Callable[[Tensor, Tensor], Tensor]:
    """(x, y) -> 2 S x - y, with S given by its rows, as a sum over the neighbours of each pixel.

    For GPUs: it adds up in the same order each time, which cuSPARSE's products do not promise. Neighbours outside the
    grid are added too, with the value 0.
    """
    starts = torch.arange(0, index.numel(), index.shape[1], dtype=index.dtype, device=index.device)
    weights, index = 2 * values.flatten(), index.flatten()
    return lambda x, y: F.embedding_bag(index, x, starts, mode="sum", per_sample_weights=weights) - y


def transition_matrix(affinities: Float[Tensor, "pairs height width"], *, radius: int, beta: float) -> Tensor:
    """Probabilities of a step from each pixel (row) to each pixel (column), as a sparse CSR matrix; rows sum to 1.

    Ahn & Kwak 2018, with W symmetric, W_ii = 1, and ^ taken entry by entry:

        T = D^-1 W^beta,    D_ii = sum_j W_ij^beta

    Every pair inside the grid is in W (PSA's code leaves out those near the border).

    Args:
        affinities: W_ij of pixel i and its neighbours, ordered as `affinity.offsets(radius)`.
        radius: of those offsets.
        beta: above 1, it makes small affinities smaller still.

    Raises:
        ValueError: the number of pairs is not that of the radius.
    """
    values, valid, index = _neighbours(affinities, radius=radius, beta=beta)
    return _csr(values / values.sum(dim=1, keepdim=True), valid, index)


def walk_plain(
    scores: Float[Tensor, "classes height width"],
    affinities: Float[Tensor, "pairs height width"],
    *,
    radius: int,
    beta: float,
    steps: int,
) -> Float[Tensor, "classes height width"]:
    """T^steps scores by as many products as there are steps: what `walk` must equal."""
    transition = transition_matrix(affinities, radius=radius, beta=beta)
    columns = scores.flatten(1).T.contiguous()
    for _ in range(steps):
        columns = transition @ columns
    return columns.T.reshape(scores.shape)


def chebyshev_of_power(steps: int, *, tail: float = 1e-6) -> list[float]:
    """Coefficients c of x^steps on [-1, 1] in Chebyshev polynomials, cut where what follows sums to less than `tail`.

        x^n = sum_k c_k T_k(x),    c_k = 2^(1-n) binomial(n, (n-k)/2) for n - k even, half of it for k = 0

    They are probabilities (of the distance of n coin tosses from balance), so some sqrt(n) of them matter, and as
    |T_k| <= 1 the error is below the tail. Scaled to the sum 1, which keeps x = 1 exact.
    """
    coefficients = [0.0] * (steps + 1)
    for k in range(steps % 2, steps + 1, 2):
        tails = (steps - k) // 2
        log_binomial = math.lgamma(steps + 1) - math.lgamma(tails + 1) - math.lgamma(steps - tails + 1)
        coefficients[k] = math.exp(log_binomial + (1 - steps) * math.log(2)) / (2 if k == 0 else 1)
    left_out = 0.0
    while left_out + coefficients[-1] < tail:
        left_out += coefficients.pop()
    total = sum(coefficients)
    return [coefficient / total for coefficient in coefficients]


def walk(
    scores: Float[Tensor, "classes height width"],
    affinities: Float[Tensor, "pairs height width"],
    *,
    radius: int,
    beta: float,
    steps: int,
) -> Float[Tensor, "classes height width"]:
    """Scores after a random walk: each pixel takes the mean of the scores at the pixels where the walk may end.

    Ahn & Kwak 2018: T^steps applied to each class's map, with T of `transition_matrix` (PSA: radius 5, beta 8, 256
    steps). A constant map stays as it is. T is similar to a symmetric matrix whose eigenvalues lie in [-1, 1],

        T = D^-1/2 S D^1/2,    S = D^-1/2 W^beta D^-1/2

    so that S^steps is a short sum of Chebyshev polynomials of S: 80 products instead of 256 steps, and their error is
    about 1e-6 of the scores (`chebyshev_of_power`). It runs where the affinities are; on a GPU numbers are added
    in another order than on a CPU, which in single precision makes a difference of about 1e-6, too.

    Args:
        scores: of each class, on the device of the affinities.
        affinities: W_ij of pixel i and its neighbours, ordered as `affinity.offsets(radius)`.
        radius: of those offsets.
        beta: above 1, it makes small affinities smaller still.
        steps: number of steps.

    Raises:
        ValueError: the number of pairs is not that of the radius.
    """
    values, valid, index = _neighbours(affinities, radius=radius, beta=beta)
    root = values.sum(dim=1, keepdim=True).sqrt()
    similar = values / (root * root.flatten().index_select(0, index.flatten()).reshape(index.shape))
    step = (_sparse_step if similar.device.type == "cpu" else _gathered_step)(similar, valid, index)
    coefficients = chebyshev_of_power(steps)
    classes = len(scores)
    # on the CPU a product with 4 columns takes less time than one with 3, by a third
    previous = F.pad(scores.flatten(1).T * root, (0, -classes % 4)).contiguous()
    result = coefficients[0] * previous
    if len(coefficients) > 1:
        current = step(previous, torch.zeros_like(previous)) / 2
        result.add_(current, alpha=coefficients[1])
    for coefficient in coefficients[2:]:
        # T_k(S) x = 2 S T_(k-1)(S) x - T_(k-2)(S) x
        previous, current = current, step(current, previous)
        if coefficient:
            result.add_(current, alpha=coefficient)
    return (result / root)[:, :classes].T.reshape(scores.shape)


def with_border(
    scores: Float[Tensor, "classes height width"], *, score: float
) -> Float[Tensor, "classes height width"]:
    """The scores before the walk, but the cells at the image's border are background, with this score.

    What lies at the border of a photograph is mostly background (the boundary prior of saliency: Wei et al., ECCV
    2012). Without it the walk carries a class over all of the background where its map answers beside the object. With
    a score above 1 the few cells of the border speak for others like them; with 0 nothing changes, as in PSA. Nor does
    it on a grid of which the border is all there is. (Not in the paper.)

    Args:
        scores: of the classes, the background first.
        score: of the background at the border; the other classes have 0 there.
    """
    if not score or min(scores.shape[1:]) <= 2:
        return scores
    found = torch.zeros_like(scores)
    found[0] = score
    found[:, 1:-1, 1:-1] = scores[:, 1:-1, 1:-1]
    return found


def rescaled(scores: Float[Tensor, "classes height width"], *, power: float) -> Float[Tensor, "classes height width"]:
    """Each class's map, the background's too, over its own maximum to a power.

    A walk flattens the maps of classes that are found at few pixels, until the background exceeds them everywhere. With
    power 1 every map has the maximum 1 again, as the activation maps had before the walk; with 0 nothing changes, as in
    PSA. A map of zeros stays so. (Not in the paper.)
    """
    if not power:
        return scores
    highest = scores.amax((-2, -1), keepdim=True)
    return scores / highest.where(highest > 0, 1) ** power
