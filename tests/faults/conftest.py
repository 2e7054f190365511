"""The finished run that several tests damage, and the table of outcomes at the end of the long part."""

from pathlib import Path

import finished_run
import outcomes
import pytest


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the project with a finished run of the tiny configuration, in two shards."""
    return finished_run.made(tmp_path_factory.mktemp("finished") / "project")


def pytest_terminal_summary(terminalreporter, config):
    if outcomes.TABLE and config.getoption("markexpr") == "faults":
        terminalreporter.section("faults")
        for line in outcomes.lines():
            terminalreporter.line(line)
