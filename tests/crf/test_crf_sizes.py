"""The dense CRFs of a batch of images of different sizes."""

from dataclasses import replace

import pytest
import settings
import torch
import torch.nn.functional as F

from wsss import crf
from wsss.crf.levels import side_of
from wsss.crf.potentials import NUMBERS, potentials_of
from wsss.runtime.errors import WsssError

MILD = replace(
    settings.MILD,
    steps=3,
    smoothness_weight=0.3,
    smoothness_px=3,
    appearance_weight=0.5,
    appearance_px=9,
    appearance_rgb=40,
)
MODES = {
    "all pairs": {},
    "square": {"engine": "convcrf", "window_px": 3},
    "diamond": {"engine": "convcrf", "window_px": 4, "window": "diamond"},
    "not normalised": {"normalisation": "none"},
    "coarse": {"max_cells": 30},
    "coarse square": {"engine": "convcrf", "max_cells": 30, "window_px": 9},
    "coarse, not normalised": {"max_cells": 30, "normalisation": "none"},
    "exact": {"engine": "exact"},
    "lattice": {"engine": "lattice"},
    "none": {"engine": "none"},
}
SIZES = [(16, 20), (20, 14), (7, 8), (20, 20), (10, 6), (1, 1)]
"""With 30 cells: sides of 4, 4, 2, 4, 2, 1 px, which go into some of the heights and not into others."""


@pytest.fixture(params=[pytest.param(numbers, id=name) for name, numbers in MODES.items()])
def numbers(request):
    if request.param.get("engine") == "lattice":
        pytest.importorskip("pydensecrf")
    return replace(MILD, **request.param)


