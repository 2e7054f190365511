"""A run of the workflow, wherever wsss is installed."""

import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from wsss.commands.terminal import say
from wsss.runtime import machine, pipeline
from wsss.runtime.errors import WsssError

LOCKS = Path(".snakemake/locks")


def run(*words: str) -> None:
    """Run the workflow by Snakemake: all options and targets are Snakemake's, such as --cores 8 --configfile mine.yaml.

    Snakefile, profiles and presets are those of this wsss, from any folder; results are written to the current one. The
    lock that a killed run has left in it is taken away.

    Args:
        words: options and targets of Snakemake. Files that are not there are looked for beside the Snakefile:
            `--configfile presets/voc12_psa_vgg16.yaml`, `--workflow-profile profiles/slurm`.
    """
    root = pipeline.root()
    given = [_found(word, root) for word in words]
    for path in _configurations(given):
        if not path.is_file():
            raise WsssError(f"{path} does not exist: name configurations after --configfile, and targets after --")
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    if not any(word.split("=")[0] in ("--profile", "--workflow-profile") for word in words):
        snakemake += ["--workflow-profile", str(root / "profiles/default")]
    if not any(word.split("=")[0] in ("--directory", "-d") for word in words):
        _unlock(snakemake)
    os.environ[machine.COMMAND] = shlex.join(["wsss", "run", *words])
    os.execv(sys.executable, [*snakemake, *given])  # signals and exit status are Snakemake's own


def _found(word: str, root: Path) -> str:
    """A word; where it, or what follows its `=`, names a file beside the Snakefile and none here, with that path."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    path = Path(value)
    beside = path.parts[:1] in (("presets",), ("profiles",)) and not path.exists() and (root / path).exists()
    return f"{option}{equals}{root / path}" if beside else word


def _configurations(words: list[str]) -> Iterator[Path]:
    """The files that follow --configfile."""
    following = False
    for word in words:
        if word in ("--configfile", "--configfiles"):
            following = True
        elif word.startswith(("--configfile=", "--configfiles=")):
            yield Path(word.partition("=")[2])
        elif word.startswith("-"):
            following = False
        elif following:
            yield Path(word)


def _unlock(snakemake: list[str]) -> None:
    """Take away the lock of runs that were killed; of several runs that begin at once, one may."""
    if not any(LOCKS.glob("*.lock")) or not _is_first():
        return
    killed = pipeline.dead()
    if not killed:
        return
    say("taking away the lock of a run that was killed")
    subprocess.run(
        [*snakemake, "--unlock", "--quiet"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for record in killed:
        record.unlink(missing_ok=True)


def _is_first() -> bool:
    """Whether no other `wsss run` that is alive has asked this: a second one would take away the lock of the first."""
    try:
        folder = os.open(pipeline.RUNS, os.O_RDONLY)
        os.set_inheritable(folder, True)  # held until Snakemake, which takes this process's place, has ended
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # no run has left a record, or the disk has no such locks
    return True
