"""Numbers of a CRF that are learned: the loss, what is kept, the file, and the stages that write and take it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import settings
import torch
from PIL import Image

from wsss import crf, labels
from wsss.crf.fit import Learned, fitted, jaccard_loss
from wsss.crf.potentials import NUMBERS, potentials_of
from wsss.datasets import manifest
from wsss.options.crf import Fit
from wsss.results import fitted_crf
from wsss.runtime.errors import WsssError
from wsss.stages.crf import crf as crf_stage
from wsss.stages.masks import masks
from wsss.stores import store

START = replace(
    settings.MILD,
    steps=3,
    smoothness_weight=0.1,
    smoothness_px=1,
    appearance_weight=0.1,
    appearance_px=20,
    max_cells=100,
)
FIT = Fit(epochs=6, learning_rate=0.3, compatibility=0, colours=False, seed=0)
CLASSES = labels.Classes.of({"cat": 1, "dog": 2})
NUMBERS_OF_START = {name: getattr(START, name) for name in NUMBERS}
ABOUT = {"images": 4, "split": "train", "masks": "pseudo"}


def scene(seed, size=(20, 24)):
    """Energies that lean a little to the truth, a photograph of two colours, and the truth: class 1 on the right."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.zeros(size, dtype=torch.uint8)
    truth[:, size[1] // 2 :] = 1
    photograph = torch.where(truth[..., None] == 1, 200, 40).expand(-1, -1, 3).to(torch.uint8).contiguous()
    unary = 2 * torch.rand(3, *size, generator=generator)
    unary[0] += 0.3 * truth
    unary[1] += 0.3 * (1 - truth.float())
    unary[2] += 1
    return unary, photograph, truth


def accuracy(potentials):
    right = 0.0
    for rank in (1, 3):
        unary, photograph, truth = scene(rank)
        q = crf.marginals(unary[None], photograph[None], START, potentials=potentials)[0]
        right += (q.argmax(0) == truth).float().mean().item() / 2
    return right


def learned(judge, *, fit=FIT, on_epoch=lambda *_: None):
    return fitted(START, scene, 4, judge, fit=fit, on_epoch=on_epoch)


def test_jaccard_loss_by_hand():
    q = torch.tensor([[[0.75, 0.5, 0.0, 0.9]], [[0.25, 0.5, 1.0, 0.1]]])
    truth = torch.tensor([[0, 0, 1, labels.VOID]], dtype=torch.uint8)
    # class 0: shared 1.25, union 1.25 + 2 - 1.25; class 1: shared 1, union 1.75 + 1 - 1
    expected = 1 - (1.25 / 2 + 1 / 1.75) / 2
    torch.testing.assert_close(jaccard_loss(q, truth), torch.tensor(expected))


def test_jaccard_loss_of_the_truth_and_of_its_opposite():
    _, _, truth = scene(0)
    right = torch.nn.functional.one_hot(truth.long(), 3).movedim(2, 0).float()
    assert jaccard_loss(right, truth) == 0
    assert jaccard_loss(right[[1, 0, 2]], truth) == 1


def test_gradient_of_the_jaccard_loss():
    q = torch.rand(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    truth = torch.randint(3, (4, 5), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    truth[0] = labels.VOID
    assert torch.autograd.gradcheck(lambda q: jaccard_loss(q, truth), q)


@pytest.mark.parametrize("more", [{}, {"compatibility": 1}, {"compatibility": 3, "colours": True}])
def test_what_is_learned_is_better(more):
    epochs = []
    found, before, after = learned(accuracy, fit=replace(FIT, **more), on_epoch=lambda *words: epochs.append(words))
    assert [epoch for epoch, _, _ in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1][1] < epochs[0][1]  # the loss
    # measured: 0.63 before, 1.00 after
    assert after > before + 0.2
    assert after == max(score for _, _, score in epochs) == accuracy(found)


def test_it_begins_where_it_is_told_to():
    start = potentials_of(START, like=torch.zeros(()))
    found = Learned(START, classes=3, fit=replace(FIT, compatibility=3, colours=True))()
    unary, photograph, _ = scene(0)
    q = [crf.marginals(unary[None], photograph[None], START, potentials=one) for one in (start, found)]
    torch.testing.assert_close(*q)


def test_a_weight_of_zero_stays_zero():
    found = Learned(replace(START, smoothness_weight=0), classes=3, fit=FIT)()
    assert found.smoothness_weight == 0 and not found.smoothness_weight.requires_grad


def test_never_worse_than_the_beginning():
    words = iter([0.5, 0.4, 0.3, 0.2, 0.1, 0.4, 0.5])
    found, before, after = learned(lambda _: next(words))
    assert before == after == 0.5
    assert accuracy(found) == accuracy(potentials_of(START, like=torch.zeros(())))


def test_a_loss_that_is_no_number_is_told():
    fit = replace(FIT, learning_rate=100, epochs=20)
    with pytest.raises(WsssError, match=r"the loss of a fitted CRF is nan in epoch \d+: lower fit.learning_rate"):
        learned(accuracy, fit=fit)


def test_the_same_seed_gives_the_same():
    first, second = (learned(accuracy)[0] for _ in range(2))
    assert first.appearance_weight == second.appearance_weight


def test_an_even_side_is_refused():
    with pytest.raises(WsssError, match="compatibility is 2: give an odd side, or 0"):
        replace(FIT, compatibility=2)


def test_file_there_and_back(tmp_path):
    potentials = Learned(START, classes=3, fit=replace(FIT, compatibility=3, colours=True))()
    path = tmp_path / "crf.json"
    fitted_crf.write(path, START, potentials, classes=CLASSES, about=ABOUT)
    start, found, about = fitted_crf.read(path, CLASSES)
    numbers = {name: pytest.approx(getattr(potentials, name).item()) for name in NUMBERS}
    assert about == ABOUT and {**vars(start)} == {**vars(START), **numbers}
    for name in ("appearance_px", "compatibility", "colour_map"):
        torch.testing.assert_close(getattr(found, name), getattr(potentials, name).detach())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read .it holds no table"),
        ('{"kind": "wsss fitted CRF", "classes": []}', "cannot be read as a fitted CRF.*'about'"),
        ('{"kind": "something"}', "is not a fitted CRF"),
    ],
)
def test_other_files_are_refused(tmp_path, text, words):
    (tmp_path / "crf.json").write_text(text)
    with pytest.raises(WsssError, match=words):
        fitted_crf.read(tmp_path / "crf.json", CLASSES)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"appearance_px": torch.tensor(0.0)}, "appearance_px is 0.0: give a positive number"),
        ({"colour_map": torch.full((3, 3), torch.nan)}, "NaN or infinite"),
    ],
)
def test_numbers_that_cannot_be_are_refused(tmp_path, numbers, words):
    wrong = replace(potentials_of(START, like=torch.zeros(())), **numbers)
    fitted_crf.write(tmp_path / "crf.json", START, wrong, classes=CLASSES, about=ABOUT)
    with pytest.raises(WsssError, match=words):
        fitted_crf.read(tmp_path / "crf.json", CLASSES)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("classes", 7),
        ("classes", [1, 2, 3]),
        ("about", None),
        ("about", "pseudo masks"),
        ("about", {"images": 4}),
        ("crf", 3),
        ("crf", {}),
        ("crf", vars(START) | {"steps": 2.5}),
        ("crf", vars(START) | {"appearance_px": "x"}),
        ("crf", vars(START) | {"engine": "magic"}),
        ("potentials", []),
        ("potentials", {}),
        ("potentials", NUMBERS_OF_START | {"appearance_px": None}),
        ("potentials", NUMBERS_OF_START | {"appearance_px": [3.0]}),
        ("potentials", NUMBERS_OF_START | {"more": 3.0}),
        ("potentials", NUMBERS_OF_START | {"compatibility": [[[[1.0]]]]}),
        ("potentials", NUMBERS_OF_START | {"compatibility": 1.0}),
        ("potentials", NUMBERS_OF_START | {"colour_map": [[1.0, 2.0]]}),
    ],
)
def test_what_is_of_another_kind_is_told_with_the_name_of_the_file(tmp_path, part, value):
    content = {"classes": CLASSES.names, "about": ABOUT, "crf": vars(START), "potentials": NUMBERS_OF_START}
    content = {"kind": fitted_crf.KIND, **content, part: value}
    (tmp_path / "crf.json").write_text(json.dumps(content))
    with pytest.raises(WsssError, match=r"crf\.json.*: .*remove it and rerun the stage crf"):
        fitted_crf.read(tmp_path / "crf.json", CLASSES)


