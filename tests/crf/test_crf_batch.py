"""The dense CRFs of a batch of images in torch, as a loss needs them."""

from dataclasses import replace

import numpy as np
import pytest
import reference
import torch
from settings import SEC
from torch._subclasses.fake_tensor import FakeTensorMode

from wsss import crf
from wsss.crf import exact
from wsss.runtime.errors import WsssError

MILD = replace(SEC, steps=4, smoothness_weight=0.7, smoothness_px=1.5, appearance_weight=1.3, appearance_rgb=60)
OFF = {"smoothness_weight": 0, "appearance_weight": 0}
ENGINES = ["cells", "convcrf", "lattice", "exact"]


def unary_like(seed, *shape, dtype=torch.float32):
    return 3 * torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def images_like(seed, *shape):
    return torch.randint(256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_exact_equals_the_reference():
    unary, images = unary_like(0, 2, 3, 4, 5, dtype=torch.float64), images_like(0, 2, 4, 5)
    found = crf.marginals(unary, images, MILD)
    expected = [reference.refine(*one, MILD) for one in zip(unary.numpy(), images.numpy(), strict=True)]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-12)


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_a_batch_is_its_images_one_by_one(engine):
    unary, images, numbers = unary_like(1, 4, 3, 6, 7), images_like(1, 4, 6, 7), replace(MILD, engine=engine)
    found = crf.marginals(unary, images, numbers)
    alone = [crf.marginals(unary[[i]], images[[i]], numbers) for i in range(4)]
    torch.testing.assert_close(found, torch.cat(alone), atol=1e-6, rtol=0)
    refined = [crf.refine(*one, numbers) for one in zip(unary.numpy(), images.numpy(), strict=True)]
    np.testing.assert_allclose(found, np.stack(refined), atol=1e-6)


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_images_change_places_with_their_energies(engine):
    unary, images, numbers = unary_like(2, 3, 4, 5, 6), images_like(2, 3, 5, 6), replace(MILD, engine=engine)
    found = crf.marginals(unary, images, numbers)
    torch.testing.assert_close(crf.marginals(unary[[2, 0, 1]], images[[2, 0, 1]], numbers), found[[2, 0, 1]])
    assert (crf.marginals(unary, images[[2, 0, 1]], numbers) - found).abs().max() > 0.001 or engine == "none"


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_precision_and_arguments_stay_as_they_are(engine, dtype):
    unary, images = unary_like(3, 2, 3, 5, 6, dtype=dtype), images_like(3, 2, 5, 6)
    before, numbers = (unary.clone(), images.clone()), replace(MILD, engine=engine)
    found = crf.marginals(unary, images, numbers)
    assert found.dtype == dtype
    assert torch.equal(unary, before[0]) and torch.equal(images, before[1])
    # half precision is that of the result alone
    torch.testing.assert_close(found, crf.marginals(unary.float(), images, numbers).to(dtype), atol=1e-6, rtol=0)
    views = unary.mT.contiguous().mT, images.flip(3).contiguous().flip(3)
    torch.testing.assert_close(crf.marginals(*views, numbers), found, atol=1e-6, rtol=0)


def test_gradient_of_the_marginals():
    unary, images = unary_like(4, 2, 3, 3, 4, dtype=torch.float64).requires_grad_(), images_like(4, 2, 3, 4)
    assert torch.autograd.gradcheck(lambda energies: crf.marginals(energies, images, MILD), unary)


def test_gradient_needs_one_kernel_and_little_else():
    unary, images = unary_like(5, 2, 3, 12, 13).requires_grad_(), images_like(5, 2, 12, 13)
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        crf.marginals(unary, images, SEC)
    kernel, marginals = 2 * (12 * 13) ** 2 * 4, unary.numel() * 4
    assert kernel < sum(kept.values()) < kernel + (SEC.steps + 3) * marginals


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
@pytest.mark.parametrize("idle", [OFF, {"steps": 0}])
def test_without_pairwise_terms_or_steps_it_is_the_softmax(engine, idle):
    unary, images = unary_like(6, 2, 4, 5, 6), images_like(6, 2, 5, 6)
    found = crf.marginals(unary, images, replace(MILD, engine=engine, **idle))
    torch.testing.assert_close(found, (-unary).softmax(dim=1))


