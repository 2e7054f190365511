"""Configurations that are no good: bad values of each key, and words that mean something to a shell."""

import math
from collections.abc import Iterator

import projects
from bad_inputs import DEFAULTS

from wsss.options import configuration

SCHEMA = configuration.read(projects.ROOT / "workflow/config.schema.yaml")

OF_A_SHELL = (
    "$(touch called)",
    "`touch called`",
    "; touch called;",
    "a && touch called",
    "a | tee called",
    "> called",
    "a\nb",
    "'",
    '"',
    "a b  c",
    "*",
    "{a}",
    "{wildcards.x}",
    "~",
    "$HOME",
    "\\",
    "!x",
    "#",
    "--threads=2",
    "-",
    "%s",
    "é\u202e",
)
"""Texts that mean something to a shell, to Snakemake, or to a parser of options."""


def of_configuration() -> Iterator[tuple[str, dict]]:
    """The configuration with one bad value, for each key several ones; the name begins with the key."""
    for section, keys in configuration.sections(SCHEMA).items():
        for key, part in keys.items():
            for value in _bad_values(configuration.resolved(part, SCHEMA)):
                yield f"{section}: {key} is {value!r}", DEFAULTS | {section: DEFAULTS[section] | {key: value}}
        yield f"{section}: unknown is 1", DEFAULTS | {section: DEFAULTS[section] | {"unknown": 1}}
        yield f"{section} is a list", DEFAULTS | {section: []}


def _bad_values(part: dict) -> Iterator[object]:
    """Values of another type than a key's, and such beyond its range."""
    kind = part.get("type")
    yield None
    yield {"a": 1}
    if kind != "array":
        yield [[]]
    if kind in ("integer", "number"):
        yield from ("x", True, math.nan, math.inf, -math.inf)
        for name, sign in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
            if name in part:
                yield part[name] + sign
    if kind == "integer":
        yield 1.5
    if kind == "boolean":
        yield from (2, "perhaps")
    if kind == "string" or "enum" in part:
        yield from (1, 1.5, True)
    if "enum" in part:
        yield "none of them"
    if kind == "array":
        yield from ("x", 1, [{}], [None])
