"""What several test files share stands in modules of its own: a test file is changed without a look at the others."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = sorted(TESTS.rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_file_is_imported_by_another(path):
    assert [name for name in imported(path) if name.split(".")[-1].startswith("test_")] == []


def test_no_two_modules_of_the_tests_share_a_name():
    names = [path.name for path in FILES if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
