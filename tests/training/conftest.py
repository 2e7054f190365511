import pytest


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Weights and curve of a run that nothing cuts off."""
    import runs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsss.runtime.machine.device", lambda: "cpu")
        return runs.train(tmp_path_factory.mktemp("undisturbed"))
