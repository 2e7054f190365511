"""The stage of the latent CRF on a few pictures, and its objective optimised over free logits."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import settings
import torch
from runs import rows
from settings import CLASSES, FEATURES, PRIOR

import wsss.lcrf.bound
from wsss.datasets import manifest, pictures
from wsss.labels import Classes
from wsss.lcrf.bound import objective
from wsss.lcrf.likelihoods import local_evidence
from wsss.lcrf.prior import kernels as kernels_of
from wsss.maths.photographs import to_tensor
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.options.training import Job, WarpedInput
from wsss.runtime.errors import WsssError
from wsss.stages.lcrf_segmenter import lcrf_segmenter
from wsss.stores import store
from wsss.training.lcrf_evidence import evidence, likelihood_of

BOUND = replace(settings.BOUND, entropy_weight=0.05, prior_weight=0.05, sample=True)
WARPED = WarpedInput(input_px=32, crop_share=1, flip=True, jitter=0.1, jitter_by="hsv")
LIKELIHOODS = ("local_evidence", "masked_cam", "masked_image", "pooling")

CHANGES = (
    {"sample": False},
    {"by_tags": True},
    {"prior_weight": 1},
    {"background": False},
    {"evidence_scale": 2.0},
    {"update": "mean_field"},
)
OF_LOCAL_EVIDENCE = ({"alpha": 2}, {"absent": 0.1})
OF_PRIOR = ({"appearance_rgb": 40}, {"appearance_features": 0.4})

pytestmark = pytest.mark.usefixtures("on_the_cpu")


def trained(folder, *, bound=BOUND, prior=PRIOR, seeds=(), warm_share=0, input_px=32, stride=8, epochs=3, **more):
    """The rows of the curve of a training with a classifier of random weights."""
    torch.manual_seed(0)
    frozen = folder / "classifier.safetensors"
    file.save(frozen, Classifier.build(FEATURES, classes=3), About(CLASSES, "tags"))
    lcrf_segmenter(
        images=folder / "images.csv",
        classifier=frozen,
        seeds=seeds,
        lcrf_segmenter=folder / "lcrf_segmenter.safetensors",
        features=replace(FEATURES, weights=str(frozen), stride=stride),
        dilation=1,
        warped=replace(WARPED, input_px=input_px, crop_share=more.pop("crop_share", 1)),
        bound=bound,
        prior=prior,
        warm_share=warm_share,
        schedule=replace(settings.ADAMW, epochs=epochs, learning_rate=0.002),
        job=Job(1, 1, folder / "checkpoint.pt", 100, folder / "curve.csv", ()),
        **({"cams": (), "decoder": False, "balance": 0, "background_offset": 0} | more),
    )
    return rows((folder / "curve.csv").read_text())


@pytest.mark.parametrize("update", ["bound", "mean_field"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_each_likelihood_trains_a_network(seeded, likelihood, update):
    curve = trained(seeded, bound=replace(BOUND, likelihood=likelihood, update=update))
    assert len(curve) == 3
    assert set(curve[0]) >= {"loss", "likelihood", "prior", "entropy", "background", "label_entropy"}
    assert all(np.isfinite(value) for row in curve for value in row.values())
    network, about = file.load(seeded / "lcrf_segmenter.safetensors", Segmenter)
    assert about.settings["likelihood"] == likelihood
    assert about.warped_px == 32 and about.supervision == "tags"
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 3, 4, 4)


def test_the_seed_determines_the_training(seeded):
    assert trained(seeded) == trained(seeded)


def test_the_loss_is_the_sum_of_its_terms(seeded):
    # the ramp is over half of the steps: the third of three has passed it
    *_, last = trained(seeded)
    total = 0.05 * (last["prior"] - last["entropy"]) - last["likelihood"]
    assert last["loss"] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("change", CHANGES)
def test_options_change_the_training(seeded, change):
    base = replace(BOUND, likelihood="masked_cam", prior_ramp=0)
    assert trained(seeded, bound=replace(base, **change))[-1]["loss"] != trained(seeded, bound=base)[-1]["loss"]


@pytest.mark.parametrize("change", OF_LOCAL_EVIDENCE)
def test_options_of_the_local_evidence_change_its_training_alone(seeded, change):
    for likelihood in ("local_evidence", "masked_cam"):
        base = replace(BOUND, likelihood=likelihood)
        plain, changed = trained(seeded, bound=base), trained(seeded, bound=replace(base, **change))
        assert (plain == changed) == (likelihood == "masked_cam")


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("change", OF_PRIOR)
def test_the_kernel_of_the_prior_changes_the_training(seeded, likelihood, change):
    bound = replace(BOUND, likelihood=likelihood, prior_weight=1, prior_ramp=0)
    changed = trained(seeded, bound=bound, prior=replace(PRIOR, **change))
    assert changed[-1]["loss"] != trained(seeded, bound=bound)[-1]["loss"]


def draw_cams(folder, classes=CLASSES, columns=3):
    """Maps that are 1 in the left columns of five; the pictures have what they show in their left half."""
    with store.create(folder / "cams.h5", "cams", classes=classes, settings={"stride": 8}, inputs={}) as target:
        for number in range(4):
            cam = np.zeros((1, 3, 5), np.float16)
            cam[..., :columns] = 1
            target.add(str(number), (24, 40), cam=cam, classes=np.array([1 + number % 2], np.uint8))
    return folder / "cams.h5"


@pytest.mark.parametrize("crop_share", [1.0, 0.5])
def test_stored_maps_train_a_network(seeded, crop_share):
    bound = replace(BOUND, evidence_from="cams")
    curve = trained(seeded, bound=bound, cams=(draw_cams(seeded),), crop_share=crop_share)
    assert all(np.isfinite(value) for row in curve for value in row.values())
    about = file.load(seeded / "lcrf_segmenter.safetensors", Segmenter)[1]
    assert about.settings["evidence_from"] == "cams"
    assert about.supervision == "tags"
    assert curve != trained(seeded, crop_share=crop_share)


def test_other_stored_maps_are_another_training(seeded):
    bound, cams = replace(BOUND, evidence_from="cams"), draw_cams(seeded)
    first = trained(seeded, bound=bound, cams=(cams,))
    times = (seeded / "lcrf_segmenter.safetensors").stat().st_mtime_ns
    assert trained(seeded, bound=bound, cams=(cams,)) == first  # it ends at once, with the network of its checkpoint
    assert trained(seeded, bound=bound, cams=(draw_cams(seeded, columns=1),)) != first
    assert (seeded / "lcrf_segmenter.safetensors").stat().st_mtime_ns > times


def test_stored_maps_are_where_the_network_finds_the_classes(seeded):
    bound = replace(BOUND, evidence_from="cams", update="mean_field", entropy_weight=1)
    trained(seeded, bound=bound, cams=(draw_cams(seeded),), epochs=60)
    network = file.load(seeded / "lcrf_segmenter.safetensors", Segmenter)[0].eval()
    rows = manifest.read(seeded / "images.csv")[:2]
    photographs = [pictures.warped(pictures.photograph_of(row), 32) for row in rows]
    with torch.no_grad():
        labels = network(to_tensor(np.stack(photographs))).argmax(1)
    assert (labels[..., 0] == torch.tensor([[1], [2]])).all() and not labels[..., 3].any()


def test_stored_maps_are_given_where_they_are_asked_for_alone(seeded):
    by_cams = replace(BOUND, evidence_from="cams")
    cams = draw_cams(seeded)
    for bound, given in ((by_cams, ()), (BOUND, (cams,)), (replace(by_cams, likelihood="pooling"), (cams,))):
        with pytest.raises(WsssError, match=f"with {len(given)} stores of activation maps: give one for local_evid"):
            trained(seeded, bound=bound, cams=given)
    with pytest.raises(WsssError, match="cams.h5 has other classes than the classifier: use those of one run"):
        trained(seeded, bound=by_cams, cams=(draw_cams(seeded, Classes.of({"cat": 1, "cow": 2})),))


def test_windows_train_a_network(seeded):
    curves = [trained(seeded, bound=replace(BOUND, evidence_scale=1.5), crop_share=share) for share in (0.5, 1.0)]
    assert all(np.isfinite(value) for row in curves[0] for value in row.values())
    assert curves[0] != curves[1]


@pytest.mark.parametrize("likelihood", LIKELIHOODS[1:])
def test_windows_are_not_asked_for_all_that_the_tags_name(seeded, likelihood):
    with pytest.raises(WsssError, match=f"crop_share is 0.5, and likelihood {likelihood} would ask a window"):
        trained(seeded, bound=replace(BOUND, likelihood=likelihood), crop_share=0.5)


def test_an_offset_of_the_background_is_of_its_use_alone(seeded):
    """Trainings with and without it see the same logits, and end in networks that differ in the background's bias."""
    fixed = {"balance": 0.5, "epochs": 2}
    plain = trained(seeded, **fixed)
    without = file.load(seeded / "lcrf_segmenter.safetensors", Segmenter)[0]
    lowered = trained(seeded, background_offset=1.5, **fixed)
    network, about = file.load(seeded / "lcrf_segmenter.safetensors", Segmenter)
    assert [row["loss"] for row in lowered] == pytest.approx([row["loss"] for row in plain], rel=1e-5)
    expected = without.head.bias - torch.tensor([1.5, 0, 0])
    torch.testing.assert_close(network.head.bias, expected, rtol=0, atol=1e-4)
    assert about.settings["background_offset"] == "1.5"


