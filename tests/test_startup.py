"""Holds what a stage loads before its first image: each process pays for it anew, and a run has many."""

import inspect
import subprocess
import sys

import pytest
from projects import ROOT

from wsss.cli import STAGES

HEAVY = {"torch", "torch._dynamo", "lightning_fabric", "torchvision", "timm", "matplotlib", "snakemake"}
"""Those of a backbone come with the network that a run chooses, and are not what a stage imports."""

ARRAYS = ["ablation", "comparison", "gather", "images", "miou", "training_images"]
TRAININGS = [name for name, stage in STAGES.items() if "job" in inspect.signature(stage).parameters]
TENSORS = [name for name in STAGES if name not in (*ARRAYS, *TRAININGS)]


@pytest.mark.parametrize(
    ("stages", "loads"),
    [
        (ARRAYS, set()),
        (TENSORS, {"torch"}),
        (TRAININGS, {"torch", "torch._dynamo", "lightning_fabric"}),  # torch's optimizers import torch._dynamo, too
    ],
    ids=["arrays", "tensors", "trainings"],
)
def test_stages_load_nothing_heavy_that_they_do_not_need(monkeypatch, stages, loads):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import startup

    # all in one process: one for each would take minutes
    code = "".join(startup.LINES.format(stage=stage) for stage in stages)
    code += f"import sys; print(*{HEAVY} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == loads
