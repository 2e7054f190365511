"""What the files beside the results say of a run: time and memory, training curves, commands and settings."""

import csv
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import fmean

from wsss.datasets.manifest import Row
from wsss.options import strict_yaml
from wsss.runtime import pipeline
from wsss.runtime.errors import WsssError


@dataclass(frozen=True)
class Stage:
    """One job of a run.

    Attributes:
        name: the name of its log.
        seconds: how long it took.
        memory: largest memory at once, MB; None where it was too short to be measured.
    """

    name: str
    seconds: float
    memory: float | None


def stages(results: Path) -> list[Stage]:
    """The jobs of a run, in the order in which they ended."""
    found = []
    for path in sorted((results / "benchmarks").rglob("*.tsv"), key=lambda path: (path.stat().st_mtime, path)):
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                name = str(path.relative_to(results / "benchmarks").with_suffix(""))
                found.append(Stage(name, _number(line.get("s")) or 0.0, _number(line.get("max_rss"))))
    return found


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


@dataclass(frozen=True)
class Curve:
    """The course of a training.

    Attributes:
        name: the network.
        columns: for each name, such as loss, its value at each step.
    """

    name: str
    columns: dict[str, list[float]]

    @property
    def steps(self) -> int:
        """Number of steps."""
        return max(map(len, self.columns.values()))

    def means(self, most: int) -> dict[str, list[float]]:
        """The columns as means over at most so many stretches of steps."""
        return {name: stretches(values, most) for name, values in self.columns.items()}


def stretches(values: Sequence[float], most: int) -> list[float]:
    """The means of values over at most so many stretches, of equal length but for the last."""
    length = max(1, ceil(len(values) / most))
    return [fmean(values[start : start + length]) for start in range(0, len(values), length)]


def curves(results: Path) -> list[Curve]:
    """The curves of all trainings of a run, by name.

    Raises:
        WsssError: a file of a curve is damaged.
    """
    found = []
    for path in sorted((results / "curves").glob("*.csv")):
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = list(csv.DictReader(file))
        except (ValueError, csv.Error) as error:
            raise WsssError(f"{path} is damaged ({error}): remove it and rerun the training that writes it") from error
        names = [name for name in (lines[0] if lines else ()) if name not in ("step", "learning_rate")]
        columns = {name: [value for line in lines if (value := _number(line[name])) is not None] for name in names}
        found.append(Curve(path.stem, {name: values for name, values in columns.items() if len(values) > 1}))
    return [curve for curve in found if curve.columns]


@dataclass(frozen=True)
class Record:
    """What a log says of a job.

    Attributes:
        name: the name of the log.
        words: the command, word by word.
        about: "by" which version, "on" what machine, "for" which run's command, and the "GPU", where they are known.
    """

    name: str
    words: list[str]
    about: dict[str, str]

    def option(self, name: str) -> str:
        """The value of an option of the command; empty without it."""
        return self.options.get(name, "")

    @property
    def options(self) -> dict[str, str]:
        """The options of the command by name, their words joined."""
        found: dict[str, list[str]] = {}
        name = ""
        for word in self.words[1:]:
            if re.match(r"--[a-z]", word):
                name = word[2:]
                found[name] = []
            elif name:
                found[name].append(word)
        return {name: " ".join(values) for name, values in found.items()}


def records(results: Path) -> list[Record]:
    """The heads of the logs of all jobs, the newest last."""
    found = []
    for path in sorted((results / "logs").rglob("*.log"), key=lambda path: (path.stat().st_mtime, path)):
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").partition(" ")[2] for line, _ in zip(file, range(30), strict=False)]
        if lines and lines[0].startswith("$ wsss "):
            about = {match[1]: match[2] for line in lines if (match := re.match(r"(by|on|for|GPU:) (.*)", line))}
            name = str(path.relative_to(results / "logs").with_suffix(""))
            found.append(Record(name, shlex.split(lines[0])[2:], about))
    return found


def settings(found: list[Record]) -> list[tuple[str, str, str, str]]:
    """Settings that differ from the defaults: job, name, its value, the default; the jobs in the logs' order."""
    path = pipeline.root() / "config.yaml"
    if not path.exists():
        return []
    defaults = strict_yaml.read(path)
    lines = []
    for record in found:
        stage, options, job = record.words[0], record.options, record.name.partition("/")[0]
        for name, default in (defaults.get(stage) or {}).items():
            usual = " ".join(map(str, default)) if isinstance(default, list) else str(default)
            if name in options and options[name] != usual and not _same(options[name], usual):
                lines.append((job, name, options[name], usual))
    return list(dict.fromkeys(lines))


def _same(one: str, other: str) -> bool:
    a, b = _number(one), _number(other)
    return a is not None and a == b


def tags(rows: list[Row]) -> list[tuple[str, Counter[str]]]:
    """How many images of each split have a tag, the most frequent tag first."""
    counted: dict[str, Counter[str]] = {}
    for row in rows:
        for tag in row.tags:
            counted.setdefault(tag, Counter())[row.split] += 1
    return sorted(counted.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
