"""Kills of stages and of Snakemake at random moments, and what they leave behind."""

import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import finished_run
import projects

COMMAND = (sys.executable, "-m", "wsss")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)

PATIENCE = 5
"""Seconds after which nothing may be left of what was killed."""

RUN = [*COMMAND, "run", *map(str, finished_run.RUN), *finished_run.TARGETS]
"""The command of the whole run."""

CUES, MIOU = "results/cue_scores.json", "results/psa_val_miou.json"
OF_SCORES = (
    ("ablation", "--scores", MIOU, "--table", "results/psa_ablation.csv"),
    ("comparison", "--scores", CUES, MIOU, "--table", "results/comparison.csv"),
)
"""Stages that are not part of the run, and could be run after it."""

OUTPUTS = {
    "training_images": ("training_images", "classes_table", "root"),
    "crf": ("fitted",),
    "miou": ("text", "json"),
    "cue_scores": ("json",),
    "ablation": ("table",),
    "comparison": ("table",),
    "examples": ("picture",),
    "gather": ("store",),
}
"""Options of the files that a stage writes, where these have another name than the stage."""


@dataclass(frozen=True)
class Stage:
    """A stage of a finished run: the words after `wsss`, and how long it took in seconds."""

    words: tuple[str, ...]
    seconds: float

    @property
    def name(self) -> str:
        return self.words[0]

    def outputs(self) -> list[Path]:
        """The files and folders that it writes, below the folder of the run."""
        options = (*OUTPUTS.get(self.name, (self.name,)), "checkpoint", "curve")
        return [Path(self.words[self.words.index(f"--{name}") + 1]) for name in options if f"--{name}" in self.words]


def without_log(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a stage without its log."""
    if "--log" not in words:
        return words
    place = words.index("--log")
    return (*words[:place], *words[place + 2 :])


def stages(project: Path) -> list[Stage]:
    """One stage of each name: those of a finished run, and those of its scores."""
    found: dict[str, Stage] = {}
    results = project / "results"
    for log in sorted((results / "logs").rglob("*.log")):
        words = shlex.split(log.read_text().splitlines()[0].partition("$ wsss ")[2])
        benchmark = results / "benchmarks" / log.relative_to(results / "logs").with_suffix(".tsv")
        found.setdefault(words[0], Stage(tuple(words), float(benchmark.read_text().splitlines()[1].split()[0])))
    return [*found.values(), *(Stage(words, found["miou"].seconds) for words in OF_SCORES)]


def of_stage(stage: Stage, project: Path, number: signal.Signals, moment: float) -> str:
    """What becomes of a stage that is killed at a moment, a share of its duration, and then run again.

    Its results, which are removed first, must be those of before, and nothing else may be there.
    """
    command = [*COMMAND, *stage.words]
    if stage.words in OF_SCORES:
        ended(command, project)
    expected = finished_run.digests(project)
    for path in stage.outputs():
        shutil.rmtree(project / path) if (project / path).is_dir() else (project / path).unlink()
    left = _killed(command, project, number, moment * stage.seconds)
    if left:
        return f"silent: {left} outlived {number.name}"
    again = ended(command, project)
    if again.returncode:
        return f"traceback: {again.stderr[-500:]}"
    return compared(finished_run.digests(project), expected)


def of_snakemake(project: Path, expected: dict[str, str], moments: list[tuple[signal.Signals, float]]) -> list[str]:
    """What becomes of a run from nothing that is killed at these moments, in seconds, one after another, until it ends.

    An outcome a kill; the last one is that of the results.
    """
    outcomes = []
    for number, moment in moments:
        left = _killed(RUN, project, number, moment)
        outcomes.append(f"silent: {left} outlived {number.name}" if left else "right")
    again = ended(RUN, project)
    if again.returncode:
        return [*outcomes[:-1], f"traceback: {again.stderr[-1000:]}"]
    return [*outcomes[:-1], compared(finished_run.digests(project), expected)]


def moments(seed: int, count: int, *, least: float, most: float) -> list[tuple[signal.Signals, float]]:
    """Signals by turns, at random moments."""
    drawn = random.Random(seed)
    return [(SIGNALS[index % 2], drawn.uniform(least, most)) for index in range(count)]


def compared(found: dict[str, str], expected: dict[str, str]) -> str:
    """Whether the results of a run are those expected: an outcome, with the names of those that are not."""
    other = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return f"silent: other results: {', '.join(other[:5])}" if other else "right"


def _killed(command: list[str], project: Path, number: signal.Signals, seconds: float) -> list[str]:
    """Send a signal to a command after some seconds; the commands of its session that are there too long after it."""
    process = subprocess.Popen(
        command,
        cwd=project,
        env=projects.environment(project),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        process.wait()
    until = time.monotonic() + PATIENCE
    while (left := _of_session(process.pid)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _of_session(leader: int) -> list[str]:
    """The commands of the processes that a process, and those after it, have started and that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200])
        except OSError:
            continue
    return found


def ended(command: list[str], project: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, cwd=project, env=projects.environment(project), capture_output=True, text=True, check=False
    )
