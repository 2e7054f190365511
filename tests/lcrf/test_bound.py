"""The latent CRF's bound, its samples and its likelihoods, by enumeration of all labellings of a grid of 3 x 3."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import BOUND
from torch.nn.functional import one_hot

from wsss.lcrf import bound, likelihoods
from wsss.maths import grid
from wsss.runtime.errors import WsssError

CLASSES, CELLS = 3, 9
LABELLINGS = torch.cartesian_prod(*[torch.arange(CLASSES)] * CELLS)  # a row each
GRIDS = one_hot(LABELLINGS, CLASSES).mT.reshape(-1, CLASSES, 3, 3).double()
WHOLE = dict(entropy_weight=1, prior_weight=1)
FILL = (0.5, 0.25, 0.75)
CAM = dict(least_share=0.1, eps=0.01, absent_floor=0, decay_background=0.9)
EVIDENCE = dict(alpha=2, absent=0.01)
POOL = dict(decay_present=0.9, decay_absent=0.1, decay_background=0.95, floor=0.001)
ONE, BOTH, NONE = (torch.tensor([tags]) for tags in ([True, False], [True, True], [False, False]))


def random(seed):
    return torch.Generator().manual_seed(seed)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=random(seed))


def uniform(seed, *shape):
    return torch.rand(*shape, dtype=torch.float64, generator=random(seed))


def kernel_like(seed):
    """Symmetric, of positive weights, with a diagonal that must not count."""
    weights = uniform(seed, 1, CELLS, CELLS)
    return weights + weights.mT


def row(*classes):
    """One image of a row of cells from the numbers of each class."""
    return torch.tensor(classes, dtype=torch.float64)[None, :, None]


def sums(images):
    """The logits of a classifier for three classes: the sums of an image's channels."""
    return images.sum((-2, -1))


def masked_image(z, images, tags, **settings):
    settings = dict(classifier=sums, stride=2, fill=FILL, most_present=9, generator=random(0)) | settings
    return likelihoods.masked_image(z, images, tags, **settings)


Z = row([0.5, 0.2], [0.4, 0.2], [0.1, 0.6])
CALLS = {
    "gumbel_softmax": partial(bound.gumbel_softmax, Z, generator=random(0)),
    "temperature": partial(bound.temperature, **dict(share=0, start=1, end=1)),
    "masked_cam": partial(likelihoods.masked_cam, Z, Z[:, 1:], ONE, **CAM | dict(least_share=0)),
    "local_evidence": partial(likelihoods.local_evidence, Z, Z[:, 1:], ONE, **EVIDENCE),
    "pooling": partial(likelihoods.pooling, Z, None, ONE, **POOL),
    "masked_image": partial(masked_image, Z, uniform(0, 1, 3, 2, 5), ONE),
}


def choices(seed):
    """Those that are fast enough for all labellings, as functions of z and tags, with some evidence for 3 x 3 cells."""

    def of(likelihood, evidence, **settings):
        return lambda z, tags: likelihood(z, evidence.expand(len(z), -1, 3, 3), tags.expand(len(z), -1), **settings)

    return {
        "masked_cam": of(likelihoods.masked_cam, 3 * normal(seed, 1, 2, 3, 3), **CAM),
        "local_evidence": of(likelihoods.local_evidence, uniform(seed, 1, 2, 3, 3), **EVIDENCE),
        "pooling": of(likelihoods.pooling, normal(seed, 1, 2, 3, 3), **POOL),
    }


def log_prior(kernel):
    """log p(z|x) of all labellings, by their pairs of cells; -log Z is that of the first, whose cells are all alike."""
    pairs = [(i, j) for i in range(CELLS) for j in range(CELLS) if i != j]
    energy = sum(kernel[0, i, j] * (LABELLINGS[:, i] != LABELLINGS[:, j]) for i, j in pairs) / 2
    return (-energy).log_softmax(0)


