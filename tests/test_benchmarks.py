"""The benchmarks that are tools: the table of gpu.py, run at tiny sizes, and what guard.py makes of ratios."""

import json
import os
import subprocess
from types import SimpleNamespace

import numpy as np
import preloaded
import pytest
import torch
from projects import ROOT

from wsss.lcrf.bound import divergence, messages, ruled_by_tags
from wsss.lcrf.likelihoods import evidence_of_labels
from wsss.lcrf.prior import kernels
from wsss.psa import affinity
from wsss.training.lcrf_evidence import Evidence

BENCHMARKS = ROOT / "benchmarks"
LITE0 = "timm/tf_efficientnet_lite0, stride 16"
"""The smallest network: at small sizes the rows of the others, which are made alike, are left out."""
ROWS = (
    ["CRF cells, 3 labels", "CRF cells, 21 labels", "CRF convcrf, 3 labels", "CRF convcrf, 21 labels"]
    + ["CRF exact, 3 labels", "CRF exact, 21 labels", "CRF convcrf as in its paper", "SEC's CRF, exact"]
    + ["SEC's CRF, cells of 3 × 3", "random walk, 256 steps, 6 × 8", "random walk, 256 steps, 8 × 12", "affinity loss"]
    + [f"CAMs, {LITE0}, 32-true, 1 of", f"CAMs, {LITE0}, 32-true, 2 of", f"CAMs, {LITE0}, bf16-mixed, 1 of"]
    + [f"step, {LITE0}, 32-true", f"step, {LITE0}, bf16-mixed"]
    + [f"scores, {LITE0}, 32-true, 1 of", f"scores, {LITE0}, 32-true, 2 of"]
    + ["loading crops"]
)


def output_of(*words: object) -> str:
    paths = os.pathsep.join(map(str, (ROOT, BENCHMARKS)))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [preloaded.commands() / "python", *map(str, words)]
    return subprocess.run(command, check=True, text=True, capture_output=True, env=environment, timeout=600).stdout


def test_the_table_of_the_gpu_has_every_row_with_a_figure_and_a_limit():
    table = [
        line for line in output_of(BENCHMARKS / "gpu.py", "--device", "cpu", "--small").splitlines() if "|" in line
    ]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    assert len(rows) == len(ROWS)
    for name, (words, figure, unit, limit, given_by, _, goal) in zip(ROWS, rows, strict=True):
        assert words.startswith(name)
        assert float(figure) > 0 and float(limit) > 0, words
        assert unit in ("ms", "images/s") and given_by in ("FLOP", "memory", "decoding")
        assert bool(goal) == ("3 labels," in words and "CRF c" in words or "paper" in words)


def test_a_row_that_fails_says_so():
    code = "import gpu\ndef fail(): raise MemoryError('none is left')\nprint(gpu.row_of('walk', '', fail))"
    assert output_of("-c", code).startswith("| walk | failed: MemoryError: none is left |")


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_the_limit_is_the_longer_of_two_times(benchmarks):
    from limits import Limits, Work

    limits = Limits("cpu", copied=100.0, rates={"float32": 10.0}, cache=50.0)
    assert limits.least(Work(20, 100)) == (2, "FLOP")
    assert limits.least(Work(20, 300)) == (3, "memory")
    assert (limits.beyond(50), limits.beyond(51)) == (0, 51)


def test_the_work_of_a_convolution_by_hand(benchmarks):
    from limits import Limits, Work, of_convolutions

    limits = Limits("cpu", copied=1.0, rates={"float32": 1.0}, cache=0.0)
    layer = torch.nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False)
    images = torch.rand(2, 4, 5, 5)
    # 2 x 6 x 25 outputs of 2 x 9 products and sums each; float32 of 200 inputs, 108 weights, 300 outputs
    once = Work(2 * 300 * 18, 4 * (200 + 108 + 300))
    with torch.no_grad():
        assert of_convolutions(layer, lambda: layer(images), limits) == once
    twice = Work(2 * once.operations, 2 * once.moved)  # the images need no gradient
    assert of_convolutions(layer, lambda: layer(images), limits) == twice


def test_a_ratio_fell_held_is_missing_or_new(benchmarks):
    import guard

    recorded = {"a": 4.0, "b": 4.0, "c": 4.0, "d": 4.0}
    found = {"a": 2.99, "b": 3.0, "c": 9.0, "e": 1.0}
    verdicts = guard.verdicts(recorded, found, tolerance=0.25)
    assert verdicts == {"a": "fell", "b": "held", "c": "held", "d": "missing", "e": "new"}


PRINTED = {
    "crf_labels": (
        "188 x 250, 3 labels\n"
        "  lattice                          77.3 ms   1.00 x  agreement 100.00 %\n"
        "  cells                            13.5 ms   5.73 x  agreement  99.98 %\n"
        "SEC: 15 images of 41 x 41, 21 labels\n"
        "  cells of 3 x 3                   33.9 ms   3.48 x  agreement  99.94 %\n",
        {
            "crf_labels: 188 x 250, 3 labels: cells": 5.73,
            "crf_labels: SEC: 15 images of 41 x 41, 21 labels: cells of 3 x 3": 3.48,
        },
    ),
    "training": (
        "vgg16, stride 8, 1 threads\nstep of 4 x 128 px\n"
        "  norms apart                          46.0 ms an image   1.00 x\n"
        "  and depthwise gradients              36.4 ms an image   1.26 x\n",
        {"training: step of 4 x 128 px: and depthwise gradients": 1.26},
    ),
    "random_walk": (
        "32 x 40 grid, 3 classes, radius 5, beta 8, 256 steps, 1 threads\ndense squaring     0.8250 s\n"
        "walk               0.0112 s     73.4 times as fast, largest difference 1.6e-06\n",
        {"random_walk: walk": 73.4},
    ),
}


