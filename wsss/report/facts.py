"""What the files beside the results say of a run: time and memory, training curves, commands and settings."""

import csv
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import fmean

from wsss.datasets.manifest import Row
from wsss.options import strict_yaml
from wsss.runtime import pipeline
from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import check_regular, read_text
from wsss.runtime.progress import LOG

MOST_LETTERS = 100_000
"""Of a log that are read: its command and what follows it stand first."""

BORROWED = {"relabels": ("scores", "masks"), "crf": ("masks",)}
"""The sections of the configuration whose options a stage takes beside those of its own."""

LARGEST = 3.5e38
"""Beyond the numbers of single precision, in which losses are computed."""


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
    for name, text in _newest_last(results / "benchmarks", ".tsv"):
        for line in csv.DictReader(text.splitlines(), delimiter="\t"):
            found.append(Stage(name, _number(line.get("s")) or 0.0, _number(line.get("max_rss"))))
    return found


def _newest_last(folder: Path, suffix: str) -> Iterator[tuple[str, str]]:
    """The names and the beginnings of the texts below a folder; what cannot be read is left out, with a word."""
    found = []
    for path in folder.rglob(f"*{suffix}"):
        try:
            check_regular(path)
            with path.open(encoding="utf-8", errors="replace") as file:
                found.append((path.stat().st_mtime, path, file.read(MOST_LETTERS)))
        except (OSError, WsssError) as error:
            LOG.warning("left out of the report: %s", error)
    for _, path, text in sorted(found):
        yield str(path.relative_to(folder).with_suffix("")), text


def _number(text: str | None) -> float | None:
    """The number in a text; nothing where it holds none that is finite."""
    with suppress(ValueError):
        if math.isfinite(number := float(text or "")):
            return number
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
    found = [Curve(path.stem, _columns(path)) for path in sorted((results / "curves").glob("*.csv"))]
    return [curve for curve in found if curve.columns]


def _columns(path: Path) -> dict[str, list[float]]:
    """The columns of a curve, each of two steps or more."""
    try:
        lines = [line for line in csv.reader(read_text(path).splitlines()) if line]
        if len(set(map(len, lines))) != 1:
            raise ValueError("it is empty, or its lines are not alike")
        columns = {name: [float(cell) for cell in cells if cell] for name, *cells in zip(*lines, strict=True)}
        if any(not abs(value) < LARGEST for values in columns.values() for value in values):
            raise ValueError("a value that no training has")
    except (OSError, ValueError, csv.Error) as error:
        pass_on(error)
        raise WsssError(f"{path} is damaged ({error}): remove it and rerun the training that writes it") from error
    names = [name for name, values in columns.items() if name not in ("step", "learning_rate") and len(values) > 1]
    return {name: columns[name] for name in names}


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
    """The heads of the logs of all jobs, the newest last; a log whose command is damaged is left out, with a word."""
    found = []
    for name, text in _newest_last(results / "logs", ".log"):
        lines = [line.partition(" ")[2] for line in text.split("\n")[:30]]
        if not lines or not lines[0].startswith("$ wsss "):
            continue
        about = {match[1]: match[2] for line in lines if (match := re.match(r"(by|on|for|GPU:) (.*)", line))}
        try:
            found.append(Record(name, _command(lines[0]), about))
        except ValueError as error:
            LOG.warning("left out of the report: the command in %s (%s)", results / f"logs/{name}.log", error)
    return found


def _command(line: str) -> list[str]:
    """The words of a command after `$ wsss`.

    Raises:
        ValueError: there are none, or a quotation does not end.
    """
    words = shlex.split(line)[2:]
    if not words:
        raise ValueError("no stage")
    return words


def settings(found: list[Record]) -> list[tuple[str, str, str, str]]:
    """Settings that differ from the defaults: job, name, its value, the default; the jobs in the logs' order."""
    path = pipeline.root() / "config.yaml"
    if not path.exists():
        return []
    defaults = strict_yaml.read(path)
    lines = []
    for record in found:
        stage, options, job = record.words[0], record.options, record.name.partition("/")[0]
        for name, default in _defaults(stage, defaults).items():
            usual = " ".join(map(str, default)) if isinstance(default, list) else str(default)
            if name in options and options[name] != usual and not _same(options[name], usual):
                lines.append((job, name, options[name], usual))
    return list(dict.fromkeys(lines))


def _defaults(stage: str, defaults: dict) -> dict:
    """The defaults of a stage's options, those of the sections that it borrows from among them."""
    sections = (*BORROWED.get(stage, ()), stage)
    return {name: value for section in sections for name, value in (defaults.get(section) or {}).items()}


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