def test_a_balance_changes_what_is_inferred(seeded):
    found = manifest.read(seeded / "images.csv")
    manifest.write(seeded / "images.csv", [replace(row, tags=tuple({*row.tags, "cat"})) for row in found])
    assert trained(seeded, balance=1)[-1]["loss"] != trained(seeded)[-1]["loss"]


def test_a_warm_start_uses_seeds_and_records_it(seeded):
    curve = trained(seeded, seeds=(seeded / "seeds.h5",), warm_share=0.5, epochs=4)
    assert [row["prior"] > 0 for row in curve] == [False, False, True, True]
    _, about = file.load(seeded / "lcrf_segmenter.safetensors", Segmenter)
    assert about.settings["warm_share"] == "0.5" and about.supervision == "tags and cues"


@pytest.mark.parametrize(("seeds", "share"), [((), 0.5), (("seeds.h5",), 0)])
def test_a_warm_start_needs_seeds_and_a_share(seeded, seeds, share):
    with pytest.raises(WsssError, match="give one for a warm start, else none"):
        trained(seeded, seeds=tuple(seeded / name for name in seeds), warm_share=share)


def test_seeds_of_another_grid_are_refused(seeded):
    with pytest.raises(WsssError, match="the seeds have 4 cells per side, the network has 5: set the cells"):
        trained(seeded, seeds=(seeded / "seeds.h5",), warm_share=0.5, input_px=40)


