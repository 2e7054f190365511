"""The folder of a run."""

import pytest
import report_runs


@pytest.fixture
def run(tmp_path):
    return report_runs.write_run(tmp_path)


@pytest.fixture
def run_without_masks(tmp_path):
    return report_runs.write_run(tmp_path, masks=False)