@pytest.mark.parametrize("off", ["smoothness_weight", "appearance_weight"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_weight_of_zero_turns_off_its_kernel_alone(engine, off):
    unary, images = unary_like(7, 2, 3, 6, 7), images_like(7, 2, 6, 7)
    found, nearly = (crf.marginals(unary, images, replace(MILD, engine=engine, **{off: w})) for w in (0, 1e-6))
    torch.testing.assert_close(found, nearly, atol=1e-5, rtol=0)
    assert (found - crf.marginals(unary, images, replace(MILD, engine=engine))).abs().max() > 0.01


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_one_class_is_certain(engine):
    found = crf.marginals(unary_like(8, 2, 1, 4, 5), images_like(8, 2, 4, 5), replace(MILD, engine=engine))
    assert (found == 1).all()


def test_kernels_without_a_weight_are_zero():
    assert (exact.kernels(images_like(9, 2, 3, 4), replace(MILD, **OFF)) == 0).all()


@pytest.mark.parametrize("appearance_rgb", [1, 13, 200])
def test_kernels_in_float32_are_those_in_float64(appearance_rgb):
    # black, white, and many equal and nearly equal colours, whose distances a product of matrices loses if it rounds
    images = images_like(10, 3, 20, 21)
    images[1, :10], images[1, 10:] = 255, 254
    images[2] = images[2] // 128 * 255
    numbers = replace(SEC, smoothness_weight=1, appearance_weight=1, appearance_rgb=appearance_rgb)
    kernels = exact.kernels(images, numbers)
    # measured: 4e-7
    torch.testing.assert_close(kernels.double(), exact.kernels(images, numbers, dtype=torch.float64), atol=2e-6, rtol=0)
    assert kernels[kernels > 0].min() > torch.finfo(torch.float32).tiny  # subnormal numbers are slow


def test_kernels_under_autocast_are_the_same():
    images = images_like(10, 2, 9, 8)
    expected = exact.kernels(images, SEC)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(exact.kernels(images, SEC), expected)


def test_lattice_is_close_to_exact():
    # Smooth scores, two colours; as in test_crf.py, where the tolerances are from.
    y, x = np.mgrid[:24, :32]
    scores = np.stack([np.exp(-((x - 8) ** 2 + (y - 12) ** 2) / 100), np.full(x.shape, 0.4), x / 40])
    unary = torch.from_numpy(np.stack([crf.unary_of(scores), crf.unary_of(scores[:, :, ::-1])]))
    images = images_like(11, 2, 24, 32) % 10
    images[:, :, 16:] += 100
    numbers = replace(SEC, smoothness_px=6, appearance_px=80, steps=1)
    lattice, everything = (
        crf.marginals(unary, images, replace(numbers, engine=engine)) for engine in ("lattice", "exact")
    )
    assert (lattice - everything).abs().mean() < 0.006
    assert (lattice - everything).abs().max() < 0.06


def test_lattice_refuses_a_gradient():
    unary, images = unary_like(12, 2, 3, 4, 5).requires_grad_(), images_like(12, 2, 4, 5)
    numbers = replace(MILD, engine="lattice")
    with pytest.raises(WsssError, match="lattice has no gradient: detach the energies, or choose engine cells"):
        crf.marginals(unary, images, numbers)
    found = crf.marginals(unary.detach(), images, numbers)
    with torch.no_grad():
        torch.testing.assert_close(crf.marginals(unary, images, numbers), found)


@pytest.mark.parametrize(
    ("unary", "images", "words"),
    [
        (unary_like(0, 2, 3, 4, 5) * np.nan, images_like(0, 2, 4, 5), "120 of the CRF's 120 energies are NaN"),
        (unary_like(0, 2, 3, 4, 5), images_like(0, 2, 5, 4), "energies are 4 x 5, its image is 5 x 4"),
        (unary_like(0, 2, 3, 4, 5), images_like(0, 3, 4, 5), "energies of 2 images and 3 photographs"),
        (unary_like(0, 2, 0, 4, 5), images_like(0, 2, 4, 5), "give at least one image, one pixel, and a class"),
        (unary_like(0, 2, 3, 4, 5), images_like(0, 2, 4, 5).float(), r"float32 \(4, 5, 3\): give RGB, uint8"),
        (unary_like(0, 2, 3, 4, 5), images_like(0, 2, 4, 5).permute(0, 3, 1, 2), r"uint8 \(3, 4, 5\): give RGB"),
        (unary_like(0, 1, 2, 200, 101), images_like(0, 1, 200, 101), "200 x 101 are more than its 20000 pixels"),
    ],
)
def test_bad_input_is_refused(unary, images, words):
    with pytest.raises(WsssError, match=words):
        crf.marginals(unary, images, SEC)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("engine", [*ENGINES, "none"])
def test_marginals_on_a_gpu(engine):
    unary, images, numbers = unary_like(13, 2, 3, 20, 21), images_like(13, 2, 20, 21), replace(MILD, engine=engine)
    found = crf.marginals(unary.cuda(), images, numbers)
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), crf.marginals(unary, images, numbers), atol=1e-5, rtol=0)


@pytest.mark.parametrize("engine", ["cells", "convcrf", "exact", "none"])
@pytest.mark.parametrize("sizes", [None, [(20, 21), (17, 21)]])
def test_nothing_leaves_a_gpu_or_waits_for_it(engine, sizes):
    """By tensors without values, on any machine."""
    numbers = replace(MILD, engine=engine, max_cells=50)
    with FakeTensorMode():
        unary = torch.empty(2, 3, 20, 21, device="cuda")
        images = torch.empty(2, 20, 21, 3, dtype=torch.uint8, device="cuda")
        found = crf.marginals(unary, images, numbers, sizes=sizes, check_values=False)
    assert found.device.type == "cuda" and found.shape == (2, 3, 20, 21)
