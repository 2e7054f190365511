"""A finished run."""

import pytest
from labelled_photographs import masks
from settings import CLASSES


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's masks of three photographs, and what they hold."""
    monkeypatch.chdir(tmp_path)
    return masks(tmp_path, CLASSES)
