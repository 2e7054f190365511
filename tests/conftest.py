"""Fixtures of tests in several folders. Nothing of wsss is imported at the top: that early its types go unchecked."""

import gc
import logging
import os

import pytest

# a test works in its own process, as starting others costs seconds; one that wants more cores sets the number itself.
# Before torch is imported: the threads of several tests on the same cores would wait for each other, spinning
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_finish():
    """What was imported and collected stays: to look through it for garbage again and again costs a twentieth."""
    gc.freeze()


@pytest.fixture
def on_the_cpu(request, monkeypatch):
    """Runs are bit-equal on CPUs; GPUs may add up in another order. A test of a GPU is left alone."""
    if "gpu" not in request.keywords:
        monkeypatch.setattr("wsss.runtime.machine.device", lambda: "cpu")


@pytest.fixture
def log(caplog):
    """What the program logs."""
    caplog.set_level(logging.INFO, logger="wsss")
    return caplog