@pytest.mark.parametrize("script", PRINTED)
def test_ratios_are_read_from_what_is_printed(benchmarks, script):
    import guard

    printed, ratios = PRINTED[script]
    assert guard.ratios_of(script, printed) == ratios


@pytest.mark.parametrize(("runs", "holds"), [([3.0], True), ([2.0, 3.5], True), ([2.0, 2.5], False), ([None], False)])
def test_a_ratio_that_fell_has_a_second_run(benchmarks, monkeypatch, capsys, runs, holds):
    import guard

    waiting = list(runs)

    def measured(script):
        ratio = waiting.pop(0)
        return {} if ratio is None else {"a": ratio}

    monkeypatch.setattr(guard, "SCRIPTS", {"random_walk": ""})
    monkeypatch.setattr(guard, "measured", measured)
    assert guard.compared({"a": 4.0}, tolerance=0.25) == holds
    assert not waiting
    word = "held" if holds else "missing" if runs == [None] else "fell"
    assert capsys.readouterr().out.startswith(word)


def test_each_recorded_ratio_is_of_a_script_that_guard_runs(benchmarks):
    import guard

    ratios = json.loads(guard.RECORDED.read_text())["ratios"]
    assert {name.partition(":")[0] for name in ratios} == set(guard.SCRIPTS)
    assert all(ratio > 0 for ratio in ratios.values())


@pytest.fixture
def oracles(benchmarks):
    """The module of the oracles."""
    import oracles

    return oracles


def test_true_affinities_join_cells_of_one_class(oracles):
    truth = np.repeat([[0, 0, 0, 3, 3, 255]], 4, 0).astype(np.uint8)  # at stride 2: 0, mostly 0 (the first of even), 3
    cells = oracles.true_affinities(truth, stride=2, radius=2)
    right, below = cells[0], cells[affinity.offsets(2).index((1, 0))]
    assert right.tolist() == [[1, 0, 0], [1, 0, 0]]  # no pair beyond the border
    assert below.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_the_truths_boundaries_take_the_class_of_most_pixels(oracles, monkeypatch):
    truth = np.array([[0, 0, 1, 1, 255], [0, 0, 1, 1, 255]], np.uint8)
    found = np.array([[0, 2, 2, 1, 1], [0, 0, 2, 2, 1]], np.uint8)
    monkeypatch.setattr(oracles.evaluation, "truth", lambda row, classes: truth)
    source = SimpleNamespace(classes=None)
    boundaries = oracles.voted(None, source, {"plain": found})["boundaries"]
    assert boundaries.tolist() == [[0, 0, 2, 2, 1], [0, 0, 2, 2, 1]]  # where the truth is void, nothing is changed


def test_thresholds_of_single_classes_replace_the_common_one(oracles):
    maps = {"cam": np.float16([[[0.4, 0.2]], [[0.3, 0.1]]]), "classes": np.uint8([2, 5])}
    source = type("Source", (), {"stride": 1, "size": lambda self, _: (1, 2), "__getitem__": lambda self, _: maps})()
    row = SimpleNamespace(id="a")
    assert oracles.thresholded(row, source, {0.35: {}, 0.15: {}})[0.35].tolist() == [[2, 0]]
    assert oracles.thresholded(row, source, {0.15: {5: 0.01}})[0.15].tolist() == [[5, 5]]


def test_the_best_labels_are_a_fixed_point_of_the_bounds_gradient(benchmarks):
    import lcrf_labels

    generator = torch.Generator().manual_seed(0)
    cams, tags = torch.rand(1, 2, 4, 4, generator=generator), torch.tensor([[True, False]])
    colours = torch.randint(256, (1, 4, 4, 3), generator=generator).byte()
    numbers = lcrf_labels.Numbers(prior_weight=0.2, appearance_rgb=40)
    found = Evidence(cams, cams.amax((-2, -1)), torch.rand(1, 5, 4, 4, generator=generator))
    q = lcrf_labels.best(found, colours, tags, numbers=numbers)
    assert (q[:, 2] < 1e-6).all()  # not in the tags
    kernel = kernels(colours, numbers.prior, found.features)
    energies = evidence_of_labels(found.cams, tags, alpha=numbers.alpha, absent=numbers.absent).log()

    def bound(logits):
        log_q = ruled_by_tags(logits, tags).log_softmax(1)
        kl = divergence(log_q, messages(log_q.exp(), kernel), entropy_weight=1, prior_weight=numbers.prior_weight)
        return (kl - (log_q.exp() * energies).sum(1).mean((-2, -1))).mean()

    logits = q.clamp(min=1e-30).log().requires_grad_()
    (slope,) = torch.autograd.grad(bound(logits), logits)
    (elsewhere,) = torch.autograd.grad(bound(other := (logits + torch.tensor([0.0, 1.0, 0.0])[:, None, None])), other)
    assert slope.abs().max() < 1e-3 * elsewhere.abs().max()
