"""How a group of options appears on the command line."""

from typing import Annotated, TypeVar

import tyro

Group = TypeVar("Group")

Flat = Annotated[Group, tyro.conf.OmitArgPrefixes]
"""`schedule: Flat[Schedule]` gives --epochs, under a title of its own in --help; `crf: Crf` gives --crf.steps."""
