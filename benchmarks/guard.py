"""Whether anything has become slower: the ratios of the other benchmarks beside those of recorded.json.

    PYTHONPATH=. python benchmarks/guard.py

It runs the scripts of SCRIPTS at small sizes, in one to two minutes, and ends with status 1 where a ratio fell by more
than `--tolerance`, could not be measured, or a script failed. A ratio is how many times faster a variant is than the
first of its table, in turns within one run and on one core, so that load and speed of the machine matter little; no
time is compared. A script with a ratio that fell is run once more, and the better of the two counts. `--record`
writes the file anew, medians of three runs: after a change that is meant to shift the ratios, or on a processor of
another kind. crf.py is not among the scripts: its ratios are of wall time of several processes, and differed by
half between two runs beside other jobs.
"""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import tyro

from wsss.runtime import machine

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"

SCRIPTS = {
    "crf_labels": "--height 188 --width 250",
    "random_walk": "--height 32 --width 40 --rounds 12",
    "training": "--crop-px 128 --batch-size 4 --height 160 --width 120",
}
"""The options with which each is quick."""

LINES = (
    re.compile(r"^  (?P<name>\S.*?) {2,}.* (?P<ratio>[\d.]+) x\b"),  # crf_labels, training
    re.compile(r"^(?P<name>\w+) +[\d.]+ s +(?P<ratio>[\d.]+) times as fast"),  # random_walk
)

NOT_COMPARED = ("none", "lattice", "lattice again", "norms apart", "jitter by hsv")
"""Rows that the others are compared with, or that do nothing."""


def ratios_of(script: str, printed: str) -> dict[str, float]:
    """The ratios that a script printed, by its name, the title above them and the row's name."""
    found, title = {}, ""
    for line in printed.splitlines():
        match = next((match for pattern in LINES if (match := pattern.match(line))), None)
        if match is None:
            title = line.strip() if line[:1].isalnum() else title
        elif match["name"] not in NOT_COMPARED:
            words = [script, "" if script == "random_walk" else title, match["name"]]
            found[": ".join(filter(None, words))] = float(match["ratio"])
    return found


def measured(script: str) -> dict[str, float]:
    """The ratios of one run of a script; none where it fails, and why."""
    command = [sys.executable, str(HERE / f"{script}.py"), *SCRIPTS[script].split()]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(HERE.parent)}
    print(f"benchmarks/{script}.py {SCRIPTS[script]}", flush=True)
    done = subprocess.run(command, text=True, capture_output=True, env=environment)
    if done.returncode:
        print(f"  failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
        return {}
    return ratios_of(script, done.stdout)


def verdicts(recorded: dict[str, float], found: dict[str, float], *, tolerance: float) -> dict[str, str]:
    """fell, held, missing or new, for each ratio, in the order of their names.

    Args:
        recorded: the ratios to hold.
        found: those of now.
        tolerance: share of a recorded ratio that it may lose.
    """

    def verdict(name: str) -> str:
        if name not in found:
            return "missing"
        if name not in recorded:
            return "new"
        return "held" if found[name] >= (1 - tolerance) * recorded[name] else "fell"

    return {name: verdict(name) for name in sorted(recorded.keys() | found.keys())}


def write_medians() -> None:
    """Write the medians of three runs of each script.

    Raises:
        SystemExit: a script failed, or printed no ratio, and nothing is written.
    """
    medians = {}
    for script in SCRIPTS:
        runs = [measured(script) for _ in range(3)]
        if not all(runs):
            sys.exit(f"benchmarks/{script}.py gave no ratios: nothing is recorded")
        medians |= {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    RECORDED.write_text(json.dumps({"machine": machine.in_words(), "ratios": medians}, indent=2) + "\n")


def compared(recorded: dict[str, float], *, tolerance: float) -> bool:
    """Print a line a ratio; whether all of them held or are new."""
    found: dict[str, float] = {}
    for script in SCRIPTS:
        once = measured(script)
        if "fell" in verdicts(recorded, once, tolerance=tolerance).values():
            again = measured(script)
            once = {name: max(ratio, again.get(name, ratio)) for name, ratio in once.items()}
        found |= once
    outcome = verdicts(recorded, found, tolerance=tolerance)
    for name, verdict in outcome.items():
        before, now = (f"{ratios[name]:.2f}" if name in ratios else "-" for ratios in (recorded, found))
        print(f"{verdict:<8} {before:>7} {now:>7}  {name}")
    return bool(outcome) and set(outcome.values()) <= {"held", "new"}


def main(record: bool = False, tolerance: float = 0.25) -> None:
    """Compare the ratios of now with the recorded ones, or record them.

    Args:
        record: write recorded.json instead of comparing with it.
        tolerance: share of a recorded ratio that it may lose.
    """
    if record:
        write_medians()
        return
    kept = json.loads(RECORDED.read_text())
    print(f"recorded on: {kept['machine']}; here: {machine.in_words()}; a ratio may fall by {100 * tolerance:g} %")
    if not compared(kept["ratios"], tolerance=tolerance):
        sys.exit("a ratio fell, or could not be measured")


if __name__ == "__main__":
    tyro.cli(main)
