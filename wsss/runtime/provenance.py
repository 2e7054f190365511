"""Digests of what decides a result: the code of a stage, and its options and inputs."""

import ast
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent

PASSED_OVER = re.compile(r"wsss(\.runtime(\..*)?|\.stores\.kinds)?")
"""Modules that decide no number, which the digest of a stage's code leaves out."""

OPENED = (".txt", ".xml", ".npy")
"""Suffixes of files whose content counts in a listing."""


def code(stage: str) -> str:
    """Digest of the syntax trees of a stage's module and of every wsss module that it imports, directly or not.

    An edit of the maths changes it; an edit of a comment, a docstring or the layout does not.
    """
    found: dict[str, str] = {}
    waiting = [f"wsss.stages.{stage}"]
    while waiting:
        module = waiting.pop()
        if module in found or PASSED_OVER.fullmatch(module):
            continue
        found[module], imported = _parsed(_file(module).read_text())
        waiting += [name for name in imported if _file(name).exists()]
    return digest(f"{module}: {tree}" for module, tree in sorted(found.items()))


def of_run(stage: str, options: dict[str, object], inputs: dict[str, str]) -> str:
    """Digest of all that decides what a run of a stage gives: its code, its options and its inputs' digests."""
    words = [f"{name}={value}" for name, value in sorted({**options, **inputs}.items())]
    return digest([code(stage), *words])


def listing(root: Path, parts: list[str]) -> str:
    """Digest of the files and folders of a data set that are read: names, sizes, and what stands in text and arrays.

    Of a folder its own files count, not those of folders in it; hidden ones do not. Links are followed. Pictures are
    not opened: one that was replaced by another of as many bytes is not noticed.
    """
    if not root.is_dir():
        return f"no folder {root}"
    lines = []
    for part in parts:
        path = root / part
        for file in sorted(_files(path), key=lambda file: file.name) if path.is_dir() else [path]:
            lines.append(f"{part} {file.name} {_looks(file)}")
    return digest(lines)


def _files(folder: Path) -> Iterator[os.DirEntry]:
    """The files in a folder; not by Path, which takes five times as long for many files."""
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.is_file() and not entry.name.startswith("."))


def _looks(file: os.DirEntry | Path) -> str:
    """The size of a file, and the digest of its content where that is cheap."""
    if not file.is_file():  # a pipe, which would be read for ever, is refused by the stage
        return "absent"
    try:
        content = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file.name.endswith(OPENED) else ""
        return f"{file.stat().st_size} {content}"
    except FileNotFoundError:
        return "absent"


@cache
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """The syntax tree of a module, as text, and the wsss modules that it may import; most are in many stages."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # a string that stands alone is a docstring: it decides no number
            node.body = [line for line in body if not _is_text(line)]
        if isinstance(node, ast.FormattedValue) and isinstance(node.format_spec, ast.Constant):
            node.format_spec = ast.JoinedStr([node.format_spec])
        if isinstance(node, ast.JoinedStr):
            node.values = _pieces(node.values)
    return "\n".join(_plain(tree)), tuple(_imports(tree))


UNSPOKEN = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields of a syntax tree that repeat what others say, or that say nothing of what is computed."""


def _plain(node: ast.AST, depth: int = 0) -> Iterator[str]:
    """A syntax tree as lines of text that are the same for every version of Python.

    `ast.dump` is not: it writes fields that only some versions have. What is empty or None is left out here, as a node
    of an older version has no such field at all.
    """
    yield f"{depth} {type(node).__name__}"
    for name, value in ast.iter_fields(node):
        if name in UNSPOKEN or value is None and not isinstance(node, ast.Constant):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                yield f"{depth} {name}"
                yield from _plain(item, depth + 1)
            else:
                yield f"{depth} {name} {type(item).__name__} {item!a}"  # repr shows what its Unicode knows


def _pieces(values: list[ast.expr]) -> list[ast.expr]:
    """The pieces of an f-string; some versions of Python cut its text up, or put an empty one behind a value."""
    found: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            found.append(value)
        elif found and isinstance(found[-1], ast.Constant):
            found[-1] = ast.Constant(found[-1].value + value.value)
        elif value.value:
            found.append(value)
    return found


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "wsss"]


def _file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def digest(lines: Iterable[str]) -> str:
    """The beginning of the SHA-256 of a text: 64 bits, 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
