"""The benchmarks that are tools: the table of gpu.py, run at tiny sizes, and what guard.py makes of ratios."""

import os
import subprocess
import sys

import pytest
import torch
from projects import ROOT

BENCHMARKS = ROOT / "benchmarks"
ROWS = (
    ["CRF cells, 3 labels", "CRF cells, 21 labels", "CRF convcrf, 3 labels", "CRF convcrf, 21 labels"]
    + ["CRF exact, 3 labels", "CRF exact, 21 labels", "CRF convcrf as in its paper", "SEC's CRF, exact"]
    + ["SEC's CRF, cells of 3 × 3", "random walk, 256 steps, 6 × 8", "random walk, 256 steps, 8 × 12", "affinity loss"]
    + [
        f"{what}, {backbone}, stride {stride}, {precision}"
        for backbone, stride in {
            "timm/tf_efficientnet_lite0": 16,
            "timm/resnet50": 16,
            "vgg16": 8,
            "resnet38": 8,
        }.items()
        for what in ("CAMs", "step")
        for precision in ("32-true", "bf16-mixed")
    ]
    + ["loading crops"]
)


def output_of(*words: object) -> str:
    paths = os.pathsep.join(map(str, (ROOT, BENCHMARKS)))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *map(str, words)]
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
