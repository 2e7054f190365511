"""Holds what a stage loads before its first image: each process pays for it anew, and a run has many."""

import subprocess
import sys

import pytest

from wsss.cli import STAGES

HEAVY = ("torch", "torch._dynamo", "lightning_fabric", "torchvision", "timm", "matplotlib", "snakemake")

ARRAYS = ("ablation", "comparison", "gather", "images", "miou", "training_images")
TENSORS = (
    "affinity_labels",
    "cams",
    "crf",
    "cue_scores",
    "examples",
    "masks",
    "pseudo_masks",
    "relabels",
    "saliency",
    "scores",
    "seeds",
)
TRAININGS = ("affinity_net", "classifier", "lcrf_segmenter", "psa_segmenter", "sec_segmenter")

LOADS = {ARRAYS: set(), TENSORS: {"torch"}, TRAININGS: {"torch", "torch._dynamo", "lightning_fabric"}}
"""The heavy modules that stages load, those of a backbone left out, which come with the network that a run chooses.

Trainings have torch._dynamo from Fabric, and torch's optimizers would import it anyway.
"""

LOADED = """
import ast, inspect, sys
from wsss.cli import STAGES
for stage in {stages}:
    tree = ast.parse(inspect.getsource(inspect.getmodule(STAGES[stage])))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), stage, "exec"))
print(*sorted({heavy} & sys.modules.keys()))
"""
"""All that some stages import, at the top and in their functions, in one process: one for each would take minutes."""


def loaded(stages):
    code = LOADED.format(stages=stages, heavy=set(HEAVY))
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_every_stage_has_its_place():
    assert sorted(stage for stages in LOADS for stage in stages) == sorted(STAGES)


@pytest.mark.parametrize("stages", LOADS)
def test_stages_load_nothing_heavy_that_they_do_not_need(stages):
    assert loaded(stages) == LOADS[stages]
