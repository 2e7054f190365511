"""The dense CRFs and their one interface."""

import sys
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from settings import PSA

from wsss import crf
from wsss.crf import exact
from wsss.options.crf import Engine
from wsss.runtime.errors import WsssError

ENGINES = ["cells", "convcrf", "lattice", "exact"]


def unary_like(seed, *shape):
    return np.random.default_rng(seed).uniform(0, 3, shape).astype(np.float32)


def image_like(seed, height, width):
    """Two even colours, left and right, with some noise."""
    image = np.random.default_rng(seed).integers(0, 10, (height, width, 3))
    image[:, width // 2 :] += 100
    return image.astype(np.uint8)


def softmax(energies):
    return torch.from_numpy(-energies).softmax(dim=0).numpy()


def exponent_like(seed, pixels, dtype=torch.float64):
    """Of a Gaussian between points in the unit square."""
    points = torch.rand(pixels, 2, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return -(points[:, None] - points).square().sum(dim=-1) / 2


def test_unary_is_minus_log_and_not_normalised():
    scores = np.array([0.5, 0.5, 0.5, 0.0, 2.0]).reshape(5, 1, 1)
    expected = -np.log([0.5, 0.5, 0.5, 1e-5, 1.0])
    unary = crf.unary_of(scores)
    assert unary.dtype == np.float32
    np.testing.assert_allclose(unary.ravel(), expected, rtol=1e-6)


def test_mean_field_by_hand():
    # two pixels, two labels; pixel 1 has no preference, and half of pixel 0's message says label 0
    unary = torch.tensor([[0.0, 0.0], [np.log(3), 0.0]], dtype=torch.float32)  # q = (3/4, 1/4), (1/2, 1/2)
    kernel = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    q = exact.mean_field(unary, kernel, exact.potts(2), steps=1)
    # penalties at pixel 1: label 0 pays 2 * 1/4, label 1 pays 2 * 3/4; at pixel 0 both pay 1
    expected = torch.tensor([[3 / 4, 1 / (1 + np.exp(-1))], [1 / 4, 1 / (1 + np.exp(1))]], dtype=torch.float32)
    torch.testing.assert_close(q, expected)


def test_exact_equals_the_reference():
    unary, image = unary_like(0, 3, 4, 5), image_like(0, 4, 5)
    numbers = replace(PSA, steps=3, appearance_px=4, smoothness_px=1.5)
    np.testing.assert_allclose(crf.refine(unary, image, numbers), reference.refine(unary, image, numbers), atol=2e-6)


def test_kernel_is_symmetric_and_keeps_its_diagonal():
    exponent = exponent_like(0, 30, dtype=torch.float32)
    kernel = exact.weighted(exponent, weight=2)
    torch.testing.assert_close(kernel, kernel.T)
    assert (kernel.diagonal() > 0).all()
    np.testing.assert_allclose(torch.linalg.eigvalsh(kernel)[-1], 2, rtol=1e-5)  # D^-1/2 K D^-1/2 is a walk's


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_without_pairwise_terms_it_is_the_softmax(engine):
    unary = unary_like(1, 4, 6, 7)
    numbers = replace(PSA, engine=engine, smoothness_weight=0, appearance_weight=0)
    np.testing.assert_allclose(crf.refine(unary, image_like(1, 6, 7), numbers), softmax(unary), atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_steps_it_is_the_softmax(engine):
    unary = unary_like(1, 4, 6, 7)
    found = crf.refine(unary, image_like(1, 6, 7), replace(PSA, engine=engine, steps=0))
    np.testing.assert_allclose(found, softmax(unary), atol=1e-6)


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_marginals_sum_to_one_and_a_shift_of_all_labels_changes_nothing(engine):
    unary, image = unary_like(2, 3, 8, 9), image_like(2, 8, 9)
    numbers = replace(PSA, engine=engine)
    found = crf.refine(unary, image, numbers)
    assert found.dtype == np.float32
    assert found.shape == unary.shape
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    shift = unary_like(3, 8, 9)  # of its own at each pixel, the same for all its labels
    np.testing.assert_allclose(crf.refine(unary + shift, image, numbers), found, atol=1e-4)


@given(seed=st.integers(0, 2**16), shift=st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_potts_penalty_and_potts_reward_are_the_same(seed, shift):
    unary = torch.rand(3, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    kernel = exact.weighted(exponent_like(seed, 12), weight=5)
    penalty = exact.mean_field(unary, kernel, exact.potts(3).double(), steps=5)
    # what all labels pay alike is no matter: 1 - I, -I and any other constant give the same
    reward = exact.mean_field(unary, kernel, shift - torch.eye(3, dtype=torch.float64), steps=5)
    torch.testing.assert_close(penalty, reward)


@pytest.mark.parametrize("engine", ENGINES)
def test_labels_change_places_with_their_energies(engine):
    unary, image, numbers = unary_like(4, 3, 8, 9), image_like(4, 8, 9), replace(PSA, engine=engine)
    found = crf.refine(unary, image, numbers)
    np.testing.assert_allclose(crf.refine(unary[[2, 0, 1]], image, numbers), found[[2, 0, 1]], atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_pixel_of_doubt_follows_its_colour(engine):
    image = image_like(5, 10, 12)
    unary = np.zeros((2, 10, 12), np.float32)
    unary[0, :, 6:] = unary[1, :, :6] = 1
    unary[:, 4, 5] = 0.5
    labels = crf.refine(unary, image, replace(PSA, engine=engine)).argmax(axis=0)
    assert (labels[:, :6] == 0).all()
    assert (labels[:, 6:] == 1).all()


@pytest.mark.parametrize(
    "numbers",
    [
        {"smoothness_px": 6, "appearance_weight": 0},
        {"smoothness_weight": 0, "appearance_weight": 3},
        {"smoothness_px": 6, "steps": 1},
    ],
)
def test_lattice_is_close_to_exact(numbers):
    # Smooth scores, two colours. Measured: mean differences 0.003, 0.002, 0.002, largest 0.026, labels alike at 99.6 %;
    # the CRF itself moves the marginals by 0.2 to 0.3 in the mean. With PSA's weights and 10 steps nearly all marginals
    # are 0 or 1 and differ by 1e-6, which tells less.
    y, x = np.mgrid[:24, :32]
    scores = np.stack([np.exp(-((x - 8) ** 2 + (y - 12) ** 2) / 100), np.full(x.shape, 0.4), x / 40])
    unary, image = crf.unary_of(scores), image_like(6, 24, 32)
    lattice, everything = (
        crf.refine(unary, image, replace(PSA, engine=engine, **numbers)) for engine in ("lattice", "exact")
    )
    difference = abs(lattice - everything)
    assert difference.mean() < 0.006
    assert difference.max() < 0.06
    assert (lattice.argmax(axis=0) == everything.argmax(axis=0)).mean() > 0.99


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_one_class_is_certain(engine):
    found = crf.refine(unary_like(7, 1, 4, 5), image_like(7, 4, 5), replace(PSA, engine=engine))
    assert (found == 1).all()


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_arguments_stay_as_they_are_and_may_be_views(engine):
    unary, image = unary_like(8, 6, 7, 3).transpose(2, 0, 1), image_like(8, 6, 7)[:, ::-1]
    before = unary.copy(), image.copy()
    found = crf.refine(unary, image, replace(PSA, engine=engine))
    np.testing.assert_array_equal(unary, before[0])
    np.testing.assert_array_equal(image, before[1])
    np.testing.assert_array_equal(found, crf.refine(*before, replace(PSA, engine=engine)))


def test_every_engine_of_the_type_is_in_the_table():
    assert set(crf.ENGINES) == set(get_args(Engine))


@pytest.mark.parametrize(
    ("unary", "image", "words"),
    [
        (
            np.full((2, 4, 5), np.nan, np.float32),
            image_like(0, 4, 5),
            "40 of the CRF's 40 energies are NaN or infinite",
        ),
        (np.full((2, 4, 5), np.inf, np.float32), image_like(0, 4, 5), "look at the scores"),
        (unary_like(0, 2, 4, 5), image_like(0, 5, 4), "energies are 4 x 5, its image is 5 x 4"),
        (unary_like(0, 0, 4, 5), image_like(0, 4, 5), "give at least one image, one pixel, and a class"),
        (unary_like(0, 2, 4, 5), image_like(0, 4, 5) / 255, r"float64 \(4, 5, 3\): give RGB, uint8"),
        (unary_like(0, 2, 4, 5), image_like(0, 4, 5)[..., :1], r"uint8 \(4, 5, 1\): give RGB"),
    ],
)
def test_bad_input_is_refused(unary, image, words):
    with pytest.raises(WsssError, match=words):
        crf.refine(unary, image, PSA)


def test_settings_out_of_range_are_all_named():
    with pytest.raises(WsssError, match=r"(?s)2 found.*steps is -1: .*appearance_rgb is 0: give a positive number"):
        replace(PSA, steps=-1, appearance_rgb=0)
    with pytest.raises(WsssError, match="smoothness_weight is nan"):
        replace(PSA, smoothness_weight=float("nan"))
    with pytest.raises(WsssError, match="engine is 'fast': choose one of none, cells, convcrf, lattice, exact"):
        # tests check types before __post_init__ is reached: call it by itself
        crf.Crf.__post_init__(SimpleNamespace(**asdict(PSA) | {"engine": "fast"}))


def test_exact_refuses_large_images():
    with pytest.raises(WsssError, match="200 x 101 are more than its 20000 pixels: choose engine cells"):
        crf.refine(unary_like(0, 2, 200, 101), image_like(0, 200, 101), PSA)


def test_missing_pydensecrf_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(WsssError, match="pip install pydensecrf2"):
        crf.refine(unary_like(0, 2, 4, 5), image_like(0, 4, 5), replace(PSA, engine="lattice"))
