"""Arguments that are given without a name, under the names that usage lines show."""

from pathlib import Path
from typing import Annotated

import tyro


def positional(kind: object, metavar: str) -> object:
    """The type of such an argument; the name of one that may be left out stands in brackets."""
    return Annotated[kind, tyro.conf.Positional, tyro.conf.arg(metavar=metavar)]


Store = positional(Path, "STORE")
Out = positional(Path, "[OUT]")
Folder = positional(Path, "FOLDER")
Runs = positional(tuple[Path, ...], "[RESULTS ...]")
ImageId = positional(str, "[IMAGE_ID]")
File = positional(Path, "FILE")
Pickle = positional(Path, "PICKLE")
List = positional(Path, "LIST")
Seeds = positional(Path, "SEEDS")
OptionalSeeds = positional(Path, "[SEEDS]")