def test_other_classes_are_refused(tmp_path):
    fitted_crf.write(
        tmp_path / "crf.json", START, potentials_of(START, like=torch.zeros(())), classes=CLASSES, about=ABOUT
    )
    with pytest.raises(WsssError, match="was fitted for .*cat.*dog.*, but the scores are for .*cow"):
        fitted_crf.read(tmp_path / "crf.json", labels.Classes.of({"cow": 1}))


@pytest.fixture
def scored(tmp_path):
    """A manifest of four images to fit a CRF on, their scores on a grid, and their masks as pseudo masks too."""
    rows = []
    inputs = {"classes": CLASSES, "inputs": {}}
    of_scores = {"stride": 2, "scales": "1.0", "warped_px": 0, "supervision": "tags", "image_prior": 0, **settings.SAID}
    with (
        store.create(tmp_path / "scores.h5", "scores", settings=of_scores, **inputs) as scores,
        store.create(tmp_path / "pseudo.h5", "pseudo_masks", settings={}, **inputs) as pseudo,
    ):
        for rank in range(4):
            unary, photograph, truth = scene(rank, size=(20 + 2 * rank, 24))
            files = tmp_path / f"{rank}.jpg.png", tmp_path / f"{rank}.png"
            Image.fromarray(photograph.numpy()).save(files[0])
            Image.fromarray(truth.numpy()).save(files[1])
            rows.append(manifest.Row(str(rank), "crf_fit", *files, ("cat",), "test"))
            grid = torch.nn.functional.avg_pool2d((-unary).softmax(0), 2)
            scores.add(str(rank), tuple(truth.shape), scores=grid.half().numpy())
            pseudo.add(str(rank), tuple(truth.shape), plain=truth.numpy())
    manifest.write(tmp_path / "images.csv", rows)
    return tmp_path


