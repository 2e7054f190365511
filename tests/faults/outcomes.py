"""What becomes of a fault, and the table of all that were tried."""

import os
import re
from collections import Counter, defaultdict

OUTCOMES = ("right", "told", "unclear", "traceback", "hang", "silent")
"""right: the content or result is that of an undisturbed run, or bad input that may be taken; told: by a line with the
file and the remedy; unclear: by one that lacks either; silent: neither told nor right."""

REMEDY = re.compile(
    r"\b(add|allow|begin|call|choose|convert|correct|create|did you mean|download|draw|expected|free|give|is it|is its|"
    r"is the|keep|leave|make|mend|move|name|put|raise|remove|rename|replace|rerun|resize|run|save|set|take|train|use|"
    r"was|were|write)\b"
)
"""Words of a way out."""

SEED = int(os.environ.get("FAULTS_SEED", "0"))
"""Decides what the long part draws at random."""

TABLE: dict[str, Counter[str]] = defaultdict(Counter)
"""How often each outcome came, by the kind of fault."""


def count(kind: str, outcome: str) -> None:
    """Note an outcome, which may be followed by more words."""
    first = outcome.split()[0].rstrip(":")
    TABLE[kind][first if first in OUTCOMES else "unclear"] += 1


def of_message(message: str, name: str) -> str:
    """Whether a message names the file and a way out."""
    if name not in message or not REMEDY.search(message):
        return f"unclear: {message}"
    return "told"


def lines() -> list[str]:
    """The table as Markdown, with its sums, below the seed."""
    kinds = sorted(TABLE.items())
    rows = [(kind, sum(counts.values()), *(counts[name] for name in OUTCOMES)) for kind, counts in kinds]
    sums = ("sum", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
    head = ("kind", "tried", *OUTCOMES)
    table = [f"| {' | '.join(map(str, row))} |" for row in (head, ("---",) * len(head), *rows, sums)]
    return [f"seed {SEED}, another by FAULTS_SEED=1 make test-faults", "", *table]
