"""The numbers on a command line, held to the ranges of the configuration's schema before the command begins."""

import math
from collections.abc import Iterator
from itertools import pairwise

import yaml

from wsss.options.configuration import Schema, allowed, resolved, sections
from wsss.runtime import pipeline
from wsss.runtime.errors import WsssError

SECTIONS = {
    "training_images": ["images"],
    "crf": ["crf", "masks"],
    "relabels": ["scores", "masks"],
    "init": ["images"],
    "cams_import": ["cams"],
    "seeds_import": ["seeds"],
}
"""The sections of whose keys a command takes some; those that are left out take the keys of the one of their name."""

OF_JOBS = {
    "gpus": {"type": "integer", "minimum": 0, "maximum": 1024, "description": "GPUs that share each batch; 0: none."},
    "nodes": {"type": "integer", "minimum": 1, "maximum": 1024, "description": "Machines that they are spread over."},
}
"""What profiles say of a training, in the words of a schema: no configuration has these keys."""


def check(command: str, words: list[str]) -> None:
    """Refuse numbers beyond the range of their option; what is no number at all is left to the parser of the command.

    A run has checked its configuration before: this is for commands that are typed.

    Raises:
        WsssError: a line for each option, with its value and what is allowed.
    """
    schema = _schema()
    keys = schema["properties"] | OF_JOBS
    for section in SECTIONS.get(command, [command]):
        keys |= sections(schema).get(section, {})
    if problems := list(_problems(words, keys, schema)):
        raise WsssError("\n".join(problems))


def _schema() -> Schema:
    """The schema of this wsss, by libyaml: in pure Python it takes ten times as long, and every stage would wait."""
    text = (pipeline.root() / "workflow/config.schema.yaml").read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _given(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The options with the words that follow each; --crop_px 64 may be written --crop-px 64 and --crop_px=64, too."""
    starts = [place for place, word in enumerate(words) if word.startswith("--")]
    for start, end in pairwise([*starts, len(words)]):
        name, equals, value = words[start].removeprefix("--").partition("=")
        yield name.replace("-", "_"), [value] * bool(equals) + words[start + 1 : end]


def _problems(words: list[str], keys: dict[str, Schema], schema: Schema) -> Iterator[str]:
    for name, values in _given(words):
        part = resolved(keys.get(name, {}), schema)
        for found, expected in _beyond(values, part, schema):
            yield f"--{name} {found}: give {expected} ({part['description'].rstrip('.')})"


def _beyond(values: list[str], part: Schema, schema: Schema) -> Iterator[tuple[str, str]]:
    """What is not allowed of an option's values, and what is instead."""
    if "const" in part:
        if [_number(value) for value in values] != part["const"]:
            yield f"is {' '.join(values)}", " ".join(map(str, part["const"]))
        return
    least, most = part.get("minItems", 0), part.get("maxItems", math.inf)
    if least < most and not least <= len(values) <= most:  # a fixed number is counted by the parser
        yield f"has {len(values)} values", f"{least} to {most}"
    item = resolved(part.get("items", part), schema)
    for value in values if "items" in part else values[:1]:  # what follows a single one has no name, such as a folder
        number = _number(value)
        if _is_of_numbers(item) and number is not None and not _fits(number, item):
            yield f"is {value}", allowed(item, schema)


def _is_of_numbers(part: Schema) -> bool:
    """Whether the values of a key are numbers."""
    return part.get("type") in ("integer", "number") or all(isinstance(value, int) for value in part.get("enum", [""]))


def _number(text: str) -> float | None:
    """The number that a text is; nothing for other texts."""
    try:
        return float(text)
    except ValueError:
        return None


def _fits(number: float, part: Schema) -> bool:
    """Whether a number is finite and in the range of a key."""
    return (
        math.isfinite(number)
        and part.get("minimum", -math.inf) <= number <= part.get("maximum", math.inf)
        and part.get("exclusiveMinimum", -math.inf) < number < part.get("exclusiveMaximum", math.inf)
        and number in part.get("enum", [number])
    )
