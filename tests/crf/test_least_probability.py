"""Labels that are improbable at all pixels of an image may be left out of its CRF."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from settings import PSA

from wsss import crf
from wsss.crf.potentials import potentials_of
from wsss.options.crf import Crf
from wsss.runtime.errors import WsssError


def scene(*, labels: int, present: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies of which the first labels are likely somewhere, the others at most 0.001, and a photograph."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(labels, 6, 8, generator=generator) + 0.5
    scores[present:] *= 1e-3 / labels
    image = torch.randint(0, 256, (6, 8, 3), generator=generator, dtype=torch.uint8)
    return -(scores / scores.sum(0)).log().numpy(), image.numpy()


def cells(**changes) -> Crf:
    return replace(PSA, engine="cells", max_cells=12, **changes)


def test_labels_below_the_bound_are_left_out():
    unary, image = scene(labels=7, present=3)
    found = crf.refine(unary, image, cells(least_probability=0.01))
    alone = crf.refine(np.ascontiguousarray(unary[:3]), image, cells())
    np.testing.assert_allclose(found[:3], alone, atol=1e-6)
    assert not found[3:].any()


def test_the_labels_that_stay_hardly_notice():
    unary, image = scene(labels=7, present=3)
    found, whole = (crf.refine(unary, image, cells(least_probability=bound)) for bound in (0.01, 0))
    assert (found.argmax(0) == whole.argmax(0)).all()
    np.testing.assert_allclose(found, whole, atol=0.01)


def test_where_none_is_likely_all_stay():
    unary, image = scene(labels=7, present=7)
    found, whole = (crf.refine(unary, image, cells(least_probability=bound)) for bound in (0.9, 0))
    np.testing.assert_array_equal(found, whole)


def test_a_learned_compatibility_needs_all_labels():
    unary, image = scene(labels=4, present=2)
    potentials = potentials_of(cells(), like=torch.zeros(1))
    potentials = replace(potentials, compatibility=(1 - torch.eye(4))[:, :, None, None])
    found, whole = (
        crf.refine(unary, image, cells(least_probability=bound), potentials=potentials) for bound in (0.01, 0)
    )
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("bound", [-0.1, 1, float("nan")])
def test_bounds_that_are_none(bound):
    with pytest.raises(WsssError, match="least_probability is"):
        cells(least_probability=bound)


def test_finite_energies_whose_sum_overflows_are_finite():
    unary, image = scene(labels=3, present=3)
    unary[0], unary[1] = 3e38, 2e38
    found = crf.refine(unary, image, cells(steps=0))
    assert (found.argmax(0) == 2).all()
    with pytest.raises(WsssError, match="1 of the CRF's 144 energies are NaN or infinite"):
        unary[0, 0, 0] = np.inf
        crf.refine(unary, image, cells())
