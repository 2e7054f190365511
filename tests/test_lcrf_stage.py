"""The stage of the latent CRF on a few pictures, and its objective on free scores."""

import csv
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import trainings
from test_sec_stages import CLASSES, FEATURES, on_the_cpu, run  # noqa: F401 (fixtures)

from wsss import lcrf_losses, networks, store
from wsss.crf import exact
from wsss.errors import WsssError
from wsss.likelihoods import likelihood_of, local_evidence
from wsss.options import Job, Schedule
from wsss.stages.lcrf_segmenter import lcrf_segmenter

BOUND = replace(trainings.BOUND, entropy_weight=0.05, prior_weight=0.05, sample=True)
LIKELIHOODS = ("local_evidence", "masked_cam", "masked_image", "pooling")


def trained(folder, *, bound=BOUND, seeds=(), warm_share=0, input_px=32, epochs=3):
    """The rows of the curve of a training with a classifier of random weights."""
    torch.manual_seed(0)
    judge = folder / "classifier.pt"
    networks.save(judge, networks.classifier(FEATURES, classes=3), classes=CLASSES, settings={})
    lcrf_segmenter(
        images=folder / "images.csv",
        classifier=judge,
        seeds=seeds,
        lcrf_segmenter=folder / "lcrf_segmenter.pt",
        features=replace(FEATURES, weights=str(judge)),
        dilation=1,
        input_px=input_px,
        flip=True,
        jitter=0.1,
        bound=bound,
        prior=trainings.PRIOR,
        warm_share=warm_share,
        schedule=Schedule(
            epochs=epochs,
            batch=4,
            optimizer="adamw",
            learning_rate=0.002,
            drops=0,
            new_layers_factor=1,
            power=0.9,
            momentum=0.9,
            weight_decay=0.01,
            precision="32-true",
            seed=0,
        ),
        job=Job(1, 1, folder / "checkpoint.pt", 100, folder / "curve.csv"),
    )
    with (folder / "curve.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_each_likelihood_trains_a_network(run, likelihood):  # noqa: F811
    curve = trained(run, bound=replace(BOUND, likelihood=likelihood))
    assert len(curve) == 3
    assert set(curve[0]) >= {"loss", "likelihood", "prior", "entropy", "background", "label_entropy"}
    assert all(np.isfinite(value) for row in curve for value in row.values())
    network, about = networks.load(run / "lcrf_segmenter.pt", "segmenter")
    assert about["settings"]["likelihood"] == likelihood
    assert about["settings"]["input_px"] == "32"
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 3, 4, 4)


def test_the_seed_decides(run):  # noqa: F811
    assert trained(run) == trained(run)


def test_the_loss_is_made_of_its_terms(run):  # noqa: F811
    # the ramp is over half of the steps: the third of three has passed it
    *_, last = trained(run)
    total = 0.05 * (last["prior"] - last["entropy"]) - last["likelihood"]
    assert last["loss"] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("change", [{"sample": False}, {"by_tags": True}, {"prior_weight": 1}, {"background": False}])
def test_changes_change_what_is_learned(run, change):  # noqa: F811
    base = replace(BOUND, likelihood="masked_cam", prior_ramp=0)
    assert trained(run, bound=replace(base, **change))[-1]["loss"] != trained(run, bound=base)[-1]["loss"]


def test_a_warm_start_takes_seeds_and_says_so(run):  # noqa: F811
    curve = trained(run, seeds=(run / "seeds.h5",), warm_share=0.5, epochs=4)
    assert [row["prior"] > 0 for row in curve] == [False, False, True, True]
    _, about = networks.load(run / "lcrf_segmenter.pt", "segmenter")
    assert about["settings"]["warm_share"] == "0.5"


@pytest.mark.parametrize(("seeds", "share"), [((), 0.5), (("seeds.h5",), 0)])
def test_a_warm_start_needs_both(run, seeds, share):  # noqa: F811
    with pytest.raises(WsssError, match="a warm start takes one of them"):
        trained(run, seeds=tuple(run / name for name in seeds), warm_share=share)


def test_seeds_of_another_grid_are_refused(run):  # noqa: F811
    with pytest.raises(WsssError, match="the seeds lie on 4 cells a side, the network has 5: set the cells"):
        trained(run, seeds=(run / "seeds.h5",), warm_share=0.5, input_px=40)


def test_an_input_that_is_no_multiple_of_the_stride_is_refused(run):  # noqa: F811
    with pytest.raises(WsssError, match="input_px is 30: give a multiple of 8"):
        trained(run, input_px=30)


def test_the_stores_of_seeds_are_untouched(run):  # noqa: F811
    before = (run / "seeds.h5").read_bytes()
    trained(run, seeds=(run / "seeds.h5",), warm_share=0.5)
    assert (run / "seeds.h5").read_bytes() == before
    with store.read(run / "seeds.h5", "seeds") as found:
        assert len(found) == 4


def optimised(*, prior_weight, steps=200):
    """Labels that free scores take on for a picture of two colours, with noisy evidence of a class in its left half."""
    generator = torch.Generator().manual_seed(1)
    small = torch.zeros(1, 6, 6, 3, dtype=torch.uint8)
    small[:, :, :3] = 200
    cams = torch.zeros(1, 2, 6, 6)
    cams[0, 0, :, :3] = 0.9
    cams[0, 0, 2, 1] = 0.02  # a cell that the classifier missed
    tags = torch.tensor([[True, False]])
    kernels = exact.kernels(small, lcrf_losses.kernel_of(trainings.PRIOR))
    fits = partial(local_evidence, cams=cams, tags=tags, alpha=8, absent=0.001)
    scores = torch.zeros(1, 3, 6, 6, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.1)
    bound = replace(BOUND, prior_weight=prior_weight, prior_ramp=0)
    for step in range(steps):
        options = {"bound": bound, "done": step / steps, "generator": generator}
        loss, _ = lcrf_losses.objective(scores, tags, kernels, fits, **options)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return scores.argmax(1)[0]


def test_the_bound_alone_finds_the_evidence_and_the_prior_mends_it():
    without, with_prior = optimised(prior_weight=0), optimised(prior_weight=1)
    truth = torch.zeros(6, 6, dtype=torch.long)
    truth[:, :3] = 1
    assert without[2, 1] == 0
    without[2, 1] = 1
    assert torch.equal(without, truth)
    assert torch.equal(with_prior, truth)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_nothing_of_the_classifier_is_trained(likelihood):
    torch.manual_seed(0)
    judge = networks.classifier(FEATURES, classes=3).eval().requires_grad_(False)
    fits = likelihood_of(replace(BOUND, likelihood=likelihood), judge, cells=4, stride=8)
    z = torch.rand(2, 3, 4, 4).softmax(1).requires_grad_()
    tags = torch.tensor([[True, False], [False, True]])
    value = fits(z, torch.rand(2, 3, 32, 32), tags, torch.Generator().manual_seed(0))
    assert value.shape == (2,)
    value.sum().backward()
    assert z.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in judge.parameters())
