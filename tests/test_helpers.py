"""What several test files share stands in modules of its own: a test file is changed without a look at the others."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import preloaded
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


@pytest.mark.parametrize("python", [sys.executable, "preloaded"])
@pytest.mark.parametrize(
    ("program", "status", "said", "told"),
    [
        ("print(*sys.argv, Path.cwd().name, os.environ['MINE'], sys.stdin.read())", 0, "-c a b here it in", ""),
        (
            "print('wsss' in sys.modules, sys.path[1], signal.getsignal(2) in (0, 1, signal.default_int_handler))",
            0,
            "False /mine True",
            "",
        ),
        ("sys.exit('told')", 1, "", "told"),
        ("sys.exit(3)", 3, "", ""),
        ("raise KeyError", 1, "", "KeyError"),
        ("os.killpg(0, signal.SIGTERM)", -signal.SIGTERM, "", ""),
        ("import atexit; atexit.register(print, 'at the end')", 0, "at the end", ""),
    ],
)
def test_a_preloaded_python_does_what_one_does_that_is_started(tmp_path, python, program, status, said, told):
    (tmp_path / "here").mkdir()
    command = [preloaded.commands() / "python" if python == "preloaded" else python]
    ended = subprocess.run(
        [*command, "-c", f"import os, signal, sys; from pathlib import Path; {program}", "a", "b"],
        cwd=tmp_path / "here",
        env=os.environ | {"MINE": "it", "PYTHONPATH": "/mine"},
        input="in",
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert (ended.returncode, ended.stdout.strip()) == (status, said), ended.stderr
    assert ended.stderr.splitlines()[-1:] == ([told] if told else [])
