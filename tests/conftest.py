import pytest


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """Work in the test's own process: starting others costs seconds. A test that wants more sets the number itself."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
