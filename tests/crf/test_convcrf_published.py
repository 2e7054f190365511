"""ConvCRF as published: its first message, its weight of the energies and its blur."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from settings import MILD, PSA

from wsss import crf
from wsss.crf.levels import Level, bilinear_upsample, margin_of
from wsss.runtime.errors import WsssError

PUBLISHED = replace(
    PSA,
    engine="convcrf",
    steps=5,
    smoothness_weight=0.2 * 3 / 16,
    appearance_weight=0.2 * 10 / 16,
    appearance_px=1e6,
    appearance_rgb=40,
    normalisation="none",
    max_cells=6,
    window_px=4,
    first_message="logarithms",
    unary_weight=0.8,
    coarsening="blur",
)
"""The published defaults but for a filter of 3 cells and colours of 40 levels; images of 10 x 7 have cells of 4 px."""

USUAL = {"first_message": "probabilities", "unary_weight": 1, "coarsening": "guided"}

ANCHOR = """
    0.0200 0.0271 0.0350 0.0412 0.0434 0.0404 0.0338
    0.0405 0.0494 0.0700 0.0942 0.0993 0.0738 0.0398
    0.0262 0.0372 0.0634 0.0339 0.0101 0.0093 0.0261
    0.0093 0.0252 0.0230 0.0074 0.0286 0.0354 0.0152
    0.0073 0.0403 0.0136 0.0494 0.0371 0.0485 0.0863
    0.0172 0.0979 0.0328 0.0897 0.0547 0.0445 0.0635
    0.0338 0.0979 0.0838 0.0200 0.0446 0.0348 0.0080
    0.0213 0.0291 0.0497 0.0280 0.0087 0.0078 0.0227
    0.0092 0.0096 0.0146 0.0270 0.0464 0.0627 0.0632
    0.0100 0.0126 0.0166 0.0219 0.0277 0.0328 0.0353
"""
"""What the inference of github.com/MarvinTeichmann/ConvCRF (2199dd6, default_conf with filter_size 3 and schan 40, on
the CPU in float64) finds for the first label of `example`, after a softmax."""


def example():
    """Logits of two labels and an image of 10 x 7, by formulas."""
    y, x = torch.meshgrid(torch.arange(10), torch.arange(7), indexing="ij")
    logits = torch.stack([torch.sin(1.3 * y + 0.4 * x), torch.cos(0.7 * x * y)]).double()
    image = torch.stack([(37 * y + 11 * x) % 256, 90 * (x > 3) + 5 * y, (7 * x * y) % 256], dim=-1)
    return logits[None], image[None].to(torch.uint8)


def anchor():
    return np.array(ANCHOR.split(), float).reshape(10, 7)


def test_published_code_by_its_own_numbers():
    logits, image = example()
    found = crf.marginals(-logits, image, PUBLISHED)[0, 0]
    np.testing.assert_allclose(found, anchor(), atol=6e-5)


@pytest.mark.parametrize("name", USUAL)
def test_each_option_is_needed(name):
    logits, image = example()
    found = crf.marginals(-logits, image, replace(PUBLISHED, **{name: USUAL[name]}))[0, 0]
    assert np.abs(found.numpy() - anchor()).max() > 0.005


def test_blur_is_nothing_where_cells_are_pixels():
    logits, image = example()
    pixels = replace(MILD, engine="convcrf", window_px=3, first_message="logarithms", unary_weight=0.8)
    found, expected = (crf.marginals(-logits, image, replace(pixels, coarsening=way)) for way in ("blur", "guided"))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_a_batch_of_several_sizes_is_each_image_alone():
    generator = torch.Generator().manual_seed(0)
    sizes = [(10, 7), (9, 9), (11, 8), (9, 10), (7, 11)]
    energies = [torch.rand(3, *size, dtype=torch.float64, generator=generator) for size in sizes]
    images = [torch.randint(256, (*size, 3), dtype=torch.uint8, generator=generator) for size in sizes]
    batch, photographs, sizes = crf.padded(energies, images)
    found = crf.marginals(batch, photographs, PUBLISHED, sizes=sizes)
    for q, unary, image, (height, width) in zip(found, energies, images, sizes, strict=True):
        alone = crf.marginals(unary[None], image[None], PUBLISHED)[0]
        torch.testing.assert_close(q[:, :height, :width], alone, atol=1e-12, rtol=0)
        assert not q[:, height:].any() and not q[:, :, width:].any()


def test_gradient():
    logits, image = example()
    energies = -logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda unary: crf.marginals(unary, image, PUBLISHED), [energies], fast_mode=True)


def test_weight_of_the_energies_without_messages():
    logits, image = example()
    alone = replace(PUBLISHED, smoothness_weight=0, appearance_weight=0)
    torch.testing.assert_close(crf.marginals(-logits, image, alone), (0.8 * logits).softmax(dim=1))


def test_margin_by_hand():
    # 10 px lack 2 of three cells of 4, 1 at each end; 7 px lack 1, 9 px lack 3 of which the first cell has 2
    assert margin_of((10, 7), side=4) == (1, 1)
    assert margin_of((9, 8), side=4) == (2, 0)
    assert margin_of((9, 7), side=1) == (0, 0)


def test_bilinear_upsample_by_hand():
    # middles of two cells of 2 px lie at 0.5 and 2.5; the third cell is not in the image
    maps = torch.tensor([[0.0, 4, 100]])[None, None]
    coarse = Level(2, maps, maps.expand(1, 3, 1, 3), torch.tensor([[4.0, 4, 0]])[None, None])
    fine = Level(1, torch.zeros(1, 1, 2, 5), torch.zeros(1, 3, 2, 5), torch.ones(1, 1, 2, 5))
    expected = torch.tensor([0.0, 1, 3, 4, 4]).expand(1, 1, 2, 5)
    torch.testing.assert_close(bilinear_upsample(maps, coarse, fine), expected)


@pytest.mark.parametrize("name", USUAL)
@pytest.mark.parametrize("engine", ["cells", "lattice", "exact"])
def test_other_engines_refuse(engine, name):
    usual = replace(PUBLISHED, **USUAL)
    with pytest.raises(WsssError, match=f"{name} is .* which engine {engine} cannot do: choose engine convcrf"):
        replace(usual, engine=engine, normalisation="symmetric", **{name: getattr(PUBLISHED, name)})


def test_engine_none_takes_them():
    logits, image = example()
    torch.testing.assert_close(
        crf.marginals(-logits, image, replace(PUBLISHED, engine="none")), logits.softmax(dim=1), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
def test_a_weight_out_of_range_is_refused(weight):
    with pytest.raises(WsssError, match="unary_weight is"):
        replace(PUBLISHED, unary_weight=weight)
