"""The learned numbers of a dense CRF."""

from dataclasses import replace

import numpy as np
import pytest
import reference
import settings
import torch

from wsss import crf
from wsss.crf.potentials import NUMBERS, Potentials, potentials_of
from wsss.runtime.errors import WsssError

MILD = replace(settings.MILD, steps=3)
MODES = {
    "all pairs": {},
    "window": {"engine": "convcrf", "window_px": 2},
    "coarse": {"max_cells": 6},
    "coarse window": {"engine": "convcrf", "max_cells": 6, "window_px": 3, "window": "diamond"},
    "not normalised": {"normalisation": "none"},
    "window, not normalised": {"engine": "convcrf", "window_px": 2, "normalisation": "none"},
}
in_all_modes = pytest.mark.parametrize("mode", [pytest.param(numbers, id=name) for name, numbers in MODES.items()])


def random(seed, *shape):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def case(seed, *, labels=3, size=(5, 6)):
    images = torch.randint(256, (2, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return 3 * random(seed, 2, labels, *size), images


def potentials(**learned):
    return replace(potentials_of(MILD, like=random(0, 1)), **learned)


def potts(labels):
    return (1 - torch.eye(labels, dtype=torch.float64))[:, :, None, None]


@pytest.mark.parametrize(
    ("mode", "k"), [("all pairs", 3), ("window", 3), ("coarse", 3), ("coarse window", 3), ("window, not normalised", 1)]
)
def test_gradient_of_every_number(mode, k):
    # of the energies, the five numbers, the compatibility and the colours
    unary, images = case(1, labels=2, size=(4, 5))
    numbers = [torch.tensor(float(getattr(MILD, name)), dtype=torch.float64) for name in NUMBERS]
    inputs = [unary, *numbers, potts(2) + random(2, 2, 2, k, k) / 4, 0.5 * random(3, 4, 3)]

    def function(energies, *learned):
        return crf.marginals(energies, images, replace(MILD, **MODES[mode]), potentials=Potentials(*learned))

    inputs = [one.requires_grad_() for one in inputs]
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True, check_undefined_grad=False)
    gradients = torch.autograd.grad((function(*inputs) * random(4, 2, 2, 4, 5)).sum(), inputs)
    assert all((gradient != 0).any() for gradient in gradients)


@in_all_modes
def test_the_settings_as_potentials_change_nothing(mode):
    unary, images = case(5)
    found = crf.marginals(unary, images, replace(MILD, **mode), potentials=potentials())
    assert torch.equal(found, crf.marginals(unary, images, replace(MILD, **mode)))
    others = replace(MILD, **mode, **{name: getattr(MILD, name) * 2 for name in NUMBERS})
    of_potentials = crf.marginals(unary, images, others, potentials=potentials())
    assert torch.equal(of_potentials, found)
    assert (crf.marginals(unary, images, others) - found).abs().max() > 0.01


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_stands_for_the_setting_of_its_name(name):
    unary, images = case(6)
    learned = potentials(**{name: torch.tensor(1.1, dtype=torch.float64)})
    found = crf.marginals(unary, images, MILD, potentials=learned)
    torch.testing.assert_close(found, crf.marginals(unary, images, replace(MILD, **{name: 1.1})))


def test_potentials_have_the_precision_of_the_energies():
    for dtype in (torch.float32, torch.float64):
        found = potentials_of(MILD, like=random(0, 1).to(dtype))
        assert [getattr(found, name).dtype for name in NUMBERS] == [dtype] * 5
        assert [float(getattr(found, name)) for name in NUMBERS] == pytest.approx([0.7, 1.5, 1.3, 6, 60])
    unary, images = case(7)
    found = crf.marginals(unary.bfloat16(), images, MILD, potentials=potentials_of(MILD, like=random(0, 1).float()))
    assert found.dtype == torch.bfloat16


@in_all_modes
def test_potts_is_one_but_for_equal_labels(mode):
    unary, images = case(8)
    found = crf.marginals(unary, images, replace(MILD, **mode), potentials=potentials(compatibility=potts(3)))
    torch.testing.assert_close(found, crf.marginals(unary, images, replace(MILD, **mode)))


@in_all_modes
def test_what_all_labels_pay_alike_changes_nothing(mode):
    unary, images = case(9)
    compatibility = random(10, 3, 3, 3, 3)
    found, shifted = (
        crf.marginals(unary, images, replace(MILD, **mode), potentials=potentials(compatibility=one))
        for one in (compatibility, compatibility + random(11, 1, 3, 3, 3))
    )
    torch.testing.assert_close(found, shifted)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("mode", [{}, {"engine": "convcrf", "window_px": 2}, {"normalisation": "none"}])
def test_compatibility_equals_the_reference(k, mode):
    unary, images = case(12, size=(4, 5))
    compatibility, numbers = random(13, 3, 3, k, k) / k, replace(MILD, **mode)
    found = crf.marginals(unary, images, numbers, potentials=potentials(compatibility=compatibility))
    for q, energies, image in zip(found, unary.numpy(), images.numpy(), strict=True):
        expected = reference.refine(energies, image, numbers, compatibility.numpy())
        np.testing.assert_allclose(q, expected, atol=1e-12)


def test_rewards_by_hand():
    # label 0 pays 2 for a message of label 1 on its right, label 1 pays 3 for one of label 0 at its own place
    messages = torch.tensor([[1.0, 10, 100], [4, 5, 6]]).reshape(1, 2, 1, 3)
    compatibility = torch.zeros(2, 2, 3, 3)
    compatibility[0, 1, 1, 2], compatibility[1, 0, 1, 1] = 2, 3
    numbers = potentials_of(MILD, like=messages)
    found = replace(numbers, compatibility=compatibility).rewards(messages)
    assert found.reshape(2, 3).tolist() == [[-10, -12, 0], [-3, -30, -300]]
    assert numbers.rewards(messages) is messages


@in_all_modes
@pytest.mark.parametrize("k", [1, 3])
def test_of_some_classes_is_the_rest_ruled_out(mode, k):
    unary, images = case(14, labels=4)
    classes, numbers = torch.tensor([1, 3]), replace(MILD, **mode)
    learned = potentials(compatibility=random(15, 4, 4, k, k))
    theirs = potentials(compatibility=learned.compatibility[classes][:, classes])
    alone = crf.marginals(unary[:, classes], images, numbers, potentials=theirs)
    unary[:, [0, 2]] = crf.ABSENT
    found = crf.marginals(unary, images, numbers, potentials=learned)
    assert (found[:, [0, 2]] == 0).all()
    torch.testing.assert_close(found[:, classes], alone, atol=1e-9, rtol=0)


@in_all_modes
def test_colours_by_a_matrix(mode):
    unary, images = case(16)
    numbers = replace(MILD, **mode)

    def by(matrix):
        return crf.marginals(unary, images, numbers, potentials=potentials(colour_map=matrix))

    one = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(by(one), by(None))
    halved = crf.marginals(unary, images, replace(numbers, appearance_rgb=MILD.appearance_rgb / 2))
    torch.testing.assert_close(by(2 * one), halved)
    turned, _ = torch.linalg.qr(random(17, 3, 3))
    torch.testing.assert_close(by(turned), by(None))
    torch.testing.assert_close(by(torch.cat([one, one])), by(2**0.5 * one))
    assert (by(one[:1]) - by(None)).abs().max() > 0.001


def test_colours_that_are_all_alike_leave_the_places():
    unary, images = case(18)
    learned = potentials(colour_map=torch.zeros(4, 3, dtype=torch.float64))
    found = crf.marginals(unary, images, MILD, potentials=learned)
    torch.testing.assert_close(found, crf.marginals(unary, torch.full_like(images, 9), MILD))


def test_a_compatibility_of_neighbours_takes_none_of_the_padding():
    unary, images = case(19)
    learned = potentials(compatibility=random(20, 3, 3, 3, 3))
    sizes = [(5, 6), (4, 3)]
    found = crf.marginals(unary, images, MILD, sizes=sizes, potentials=learned)
    for rank, (height, width) in enumerate(sizes):
        one = unary[[rank], :, :height, :width], images[[rank], :height, :width]
        expected = crf.marginals(*one, MILD, potentials=learned)[0]
        torch.testing.assert_close(found[rank, :, :height, :width], expected, atol=1e-9, rtol=0)


def test_one_image_in_numpy_takes_potentials_that_are_learned():
    unary, images = case(21)
    learned = potentials_of(MILD, like=unary.float())
    learned = replace(learned, compatibility=potts(3).float().requires_grad_())
    found = crf.refine(unary[0].float().numpy(), images[0].numpy(), MILD, potentials=learned)
    np.testing.assert_allclose(found, crf.refine(unary[0].float().numpy(), images[0].numpy(), MILD), atol=1e-6)


def test_potentials_that_do_not_fit_are_refused():
    unary, images = case(22)
    with pytest.raises(WsssError, match="fitted for 2 classes, these energies are of 3"):
        crf.marginals(unary, images, MILD, potentials=potentials(compatibility=potts(2)))
    for engine in ("exact", "lattice", "none"):
        with pytest.raises(
            WsssError, match=f"engine {engine} takes no learned potentials: choose one of cells, convcrf"
        ):
            crf.marginals(unary, images, replace(MILD, engine=engine), potentials=potentials())