def scene(seed, size, *, labels=3, dtype=torch.float32):
    """Smooth energies, and smooth colours with some noise: what cells keep of them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, labels + 3, 5, 5, generator=generator)
    smooth = F.interpolate(coarse, size=size, mode="bilinear", align_corners=True)[0]
    noise = 20 * torch.rand(3, *size, generator=generator)
    return 3 * smooth[:labels].to(dtype), (200 * smooth[labels:] + noise).byte().movedim(0, 2)


def batch_of(sizes, **kwargs):
    scenes = [scene(seed, size, **kwargs) for seed, size in enumerate(sizes)]
    return scenes, *crf.padded([unary for unary, _ in scenes], [image for _, image in scenes])


def test_sides_of_the_images():
    assert [side_of(size, max_cells=30) for size in SIZES] == [4, 4, 2, 4, 2, 1]
    assert all(side_of(size, max_cells=1200) == 1 for size in SIZES)


def test_each_image_has_the_marginals_that_it_has_alone(numbers):
    # pixels are interpolated with cells of the padding (0.05 here); alone, with the border's cell
    scenes, unary, images, sizes = batch_of(SIZES, dtype=torch.float64)
    found = crf.marginals(unary, images, numbers, sizes=sizes)
    for q, (energies, image), (height, width) in zip(found, scenes, sizes, strict=True):
        alone = crf.marginals(energies[None], image[None], numbers)[0]
        torch.testing.assert_close(q[:, :height, :width], alone, atol=1e-9, rtol=0)
        assert (q[:, height:] == 0).all() and (q[:, :, width:] == 0).all()


def test_what_lies_beyond_an_image_is_no_matter(numbers):
    _, unary, images, sizes = batch_of(SIZES[:3])
    found = crf.marginals(unary, images, numbers, sizes=sizes)
    for energies, image, (height, width) in zip(unary, images, sizes, strict=True):
        energies[:, height:], energies[:, :, width:] = 7, -5
        image[height:], image[:, width:] = 255, 99
    torch.testing.assert_close(crf.marginals(unary, images, numbers, sizes=sizes), found, atol=1e-6, rtol=0)


def test_the_whole_of_each_image_is_the_default(numbers):
    _, unary, images, _ = batch_of([(20, 22)] * 2)
    found = crf.marginals(unary, images, numbers, sizes=[(20, 22)] * 2)
    assert torch.equal(found, crf.marginals(unary, images, numbers))


@pytest.mark.parametrize("reach", [{}, MODES["square"], MODES["not normalised"], {"max_cells": 300}])
def test_padding_far_away_takes_no_part(reach):
    # for the Gaussian of places, which is 0, its root is divided by, and 0 * inf spreads NaN
    scenes, unary, images, sizes = batch_of([(6, 7), (33, 34)])
    numbers = replace(MILD, smoothness_px=1.5, **reach)
    found = crf.marginals(unary, images, numbers, sizes=sizes)
    alone = crf.marginals(scenes[0][0][None], scenes[0][1][None], numbers)[0]
    torch.testing.assert_close(found[0, :, :6, :7], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("reach", [{}, MODES["square"], MODES["not normalised"], MODES["coarse"]])
def test_gradients_of_a_batch_are_those_of_its_images(reach):
    # the norm of pixels far beyond an image is infinite
    scenes, unary, images, sizes = batch_of([(6, 7), (24, 25)])
    numbers = replace(MILD, smoothness_px=1.5, **reach)

    def gradients(batch):
        learned = [torch.tensor(getattr(numbers, name)).float().requires_grad_() for name in NUMBERS]
        potentials = type(potentials_of(numbers, like=unary))(*learned)
        loss, energies = 0, []
        for maps, colours, inside in batch:
            energies.append(maps.requires_grad_())
            found = crf.marginals(energies[-1], colours, numbers, sizes=inside, potentials=potentials)
            loss = loss + found[:, 0].sum() + found[:, 1].square().sum()
        return torch.autograd.grad(loss, [*energies, *learned])

    of_energies, *of_numbers = gradients([(unary, images, sizes)])
    *alone, a, b, c, d, e = gradients([(one[None], image[None], None) for one, image in scenes])
    torch.testing.assert_close(torch.stack(of_numbers), torch.stack([a, b, c, d, e]), atol=1e-4, rtol=1e-3)
    for of_one, expected, (height, width) in zip(of_energies, alone, sizes, strict=True):
        torch.testing.assert_close(of_one[None, :, :height, :width], expected, atol=1e-5, rtol=1e-3)
        assert (of_one[:, height:] == 0).all() and (of_one[:, :, width:] == 0).all()


def test_padded_by_hand():
    unaries = [torch.ones(1, 2, 3), torch.full((2, 1, 4), 5.0)]
    images = [torch.full((2, 3, 3), 8, dtype=torch.uint8), torch.full((1, 4, 3), 9, dtype=torch.uint8)]
    energies, photographs, sizes = crf.padded(unaries, images)
    assert sizes == [(2, 3), (1, 4)]
    far = crf.ABSENT
    assert energies[0].tolist() == [[[1, 1, 1, far]] * 2, [[far] * 4] * 2]
    assert energies[1].tolist() == [[[5, 5, 5, 5], [far] * 4]] * 2
    assert photographs[..., 0].tolist() == [[[8, 8, 8, 0]] * 2, [[9] * 4, [0] * 4]]


def test_absent_classes_have_no_probability_and_change_nothing(numbers):
    present = [2, 4, 1, 3]
    scenes = [scene(seed, size, labels=n) for seed, (size, n) in enumerate(zip(SIZES, present, strict=False))]
    unary, images, sizes = crf.padded(*map(list, zip(*scenes, strict=True)))
    found = crf.marginals(unary, images, numbers, sizes=sizes)
    assert found.shape[1] == 4
    for q, (energies, image), labels, (height, width) in zip(found, scenes, present, sizes, strict=True):
        alone = crf.marginals(energies[None], image[None], numbers)[0]
        torch.testing.assert_close(q[:labels, :height, :width], alone, atol=2e-5, rtol=0)
        assert (q[labels:] == 0).all()


@pytest.mark.parametrize(
    "sizes", [[(4, 5)], [(4, 5), (5, 5)], [(4, 5), (4, 6)], [(4, 5), (0, 5)], [(4, 5), (4, -1)], [(4, 5)] * 3, []]
)
@pytest.mark.parametrize("engine", ["cells", "convcrf", "exact", "none"])
def test_sizes_that_do_not_fit_are_refused(engine, sizes):
    _, unary, images, _ = batch_of([(4, 5)] * 2)
    with pytest.raises(WsssError, match=r"2 images of up to 4 x 5 \(height x width\), its sizes are .* one for each"):
        crf.marginals(unary, images, replace(MILD, engine=engine), sizes=sizes)
