"""The finished run that several tests damage, and the table of outcomes at the end of the long part."""

from pathlib import Path

import finished_run
import outcomes
import pytest


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the project with a finished run of the tiny configuration, in two shards."""
    return finished_run.made(tmp_path_factory.mktemp("finished") / "project")


def pytest_sessionfinish(session):
    """A process beside others hands its outcomes over."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = {kind: dict(counts) for kind, counts in outcomes.TABLE.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Take over what a process beside others has counted."""
    for kind, counts in getattr(node, "workeroutput", {}).get("faults", {}).items():
        outcomes.TABLE[kind].update(counts)


def pytest_terminal_summary(terminalreporter, config):
    if outcomes.TABLE and config.getoption("markexpr") == "faults":
        terminalreporter.section("faults")
        for line in outcomes.lines():
            terminalreporter.line(line)
