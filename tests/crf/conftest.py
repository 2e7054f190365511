import pytest


@pytest.fixture(autouse=True)
def _lattice_is_there(request):
    """A test of the engine lattice is skipped where that is not installed."""
    if "lattice" in request.node.name:
        pytest.importorskip("pydensecrf")
