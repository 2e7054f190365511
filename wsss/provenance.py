"""Digests of what decides a result: the code of a stage, and its options and inputs."""

import ast
import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

DECIDE_NO_NUMBER = frozenset(
    {"wsss", "wsss.stages"}
    | {f"wsss.{name}" for name in ("errors", "files", "machine", "parallel", "progress", "provenance")}
)
"""Modules left out of the digest of a stage's code."""


def code(stage: str) -> str:
    """Digest of the syntax trees of a stage's module and of every wsss module that it imports, directly or not.

    An edit of the maths changes it; an edit of a comment, a docstring or the layout does not.
    """
    found: dict[str, str] = {}
    waiting = [f"wsss.stages.{stage}"]
    while waiting:
        module = waiting.pop()
        if module in found or module in DECIDE_NO_NUMBER:
            continue
        found[module], imported = _parsed(_file(module).read_text())
        waiting += [name for name in imported if _file(name).exists()]
    return _digest(f"{module}: {tree}" for module, tree in sorted(found.items()))


def of_run(stage: str, options: dict[str, object], inputs: dict[str, str]) -> str:
    """Digest of all that decides what a run of a stage gives: its code, its options and its inputs' digests."""
    words = [f"{name}={value}" for name, value in sorted({**options, **inputs}.items())]
    return _digest([code(stage), *words])


def listing(root: Path, *, read: tuple[str, ...]) -> str:
    """Digest of a data set's folder: names and sizes of its files, and the content of those with a suffix of `read`."""
    if not root.is_dir():
        return f"no folder {root}"
    lines = []
    for entry in _files(root):
        content = hashlib.sha256(Path(entry).read_bytes()).hexdigest() if entry.name.endswith(read) else ""
        lines.append(f"{entry.path.removeprefix(f'{root}/')} {entry.stat().st_size} {content}")
    return _digest(lines)


def _files(folder: str | Path) -> Iterator[os.DirEntry]:
    """The files in a folder and those below it, sorted; not by Path, which takes five times as long for many files."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError:  # lost+found and its like
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif entry.is_file():
            yield entry


@cache
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """The syntax tree of a module, as text, and the wsss modules that it may import; most are in many stages."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # a string that stands alone is a docstring: it decides no number
            node.body = [line for line in body if not _is_text(line)]
    return ast.dump(tree), tuple(_imports(tree))


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


def _digest(lines) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
