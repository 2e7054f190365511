"""YAML without surprises: numbers are decimal, no key stands twice, and references cannot make a file grow.

YAML 1.1 reads 010 as 8, 1:30 as 90 and 1e-3 as text, and of two equal keys it keeps the last one without a word.
"""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import read_text

DECIMAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
LEADING_ZERO = re.compile(r"[-+]?0\d.*")
KEYS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

MOST_REFERENCES = 100
"""References (*name) in a file: nested ones stand for a content that doubles with each."""


class Refused(WsssError):
    """What a text holds has several meanings, or none; the text is the reason, after the number of its line."""


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, in pure Python, which refuses what would not be read as it is written."""

    references = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            self.references += 1
            if self.references > MOST_REFERENCES:
                raise Refused(_line(self.peek_event(), f"more than {MOST_REFERENCES} references: write values out"))
        return super().compose_node(parent, index)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        written = node.value
        if not DECIMAL.fullmatch(written) or LEADING_ZERO.fullmatch(written) or not math.isfinite(float(written)):
            raise Refused(
                _line(node, f"{written} is no plain decimal number: write one, such as 0.001, or '{written}'")
            )
        return int(written) if re.fullmatch(r"[-+]?\d+", written) else float(written)

    def construct_table(self, node: yaml.Node) -> dict:
        if not isinstance(node, yaml.MappingNode):
            raise Refused(_line(node, "no table stands where one is announced: correct it"))
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Refused(_line(key, "a key is a list or a table: write a word"))
            if key.tag not in KEYS:
                raise Refused(
                    _line(key, f"the key {key.value} is no word for YAML: correct it, or write '{key.value}'")
                )
            if key.value in seen:
                raise Refused(_line(key, f"the key {key.value} stands twice: keep one of them"))
            seen.add(key.value)
        return self.construct_mapping(node, deep=True)


for _kind in NUMBERS:
    _Loader.add_constructor(_kind, _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_table)
# 1e-3: YAML 1.1 wants a point and a sign
_Loader.add_implicit_resolver(NUMBERS[1], re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))


def parsed(text: str) -> object:
    """The content of a YAML text.

    Raises:
        Refused: it is no YAML, or says something that YAML does not read as it is written.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise Refused(f"{where}{getattr(error, 'problem', None) or 'this is no YAML'}: correct it") from error
    except (RecursionError, ValueError, LookupError, TypeError) as error:  # the last two of tags of another kind
        raise Refused(f"a value cannot be read ({error}): write it more plainly") from error


def read(path: Path) -> dict:
    """The table in a YAML file.

    Raises:
        WsssError: the file cannot be read, or holds no table, or anything that `parsed` refuses.
    """
    try:
        content = parsed(read_text(path))
    except Refused as error:
        raise WsssError(f"{path}, {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        pass_on(error)
        raise WsssError(f"{path} cannot be read ({error}): give a configuration in UTF-8") from error
    if not isinstance(content, dict):
        raise WsssError(f"{path} holds no table of keys and values: begin it with a section, such as images:")
    return content


def check_entries(entries: Iterable[str], *, taken: Mapping[str, object]) -> None:
    """Refuse entries NAME=VALUE of --config that say something twice, of which Snakemake takes the last.

    Args:
        entries: as they were written.
        taken: what Snakemake takes them for; values that are no tables have no keys, and are checked later.

    Raises:
        WsssError: the entry that is refused, and what `parsed` refuses in it.
    """
    seen = set()
    for name, _, text in (entry.partition("=") for entry in entries):
        if name in seen:
            raise WsssError(f"--config: the key {name} stands twice: keep one of them")
        seen.add(name)
        try:
            if isinstance(taken.get(name), dict):
                parsed(text)
        except Refused as error:
            raise WsssError(f"--config: {name}, {error}") from error


def _line(place: yaml.Node | yaml.Event, reason: str) -> str:
    return f"line {place.start_mark.line + 1}: {reason}"
