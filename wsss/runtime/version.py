"""Which wsss this is: its version, its commit where it is known, and what it runs on."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def in_words() -> str:
    """Versions of wsss, torch and Python in one line; torch is not imported."""
    commit = _commit()
    ours = f"wsss {_version('wsss')}{f' ({commit})' if commit else ''}"
    return f"{ours}, torch {_version('torch')}, Python {platform.python_version()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _commit() -> str:
    """The commit of the git checkout in which the package lies, marked where it has changes; empty without one."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return ""
    try:
        git = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
        run = subprocess.run(git, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"commit {run.stdout.strip()}"
