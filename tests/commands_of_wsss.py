"""Commands of wsss that are expected to fail, and what they may leave behind."""

import os
import subprocess
import sys
from pathlib import Path

import preloaded


def ended(*words: object, folder: Path, before: str = "", seconds: float = 120) -> subprocess.CompletedProcess:
    """`wsss WORDS` in a folder, after words of the shell such as `ulimit -n 10;`, which take a process of its own."""
    command = [sys.executable if before else preloaded.commands() / "python", "-m", "wsss", *map(str, words)]
    if before:
        command = ["bash", "-c", f'{before} exec "$@"', "bash", *command]
    environment = os.environ | {"COLUMNS": "300", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=seconds, env=environment, check=False
    )


def assert_told(result: subprocess.CompletedProcess, *words: str) -> None:
    """The command failed with an error for a person: status 1, no traceback, the words in its message."""
    assert result.returncode == 1, (result.returncode, result.stderr[-2000:])
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if "error: " in line]
    assert len(errors) == 1, result.stderr[-2000:]
    for word in words:
        assert word in result.stderr, result.stderr[-2000:]


def files_below(folder: Path) -> set[str]:
    """The files in a folder and below, hidden ones included."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
