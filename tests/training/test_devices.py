"""What a training computes on a GPU stays there, and nothing waits for it: by tensors without values, without a GPU."""

from dataclasses import replace

import pytest
import settings
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils.data import default_collate
from trainings import prepare, run

from wsss.training import loop


@pytest.fixture(scope="module")
def cues(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cues")
    prepare(folder)
    return folder


def on_gpu(module: torch.nn.Module, mode: FakeTensorMode) -> None:
    """Replace weights and statistics by tensors of a GPU that need not exist."""
    for child in module.children():
        on_gpu(child, mode)
    with mode:
        for name, weight in module._parameters.items():
            if weight is not None:
                module._parameters[name] = torch.nn.Parameter(torch.empty(weight.shape, device="cuda"))
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = torch.empty(value.shape, dtype=value.dtype, device="cuda")


BY_CAMS = {"BOUND": {"evidence_from": "cams", "evidence_scale": 1.5}, "PRIOR": {"appearance_features": 0.4}}


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        *((stage, {}) for stage in ("classifier", "affinity_net", "psa_segmenter", "sec_segmenter", "lcrf_segmenter")),
        ("lcrf_segmenter", BY_CAMS),
    ],
)
def test_a_step_stays_on_the_gpu(stage, changes, cues, tmp_path, monkeypatch):
    for name, values in changes.items():
        monkeypatch.setattr(settings, name, replace(getattr(settings, name), **values))
    given = []
    monkeypatch.setattr(loop, "train", lambda network, task, **_: given.append((network, task)))
    run(stage, cues, tmp_path, gpus=1)
    ((network, task),) = given
    batch = default_collate([task.item(position) for position in range(2)])
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    on_gpu(network, mode)
    with mode:
        value = task.loss(network, [torch.empty_like(part, device="cuda") for part in batch], 0.5)
    loss, terms = value if isinstance(value, tuple) else (value, {})
    assert {value.device.type for value in (loss, *terms.values())} == {"cuda"}


def test_what_is_refused():
    with FakeTensorMode(), pytest.raises(RuntimeError, match="device"):
        torch.empty(3, device="cuda") + torch.empty(3)
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        bool(torch.empty(3, device="cuda").isfinite().all())