def fit_stage(folder, **changes):
    options = {
        "images": folder / "images.csv",
        "scores": folder / "scores.h5",
        "pseudo_masks": [],
        "fitted": folder / "crf.json",
        "split": "crf_fit",
        "masks": "annotated",
        "most_images": 10,
        "crf": START,
        "fit": FIT,
    }
    crf_stage(**(options | changes))


@pytest.mark.parametrize("kind", ["annotated", "pseudo"])
def test_the_stages_make_and_take_it(scored, kind):
    fit_stage(scored, masks=kind, pseudo_masks=[scored / "pseudo.h5"] if kind == "pseudo" else [])
    _, _, about = fitted_crf.read(scored / "crf.json", CLASSES)
    assert about["miou after"] >= about["miou before"] and about["masks"] == kind
    right = []
    for files in ([], [scored / "crf.json"]):
        masks(
            images=scored / "images.csv",
            scores=scored / "scores.h5",
            fitted=files,
            split="crf_fit",
            shard="1-of-1",
            masks=scored / "masks.h5",
            crf=START,
        )
        with store.read(scored / "masks.h5", "masks") as found:
            right.append(np.mean([(found[str(i)]["refined"][:, 12:] == 1).mean() for i in range(4)]))
            learned = found.attributes["setting.fitted"]
    assert right[1] > right[0]
    assert learned == f"on 4 images of crf_fit, {kind} masks"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"most_images": 1}, "images for fitting a CRF: 1, expected at least 2"),
        ({"masks": "pseudo"}, "with 0 stores of pseudo masks: give one for 'pseudo'"),
    ],
)
def test_what_the_stage_refuses(scored, changes, words):
    with pytest.raises(WsssError, match=words):
        fit_stage(scored, **changes)


def test_images_without_masks_are_passed_over(scored):
    rows = manifest.read(scored / "images.csv")
    rows[1] = replace(rows[1], mask=None)
    manifest.write(scored / "images.csv", rows)
    fit_stage(scored)
    assert fitted_crf.read(scored / "crf.json", CLASSES)[2]["images"] == 3
    manifest.write(scored / "images.csv", [replace(row, mask=None) for row in rows])
    with pytest.raises(WsssError, match="a CRF: 0, expected at least 2: .* add masks to crf_fit"):
        fit_stage(scored)
