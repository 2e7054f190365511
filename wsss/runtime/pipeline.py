"""Where the workflow is, and whether a run of it that left a lock is still alive."""

import atexit
import os
import shlex
import socket
import sys
from pathlib import Path

from wsss.runtime import machine

PACKAGE = Path(__file__).parent.parent

KILLED = 128 + 9
"""Exit status, as a shell says it, of a command that was ended by SIGKILL."""

RUNS = Path(".snakemake/wsss_runs")
"""Below the folder of a run: an empty file for each run that has not ended, HOST:PROCESS:WHEN_IT_BEGAN."""


def root() -> Path:
    """The folder of Snakefile, config.yaml, workflow, presets and profiles: a clone's, or that of an installation."""
    clone = PACKAGE.parent
    return clone if (clone / "Snakefile").exists() else PACKAGE / "pipeline"


def before_each_command() -> str:
    """What the shell does before the command of a rule.

    `wsss` is then the one of the environment that runs snakemake, whatever stands first on the PATH; and of a stage
    that the system killed, which says nothing itself, the shell says why that may be.
    """
    killed = "killed (137), probably out of memory: give it more (mem_mb), or set images: longest_px"
    trap = f"trap 'test $? -ne {KILLED} || echo \"{killed}\" >&2' EXIT"
    return f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; {trap}; "


def announce(folder: Path = RUNS) -> None:
    """Record that this process runs the workflow in the current folder, until it ends by itself."""
    record = folder.absolute() / f"{socket.gethostname()}:{os.getpid()}:{machine.began(os.getpid())}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record.touch()
    except OSError:
        return  # a folder that is read-only has no lock either
    atexit.register(record.unlink, missing_ok=True)


def dead(folder: Path = RUNS) -> list[Path]:
    """The records of runs that were killed, if those are the only ones: then nobody holds the lock of the folder.

    A run on another host may be alive: with a record of one there is no answer, and the list is empty.
    """
    records = list(folder.glob("*:*:*"))
    for record in records:
        host, process, began = record.name.rsplit(":", 2)
        if host != socket.gethostname() or machine.began(int(process)) == began:
            return []
    return records