def test_an_input_that_is_not_a_multiple_of_the_stride_is_refused(seeded):
    with pytest.raises(WsssError, match="input_px is 30: give a multiple of 8"):
        trained(seeded, input_px=30)


def test_a_decoder_infers_the_labels_on_the_finer_grid_of_its_layer(seeded):
    curve = trained(seeded, seeds=(seeded / "seeds.h5",), warm_share=0.5, stride=16, decoder=True, epochs=4)
    assert all(np.isfinite(value) for row in curve for value in row.values())
    network, _ = file.load(seeded / "lcrf_segmenter.safetensors", Segmenter)
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 3, 4, 4)


def test_the_store_of_seeds_is_unchanged(seeded):
    before = (seeded / "seeds.h5").read_bytes()
    trained(seeded, seeds=(seeded / "seeds.h5",), warm_share=0.5)
    assert (seeded / "seeds.h5").read_bytes() == before
    with store.read(seeded / "seeds.h5", "seeds") as found:
        assert len(found) == 4


LEFT = torch.tensor([1, 1, 1, 0, 0, 0]).expand(6, 6)


def optimised(*, start=0.0, steps=200, **changes):
    """Labels from logits optimised for a picture of two colours, with noisy evidence of a class in its left half.

    `start` is by how much the background's logit is above the others' when they begin.
    """
    generator = torch.Generator().manual_seed(1)
    small = torch.zeros(1, 6, 6, 3, dtype=torch.uint8)
    small[:, :, :3] = 200
    cams = torch.zeros(1, 2, 6, 6)
    cams[0, 0, :, :3] = 0.9
    cams[0, 0, 2, 1] = 0.02  # a cell that the classifier missed
    tags = torch.tensor([[True, False]])
    kernels = kernels_of(small, PRIOR)
    log_likelihood = partial(local_evidence, cams=cams, tags=tags, alpha=8, absent=0.001)
    logits = torch.zeros(1, 3, 6, 6)
    logits[:, 0] = start
    logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.1, eps=1e-4)
    bound = replace(BOUND, prior_ramp=0, **changes)
    for step in range(steps):
        options = {"bound": bound, "done": step / steps, "generator": generator}
        loss, _ = objective(logits, tags, kernels, log_likelihood, **options)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return logits.argmax(1)[0]