def log_posterior(scores):
    """log q of all labellings, from the scores of the classes at each cell."""
    cells = scores.reshape(CLASSES, CELLS)
    cells = cells - cells.exp().sum(0).log()
    return cells[LABELLINGS, torch.arange(CELLS)].sum(1)


def divergence_of(scores, kernel, **weights):
    log_q = scores.log_softmax(1)
    return bound.divergence(log_q, bound.messages(log_q.exp(), kernel), **weights)


def gradient(value, scores):
    return torch.autograd.grad(value.sum(), scores, retain_graph=True)[0]


def log_sigma(*scores):
    """Their mean."""
    return sum(-math.log(1 + math.exp(-score)) for score in scores) / len(scores)


def test_messages_by_hand():
    q = row([0.9, 0.3], [0.1, 0.7])
    kernel, diagonal = torch.tensor([[[5.0, 2.0], [2.0, 7.0]]]).double(), torch.tensor([[[5.0, 7.0]]]).double()
    # the first cell's background costs 2 where the second is not background: 2 * 0.7
    expected = row([1.4, 0.2], [0.6, 1.8])
    torch.testing.assert_close(bound.messages(q, kernel), expected)
    # from an engine that keeps the diagonal, 5 * 0.9 + 2 * 0.3 and so on; and from one that does not
    kept, left_out = row([5.1, 3.9], [1.9, 5.1]), row([0.6, 1.8], [1.4, 0.2])
    torch.testing.assert_close(bound.messages_of(kept, q, diagonal=diagonal), expected)
    torch.testing.assert_close(bound.messages_of(left_out, q, diagonal=0 * diagonal), expected)


