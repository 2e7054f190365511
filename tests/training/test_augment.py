import numpy as np
import pytest
import torch
from PIL import Image

from wsss.labels import VOID
from wsss.options.training import Augment, JitterBy, WarpedInput
from wsss.runtime.errors import WsssError
from wsss.training.augment import Square, augmented, augmented_photograph, augmented_square

FILL = (0.95, 0.9, 0.85)
STEP = 10
"""Grey level of label k: k * STEP, which is never FILL's."""


def augment(*, crop_px: int, resize_px=(0, 0), flip=False, jitter: float = 0, jitter_by: JitterBy = "hsv") -> Augment:
    return Augment(resize_px=resize_px, flip=flip, jitter=jitter, jitter_by=jitter_by, crop_px=crop_px)


def pair(height: int, width: int, *, cell_px: int = 1, classes: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """A photograph whose grey levels say its labels; the last cells may reach beyond it."""
    grid = -(-height // cell_px), -(-width // cell_px)
    labels = np.random.default_rng(0).integers(0, classes, grid).astype(np.uint8)
    pixels = (labels * STEP).repeat(cell_px, 0).repeat(cell_px, 1)[:height, :width]
    return np.repeat(pixels[..., None], 3, axis=2), labels


def draw(photograph, labels, options: Augment, *, seed: int, cell_px: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return augmented(photograph, labels, augment=options, cell_px=cell_px, fill=FILL)


def is_fill(image: torch.Tensor) -> torch.Tensor:
    return (image == torch.tensor(FILL)[:, None, None]).all(0)


def whole(target: torch.Tensor, cell_px: int) -> torch.Tensor:
    """The label of each pixel."""
    return target.repeat_interleave(cell_px, 0).repeat_interleave(cell_px, 1)


def box(kept: torch.Tensor) -> tuple[int, int, int, int]:
    """Top, left, height and width of what is kept."""
    rows, columns = kept.any(1).nonzero()[:, 0], kept.any(0).nonzero()[:, 0]
    return int(rows[0]), int(columns[0]), len(rows), len(columns)


@pytest.mark.parametrize("cell_px", [1, 4])
@pytest.mark.parametrize("size", [(50, 37), (37, 50), (32, 32), (21, 63), (5, 3)])
@pytest.mark.parametrize("flip", [False, True])
def test_labels_stay_with_the_pixels(cell_px, size, flip):
    photograph, labels = pair(*size, cell_px=cell_px)
    for seed in range(12):
        image, target = draw(photograph, labels, augment(crop_px=32, flip=flip), seed=seed, cell_px=cell_px)
        assert image.shape == (3, 32, 32)
        assert target.shape == (32 // cell_px, 32 // cell_px)
        filled, label = is_fill(image), whole(target, cell_px)
        shown = (image * 255 / STEP).round().long()
        assert (shown[:, ~filled] == label[~filled]).all()
        assert filled[label == VOID].all()
        if cell_px == 1:
            assert (label[filled] == VOID).all()
        kept = box(label != VOID)[2:]
        assert kept == tuple(cell_px * min(32 // cell_px, -(-side // cell_px)) for side in size)


@pytest.mark.parametrize("cell_px", [1, 4])
@pytest.mark.parametrize("flip", [False, True])
def test_nothing_is_lost_where_the_crop_is_larger(cell_px, flip):
    photograph, labels = pair(30, 21, cell_px=cell_px)
    for seed in range(8):
        image, target = draw(photograph, labels, augment(crop_px=48, flip=flip), seed=seed, cell_px=cell_px)
        filled = is_fill(image)
        assert (~filled).sum() == 30 * 21
        top, left, *_ = box(target != VOID)
        grid = target[top : top + labels.shape[0], left : left + labels.shape[1]].numpy()
        assert (grid == labels).all() or (flip and (grid == labels[:, ::-1]).all())


def test_half_of_the_images_are_mirrored():
    photograph, labels = pair(8, 8)
    drawn = [draw(photograph, labels, augment(crop_px=8, flip=True), seed=seed)[1].numpy() for seed in range(200)]
    mirrored = sum(bool((target == labels[:, ::-1]).all()) for target in drawn)
    assert all((target == labels).all() or (target == labels[:, ::-1]).all() for target in drawn)
    assert 70 < mirrored < 130


def test_resizing_keeps_labels_and_bounds():
    labels = np.array([[1, 7], [13, 19]], np.uint8).repeat(24, 0).repeat(12, 1)
    photograph = np.repeat((labels * STEP)[..., None], 3, axis=2)
    heights = set()
    for seed in range(80):
        image, target = draw(photograph, labels, augment(crop_px=64, resize_px=(20, 30), flip=True), seed=seed)
        top, left, height, width = box(target != VOID)
        heights.add(height)
        assert abs(width - height / 2) <= 0.5
        assert box(~is_fill(image)) == (top, left, height, width)
        quadrants = target[top : top + height, left : left + width]
        assert set(quadrants.unique().tolist()) == {1, 7, 13, 19}
        # the middle of a quadrant is out of reach of the interpolation
        for y in (height // 4, height - 1 - height // 4):
            for x in (width // 4, width - 1 - width // 4):
                label = float(quadrants[y, x])
                torch.testing.assert_close(
                    image[:, top + y, left + x] * 255 / STEP, torch.full((3,), label), atol=0.3, rtol=0
                )
    assert heights == set(range(20, 31))


def test_an_image_is_also_enlarged():
    photograph, labels = pair(10, 20)
    _, target = draw(photograph, labels, augment(crop_px=64, resize_px=(40, 40)), seed=0)
    assert box(target != VOID)[2:] == (20, 40)


def test_labels_on_a_grid_are_not_resized():
    photograph, labels = pair(32, 32, cell_px=4)
    with pytest.raises(ValueError, match="grid cannot be resized"):
        draw(photograph, labels, augment(crop_px=32, resize_px=(20, 30)), seed=0, cell_px=4)


@pytest.mark.parametrize("jitter_by", ["hsv", "affine"])
def test_jitter_changes_the_image_alone(jitter_by):
    photograph, labels = pair(16, 16)
    photograph[..., 0] //= 2  # a grey picture has neither hue nor saturation
    plain, target = draw(photograph, labels, augment(crop_px=16), seed=3)
    changed, same = draw(photograph, labels, augment(crop_px=16, jitter=0.4, jitter_by=jitter_by), seed=3)
    assert torch.equal(target, same)
    assert (changed - plain).abs().mean() > 0.01
    assert (changed >= 0).all()
    assert (changed <= 1).all()


@pytest.mark.parametrize("jitter_by", ["hsv", "affine"])
def test_jitter_leaves_the_filling_alone(jitter_by):
    photograph, labels = pair(8, 8)
    image, target = draw(photograph, labels, augment(crop_px=16, jitter=0.4, jitter_by=jitter_by), seed=0)
    assert is_fill(image)[target == VOID].all()
    assert (target == VOID).sum() == 16 * 16 - 8 * 8


@pytest.mark.parametrize("jitter_by", ["hsv", "affine"])
def test_the_seed_decides(jitter_by):
    photograph, labels = pair(50, 50)
    options = augment(crop_px=32, resize_px=(40, 60), flip=True, jitter=0.3, jitter_by=jitter_by)
    first, again, other = (draw(photograph, labels, options, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[1], other[1])


def test_small_images_are_put_anywhere_in_the_crop():
    photograph, labels = pair(6, 7)
    places = set()
    for seed in range(300):
        _, target = draw(photograph, labels, augment(crop_px=10), seed=seed)
        top, left, height, width = box(target != VOID)
        assert (height, width) == (6, 7)
        places.add((top, left))
    assert places == {(top, left) for top in range(5) for left in range(4)}


def test_large_images_are_cropped_anywhere():
    labels = np.arange(10 * 9, dtype=np.uint8).reshape(10, 9)
    photograph = np.zeros((10, 9, 3), np.uint8)
    corners = {int(draw(photograph, labels, augment(crop_px=6), seed=seed)[1][0, 0]) for seed in range(300)}
    assert corners == {9 * top + left for top in range(5) for left in range(4)}


def test_a_photograph_without_labels():
    photograph, _ = pair(8, 40)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        image = augmented_photograph(photograph, augment=augment(crop_px=16, flip=True), fill=FILL)
    assert image.shape == (3, 16, 16)
    assert is_fill(image).sum() == 16 * 8


def square(photograph, labels, *, share: float, seed: int) -> Square:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        warped = WarpedInput(input_px=64, crop_share=share, flip=True, jitter=0, jitter_by="hsv")
        return augmented_square(photograph, labels, warped=warped, fill=FILL)


def test_a_window_of_an_image_shows_what_its_labels_say():
    labels = (np.arange(16)[None] // 2 + np.zeros((16, 1))).astype(np.uint8)  # 8 columns of labels, 2 cells each
    photograph = np.repeat((labels * STEP).repeat(5, 0).repeat(3, 1)[..., None], 3, axis=2)  # 80 x 48 px
    seen = set()
    for seed in range(30):
        image, target, window = square(photograph, labels, share=0.5, seed=seed)
        assert image.shape == (3, 64, 64) and target.shape == (16, 16)
        assert (target != VOID).all()
        # nearest cells and blurred pixels differ by one label at most
        shown = image[0, 2::4, 1::4] * 255 / STEP
        assert (shown - target).abs().max() <= 1
        # column x of the photograph has the label 8 x, between the window's left and right
        across = (window[0] + (window[2] - window[0]) * (torch.arange(16) + 0.5) / 16).expand(16, 16)
        assert (target - 8 * across + 0.5).abs().max() <= 1
        seen.add((len(target.unique()), bool(window[0] > window[2])))
    assert {mirrored for _, mirrored in seen} == {False, True}
    assert {5, 6, 7, 8} <= {labels for labels, _ in seen} <= {4, 5, 6, 7, 8}


def test_a_window_says_which_rows_it_shows():
    labels = (np.arange(16)[:, None] // 2 + np.zeros((1, 16))).astype(np.uint8)
    photograph = np.repeat((labels * STEP).repeat(5, 0).repeat(3, 1)[..., None], 3, axis=2)
    for seed in range(10):
        _, target, window = square(photograph, labels, share=0.5, seed=seed)
        down = (window[1] + (window[3] - window[1]) * (torch.arange(16) + 0.5) / 16)[:, None].expand(16, 16)
        assert (target - 8 * down + 0.5).abs().max() <= 1


def test_the_whole_image_is_warped_as_before():
    photograph, labels = pair(40, 60)
    image, target, window = square(photograph, labels[:16, :16], share=1, seed=0)
    plain = np.asarray(Image.fromarray(photograph).resize((64, 64), Image.Resampling.BILINEAR))
    shown, kept = (image * 255).round().permute(1, 2, 0).numpy(), target.numpy()
    turned = 1 if (shown == plain).all() else -1
    assert window.tolist() == ([0, 0, 1, 1] if turned == 1 else [1, 0, 0, 1])
    assert (shown == plain[:, ::turned]).all()
    assert (kept == labels[:16, :16][:, ::turned]).all()


@pytest.mark.parametrize("share", [0, -0.5, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(WsssError, match="crop_share is .*: give a share above 0, or 1"):
        WarpedInput(input_px=64, crop_share=share, flip=False, jitter=0, jitter_by="hsv")


def test_a_window_of_a_photograph_of_one_pixel():
    image, _, _ = square(*pair(1, 1), share=0.1, seed=0)
    assert (image == image[:, :1, :1]).all()