@pytest.mark.parametrize("update", ["bound", "mean_field"])
def test_the_bound_alone_follows_the_evidence_and_the_prior_corrects_it(update):
    without, with_prior = optimised(prior_weight=0, update=update), optimised(prior_weight=1, update=update)
    assert without[2, 1] == 0
    without[2, 1] = 1
    assert torch.equal(without, LEFT)
    assert torch.equal(with_prior, LEFT)


def test_a_label_that_was_given_up_comes_back_by_mean_field_updates_alone():
    weights = {"prior_weight": 1, "entropy_weight": 1, "sample": False}
    assert not optimised(start=14.0, **weights).any()
    assert torch.equal(optimised(start=14.0, update="mean_field", **weights), LEFT)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_nothing_of_the_classifier_is_trained(likelihood):
    torch.manual_seed(0)
    frozen = Classifier.build(FEATURES, classes=3).eval().requires_grad_(False)
    log_likelihood = likelihood_of(replace(BOUND, likelihood=likelihood), frozen, cells=4, stride=8)
    z = torch.rand(2, 3, 4, 4).softmax(1).requires_grad_()
    tags = torch.tensor([[True, False], [False, True]])
    photographs = torch.rand(2, 3, 32, 32)
    found = evidence(frozen, photographs, 4, scale=1.0)
    value = log_likelihood(z, photographs, found, tags, torch.Generator().manual_seed(0))
    assert value.shape == (2,)
    value.sum().backward()
    assert z.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in frozen.parameters())


@pytest.mark.parametrize("likelihood", ["masked_cam", "masked_image"])
def test_a_class_s_offset_is_part_of_its_score(likelihood):
    """With one that makes it sure of what is shown, and one that makes it sure of the rest."""
    torch.manual_seed(0)
    frozen = Classifier.build(FEATURES, classes=3).eval().requires_grad_(False)
    log_likelihood = likelihood_of(replace(BOUND, likelihood=likelihood, background=False), frozen, cells=4, stride=8)
    photographs = torch.rand(1, 3, 32, 32)
    of_cells = evidence(frozen, photographs, 4, scale=1.0)
    given = torch.rand(1, 3, 4, 4).softmax(1), photographs, of_cells, torch.tensor([[True, False]])
    found = []
    for offsets in ((50.0, -50.0), (-50.0, 50.0)):
        frozen.set_offsets(torch.tensor(offsets))
        found.append(float(log_likelihood(*given, torch.Generator().manual_seed(0))))
    assert found[0] > -0.01 and found[1] < -40


def test_samples_draw_other_numbers_than_dropout(seeded, monkeypatch):
    drawn = []
    sampled = wsss.lcrf.bound.gumbel_softmax

    def seen(log_q, *, temperature, generator):
        drawn.append((generator.initial_seed(), torch.initial_seed()))
        return sampled(log_q, temperature=temperature, generator=generator)

    monkeypatch.setattr(wsss.lcrf.bound, "gumbel_softmax", seen)
    trained(seeded)
    of_samples, of_dropout = map(set, zip(*drawn, strict=True))
    assert len(of_samples) == len(of_dropout) == 3 and not of_samples & of_dropout