def test_neither_the_diagonal_nor_autocast_change_the_messages():
    q, kernel = normal(0, 1, CLASSES, 3, 3).softmax(1).float(), kernel_like(1).float()
    expected = bound.messages(q, kernel)
    torch.testing.assert_close(bound.messages(q, kernel + 10 * torch.eye(CELLS)), expected, rtol=0, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(bound.messages(q, kernel), expected)


def test_parts_of_the_bound_by_hand():
    q, m = row([0.5, 1.0], [0.5, 0.0]), row([1.0, 2.0], [3.0, 7.0])
    log_q = row([math.log(0.5), 0.0], [math.log(0.5), -1000.0]).requires_grad_()
    # the first cell log 1/2, the second 0; the messages 0.5 + 1.5 and 2, halved
    assert bound.negative_entropy(log_q).item() == pytest.approx(-math.log(2) / 2, rel=1e-12)
    assert gradient(bound.negative_entropy(log_q), log_q).isfinite().all()
    assert bound.prior_energy(q, m).item() == pytest.approx((2 + 2) / 2 / 2, rel=1e-12)
    # a second image with messages three times as large, an energy of 2 on average; and a likelihood of -2
    twice, log_p = torch.cat([log_q, log_q]), torch.tensor([-1.0, -3.0]).double()
    weights = dict(entropy_weight=3, prior_weight=0.1, likelihood_weight=5)
    loss = bound.negative_bound(twice, torch.cat([m, 3 * m]), log_p, **weights)
    assert loss.item() == pytest.approx(-3 * math.log(2) / 2 + 0.1 * 2 + 5 * 2, rel=1e-12)


@pytest.mark.parametrize(("seed", "weights"), [(0, (1, 1)), (1, (1, 1)), (2, (0, 1)), (3, (1, 0)), (4, (0.3, 2))])
def test_divergence_and_gradient_equal_the_enumeration(seed, weights):
    scores, kernel = (2 * normal(seed, 1, CLASSES, 3, 3)).requires_grad_(), kernel_like(seed + 10)
    log_q, log_p = log_posterior(scores), log_prior(kernel)
    expected = (log_q.exp() * (weights[0] * log_q - weights[1] * log_p)).sum()
    found = CELLS * divergence_of(scores, kernel, entropy_weight=weights[0], prior_weight=weights[1])
    torch.testing.assert_close(found[0] - weights[1] * log_p[0], expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(gradient(found, scores), gradient(expected, scores), rtol=0, atol=1e-9)


def test_a_kernel_has_to_be_symmetric():
    scores, kernel = normal(0, 1, CLASSES, 3, 3).requires_grad_(), uniform(1, 1, CELLS, CELLS)
    found, mended = (divergence_of(scores, k, **WHOLE) for k in (kernel, (kernel + kernel.mT) / 2))
    torch.testing.assert_close(found, mended)  # and yet
    assert (gradient(found, scores) - gradient(mended, scores)).abs().max() > 0.001


@pytest.mark.parametrize("name", ["masked_cam", "local_evidence", "pooling"])
@given(seed=st.integers(0, 2**16), size=st.floats(0, 6), entropy_weight=st.floats(0, 1), prior_weight=st.floats(0, 3))
@settings(max_examples=8, deadline=None)
def test_the_bound_never_exceeds_the_log_of_the_sum_over_all_labels(name, seed, size, entropy_weight, prior_weight):
    scores, kernel = size * normal(seed, 1, CLASSES, 3, 3), kernel_like(seed + 1)
    log_p = CELLS * choices(seed)[name](GRIDS, uniform(seed, 1, 2) < 0.5)
    log_evidence = (log_prior(prior_weight * kernel) + log_p).logsumexp(0)
    kl = CELLS * divergence_of(scores, kernel, entropy_weight=entropy_weight, prior_weight=prior_weight)
    lower = (log_posterior(scores).exp() * log_p).sum() - kl + log_prior(prior_weight * kernel)[0]
    assert lower.item() <= log_evidence.item() + 1e-9


@pytest.mark.parametrize(("strength", "gap"), [(0, 1e-6), (0.05, 0.02)])
def test_the_bound_is_tight_where_the_posterior_nearly_factorises(strength, gap):
    log_p, kernel = choices(0)["local_evidence"], strength * kernel_like(1)
    log_evidence = (log_prior(kernel) + CELLS * log_p(GRIDS, ONE)).logsumexp(0).item()
    scores = torch.zeros(1, CLASSES, 3, 3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([scores], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        log_q, q = scores.log_softmax(1), scores.softmax(1)
        m = bound.messages(q, kernel)
        value = bound.negative_bound(log_q, m, log_p(q, ONE), **WHOLE, likelihood_weight=1)
        value.backward()
        return value

    before, after = (-CELLS * optimiser.step(loss).item() + log_prior(kernel)[0].item() for _ in range(2))
    assert before < log_evidence - 0.1
    assert log_evidence - gap <= after <= log_evidence + 1e-9


def test_samples_have_their_labels_as_often_as_q():
    log_q = Z.log().expand(20000, -1, -1, -1)
    z, warm = (bound.gumbel_softmax(log_q, temperature=value, generator=random(0)) for value in (0.1, 1))
    torch.testing.assert_close(z.sum(1), torch.ones_like(z[:, 0]))
    often = one_hot(z.argmax(1), CLASSES).double().mean(0).movedim(-1, 0)
    torch.testing.assert_close(often, Z[0], rtol=0, atol=0.014)  # four standard deviations
    assert torch.equal(warm.argmax(1), z.argmax(1))  # the same seed, the same noise
    assert warm.amax(1).mean() < 0.85 < 0.95 < z.amax(1).mean()  # relaxed, and nearly one-hot


def test_the_bias_of_the_samples_gradient_falls_with_the_temperature():
    scores, log_p = normal(0, 1, CLASSES, 3, 3).requires_grad_(), choices(2)["masked_cam"]
    exact = gradient((log_posterior(scores).exp() * log_p(GRIDS, ONE)).sum(), scores)
    log_q, errors = scores.log_softmax(1).expand(20000, -1, -1, -1), []
    for temperature in (2.0, 0.7, 0.2):
        z = bound.gumbel_softmax(log_q, temperature=temperature, generator=random(3))
        errors.append(((gradient(log_p(z, ONE).mean(), scores) - exact).norm() / exact.norm()).item())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.1


def test_temperature_by_hand():
    found = [bound.temperature(share, start=1, end=0.5) for share in (0, 0.5, 1)]
    assert found == pytest.approx([1, math.sqrt(0.5), 0.5], rel=1e-12)


@pytest.mark.parametrize("by_tags", [False, True])
@pytest.mark.parametrize("likelihood", ["masked_cam", "local_evidence"])  # the ranks of pooling never settle
def test_the_bound_is_at_rest_where_labels_equal_their_mean_field_update(likelihood, by_tags):
    """The derivative of either loss is q - update, the bound's through the softmax; and both are 0 at the same q."""
    fits, kernel = choices(3)[likelihood], 0.1 * kernel_like(5)
    scores = normal(4, 1, CLASSES, 3, 3).requires_grad_()
    options = replace(BOUND, likelihood=likelihood, by_tags=by_tags, prior_ramp=0)

    def slope(update):
        settings = dict(bound=replace(options, update=update), done=1, generator=random(0))
        return gradient(bound.objective(scores, ONE, kernel, lambda z: fits(z, ONE), **settings)[0], scores)

    for _ in range(300):  # of the updates, each mixed with the labels before it
        q = (scores.softmax(1) - 9 * slope("mean_field") / 2).detach()
        scores = q.clamp(min=1e-12).log().requires_grad_()
    assert slope("mean_field").abs().max() < 1e-9
    assert slope("bound").abs().max() < 1e-9


def test_a_mean_field_update_by_hand():
    slope, m = row([0.5, 1.0], [0.25, 0.0]), row([1.0, 2.0], [3.0, 7.0])
    # two cells; (2 * 2 * 0.5 - 3 * 1) / 4 and so on
    expected = row([-0.25, -0.5], [-2.0, -5.25])
    found = bound.mean_field_update(slope, m, entropy_weight=4, prior_weight=3, likelihood_weight=2)
    torch.testing.assert_close(found, expected)


def test_ruled_by_tags_by_hand():
    log_q = bound.ruled_by_tags(torch.zeros(2, 3, 1, 1), torch.cat([ONE, NONE])).log_softmax(1)
    assert log_q.exp().flatten(1).tolist() == [[0.5, 0.5, 0], [1, 0, 0]]
    assert bound.negative_entropy(log_q).tolist() == pytest.approx([-math.log(2), 0])


@pytest.mark.parametrize(
    ("tags", "settings", "scores"),
    [
        # class 1: (0.4 * 3 - 0.2 * 1) / 0.6; class 2, absent, without its -4: 0.6 * 2 / 0.7, or with it
        (ONE, dict(), [[1 / 0.6], [-1.2 / 0.7]]),
        (ONE, dict(absent_floor=-math.inf), [[1 / 0.6], [-0.8 / 0.7]]),
        # areas of 0.3 and 0.35 of the image, of which the first is below 0.32
        (ONE, dict(least_share=0.32, eps=0), [[0.5 / 0.32], [-0.6 / 0.35]]),
        (ONE, dict(eps=0.1), [[0.5 / 0.4], [-0.6 / 0.45]]),
        (ONE, dict(bias=torch.tensor([-1.0, 2.0])), [[1 / 0.6 - 1], [-1.2 / 0.7 - 2]]),
        (BOTH, dict(), [[1 / 0.6, 0.8 / 0.7]]),
        # background: logits -3 and 1 for class 1 alone, times 0.5 and 0.2; sorted 0.2, -1.5, of weights 1, 0.5
        (ONE, dict(decay_background=0.5), [[1 / 0.6], [-1.2 / 0.7], [-0.55 / 1.5]]),
        # no tags: minus the largest of all, -3 and -2
        (NONE, dict(decay_background=1), [[-1.2 / 0.6, -1.2 / 0.7], [-1.9 / 2]]),
    ],
)
def test_masked_cam_by_hand(tags, settings, scores):
    settings = dict(least_share=0, eps=1e-9, absent_floor=0, decay_background=None) | settings
    found = likelihoods.masked_cam(Z, row([3, -1], [-4, 2]), tags, **settings)
    assert found.item() == pytest.approx(sum(log_sigma(*of_class) for of_class in scores), rel=1e-6)


def test_a_floor_keeps_an_absent_class_from_spreading():
    # class 2 in two cells with -4, or nowhere: from log sigma(0) to log sigma of 4 in two thirds of the image
    z = torch.cat([row([1.0, 0, 0], [0, 0, 0], [0, 1, 1]), row([1.0, 1, 1], [0, 0, 0], [0, 0, 0])])
    logits, tags = row([3.0, 3, 3], [1, -4, -4]).expand(2, -1, -1, -1), torch.cat([ONE, ONE])
    for floor, gained in [(0, 0), (-math.inf, log_sigma(4 * 2 / 3 / (2 / 3 + 0.01)) - log_sigma(0))]:
        found = likelihoods.masked_cam(z, logits, tags, **CAM | dict(absent_floor=floor, decay_background=None))
        assert (found[0] - found[1]).item() == pytest.approx(gained, abs=1e-9)


def test_local_evidence_by_hand():
    # class 1 alone: [0.25^2, 0.75] and [0.5^2, 0.5], all at least 0.1; without tags all is background
    first = 0.5 * math.log(0.1) + 0.4 * math.log(0.75 / 0.8125) + 0.1 * math.log(0.1)
    second = 0.2 * math.log(1 / 3) + 0.2 * math.log(2 / 3) + 0.6 * math.log(0.1)
    for tags, expected in [(ONE, first + second), (NONE, (0.5 + 0.8) * math.log(0.1))]:
        found = likelihoods.local_evidence(Z, row([0.75, 0.5], [0.9, 0.1]), tags, alpha=2, absent=0.1)
        assert found.item() == pytest.approx(expected / 2, rel=1e-12)


def test_pooling_by_hand():
    pool = partial(likelihoods.pooling, Z, None, decay_present=0.5, decay_absent=0, floor=0.1)
    # class 1: (0.4 + 0.2 / 2) / 1.5; class 2: maximum 0.6; background: mean 0.35; each 0.1 + 0.8 of it
    one = math.log(0.1 + 0.8 * 0.5 / 1.5) + math.log(0.9 - 0.8 * 0.6)
    both = (math.log(0.1 + 0.8 * 0.5 / 1.5) + math.log(0.1 + 0.8 * 0.65 / 1.5)) / 2
    for tags, decay, expected in [(ONE, None, one), (ONE, 1, one + math.log(0.1 + 0.8 * 0.35)), (BOTH, None, both)]:
        assert pool(tags, decay_background=decay).item() == pytest.approx(expected, rel=1e-12)


def test_masked_image_by_hand():
    z = torch.tensor([0.2, 0.5, 0.25, 0.05]).view(1, 4, 1, 1)
    images = torch.tensor([1.0, 0.5, 0.25])[None, :, None, None].expand(-1, -1, 2, 2)
    # red is masked with 0.5, green with 0.25, blue with 0.05; and there are four pixels
    red, green, blue = 4 * (0.5 + 0.25), 4 * (0.125 + 0.75 / 4), 4 * (0.0125 + 0.95 * 0.75)
    found = masked_image(z, images, torch.tensor([[True, True, False]]))
    assert found.item() == pytest.approx(log_sigma(red, green) + log_sigma(-blue), rel=1e-6)


def test_masked_image_masks_the_pixels_of_a_bounded_number_of_images():
    z, images, seen = uniform(0, 3, 4, 2, 3), uniform(1, 3, 3, 3, 5), []
    tags = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    for most in (1, 2, 3):
        masked_image(z, images, tags, most_present=most, classifier=lambda masked: sums(seen.append(masked) or masked))
    assert [len(masked) for masked in seen] == [2 + 1 + 1, 3 + 2 + 1, 3 + 3 + 1]
    masks = grid.to_pixels(z[:2, 1:], (3, 5), stride=2)[:, :, None]
    expected = masks * images[:2, None] + (1 - masks) * torch.tensor(FILL).double()[:, None, None]
    torch.testing.assert_close(seen[-1][:6], expected.flatten(0, 1))


@pytest.mark.parametrize("tag", [True, False])
def test_masked_image_draws_each_class_as_often(tag):
    z, images = (uniform(0, 1, *shape).expand(3000, -1, -1, -1) for shape in [(4, 1, 1), (3, 2, 2)])
    counts = masked_image(z, images, torch.full((3000, 3), tag), most_present=1).unique(return_counts=True)[1]
    assert counts.tolist() == pytest.approx([1000] * 3, abs=110)  # four standard deviations


@pytest.mark.parametrize("name", ["masked_cam", "local_evidence", "pooling", "masked_image"])
def test_gradients(name):
    z, tags = uniform(0, 2, 3, 3, 3).requires_grad_(), torch.cat([ONE, BOTH])
    settings = dict(images=uniform(1, 2, 3, 5, 6), classifier=lambda images: sums(images.square())[:, :2] / 9)
    tried = choices(1) | {"masked_image": lambda z, tags: masked_image(z, tags=tags, **settings)}
    assert torch.autograd.gradcheck(lambda z: tried[name](z, tags), z)
    assert gradient(tried[name](z, tags), z)[:, 1:].flatten(2).any(-1).all()  # of each class


def test_detectors_by_hand():
    q = torch.cat([Z, row([0.0, 0.1], [1.0, 0.9], [0.0, 0.0]), row([0.9, 0.8], [0.1, 0.1], [0.0, 0.1])])
    assert bound.background_fraction(q).tolist() == [0.5, 0, 1]
    expected = [-sum(p * math.log(p) for p in mean) for mean in ((0.35, 0.3, 0.35), (0.05, 0.95), (0.85, 0.1, 0.05))]
    assert bound.label_entropy(q).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu():
    log_q, images, tags = normal(0, 2, CLASSES, 3, 3).log_softmax(1), uniform(1, 2, 3, 5, 6), torch.cat([ONE, BOTH])
    found = []
    for device in ("cuda", "cpu"):
        z = bound.gumbel_softmax(log_q.to(device).float(), temperature=0.5, generator=random(2))
        log_p = masked_image(z, images.to(z), tags.to(device), classifier=lambda masked: sums(masked)[:, :2])
        found.append(torch.cat([z.flatten(), log_p]).cpu())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "setting", "values", "words"),
    [
        ("gumbel_softmax", "temperature", [0, -1, math.nan, math.inf], "of the samples is {}: it must be above 0"),
        ("temperature", "start", [0, math.nan], "temperature of the samples is {}: it must be"),
        ("temperature", "end", [0, math.inf], "temperature of the samples is {}: it must be"),
        ("temperature", "share", [-0.1, 1.1, math.nan], "share of the steps is {}: it must lie between 0"),
        ("masked_cam", "eps", [0, -1, math.nan], "is 0, its eps {}: give neither below 0 and one of them above"),
        ("masked_cam", "least_share", [-0.001, math.nan], "least share of masked_cam is {}, its eps 0.01"),
        ("local_evidence", "alpha", [-1, math.nan, math.inf], "alpha of local_evidence is {}: it must be 0 or more"),
        ("local_evidence", "absent", [0, 1, math.nan], "evidence of absent classes is {}: give a small one"),
        ("pooling", "floor", [0, 0.5, math.nan], "floor of pooled labels is {}: give a small one"),
        ("masked_image", "most_present", [0, -1], "most_present of masked_image is {}: give 1"),
        ("masked_image", "stride", [1, 2], "1 x 2 cells of {} px is smaller than the images of 2 x 5 px: give the"),
    ],
)
def test_refusals(name, setting, values, words):
    for value in values:
        with pytest.raises(WsssError, match=words.format(value)):
            CALLS[name](**{setting: value})
