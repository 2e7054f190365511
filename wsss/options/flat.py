"""How a group of options appears on the command line, and in what a stage records of its settings."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, TypeVar

import tyro

Group = TypeVar("Group")

Flat = Annotated[Group, tyro.conf.OmitArgPrefixes]
"""`schedule: Flat[Schedule]` gives --epochs, under a title of its own in --help; `crf: Crf` gives --crf.steps."""


def recorded(*groups: object, **prefixed: object) -> dict[str, object]:
    """Options as one table, as a store or a network keeps them.

    Args:
        groups: tables, or groups of options, whose names are those of the table.
        prefixed: groups by the prefix of their names: feature_crf=... gives feature_crf.steps.

    Raises:
        ValueError: two options have one name, so that the table would lack one of them.
    """
    table: dict[str, object] = {}
    for name, value in _named(groups, prefixed):
        if name in table:
            raise ValueError(f"two options are recorded as {name}: give one of them another name")
        table[name] = value
    return table


def _named(groups: tuple[object, ...], prefixed: dict[str, object]) -> Iterator[tuple[str, object]]:
    for group in groups:
        yield from (group if isinstance(group, dict) else asdict(group)).items()
    for prefix, group in prefixed.items():
        yield from ((f"{prefix}.{name}", value) for name, value in asdict(group).items())
