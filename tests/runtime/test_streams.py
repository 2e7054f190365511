"""Standard streams that are closed, full, narrow or read by nobody, and Ctrl-C before a command has begun."""

import json
import os
import signal
import subprocess
import sys

import pytest

IOU = {"background": 0.8, "cat": 0.25}
FULL = "error: [Errno 28] No space left on device: free some space on that disk"


@pytest.fixture
def run(tmp_path):
    """A folder with the scores of a run."""
    (tmp_path / "results").mkdir()
    content = {"masks": {"plain": {"miou": 0.5, "iou": IOU}}, "evaluated": {"split": "val", "images": 8}}
    (tmp_path / "results/psa_val_miou.json").write_text(json.dumps(content))
    return tmp_path


def in_a_shell(folder, words, streams="", **environment):
    """Status, stdout and stderr of `wsss WORDS STREAMS` in bash."""
    command = f"set -o pipefail; {sys.executable} -P -m wsss {words} {streams}"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, timeout=120, env=os.environ | environment
    )
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


COMPARISON = "comparison --scores results/psa_val_miou.json --table comparison.csv --log stage.log"


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stage_does_its_work_without_streams(run, streams):
    assert in_a_shell(run, COMPARISON, streams)[0] == 0
    assert (run / "comparison.csv").read_text().startswith("maps,split,images,miou,background,cat")
    assert " $ wsss comparison " in (run / "stage.log").read_text().splitlines()[0]


def test_a_command_shows_what_it_can(run):
    assert in_a_shell(run, "summary", ">&-") == (0, "", "")
    status, said, _ = in_a_shell(run, "summary", "2>&-")
    assert status == 0 and "psa segmenter" in said


@pytest.mark.parametrize("words", ["--help", "--version", "summary", "summary --help"])
def test_a_full_disk_is_told_in_one_line(run, words):
    status, _, said = in_a_shell(run, words, "> /dev/full")
    assert status == 1 and FULL in said and said.count("\n") == 1


def test_a_log_on_a_full_disk_is_told_once_and_the_work_is_done(run):
    status, _, said = in_a_shell(run, COMPARISON.replace("stage.log", "/dev/full"))
    assert status == 0 and (run / "comparison.csv").exists()
    assert said.count("the log /dev/full cannot be written (No space left on device)") == 1


@pytest.mark.parametrize("words", ["summary", "--help"])
def test_a_stream_that_can_only_be_read_is_told_in_one_line(run, words):
    status, _, said = in_a_shell(run, words, "1< /dev/null")
    assert status == 1 and "is not open for writing: redirect it to a file" in said and said.count("\n") == 1


def test_help_ends_on_a_terminal_of_one_column(run):
    status, said, _ = in_a_shell(run, "inspect --help", COLUMNS="1")
    assert status == 0 and said.startswith("usage: wsss")


def test_who_reads_no_more_ends_a_command_without_a_word(run):
    assert in_a_shell(run, "--help", "| sleep 0") == (1, "", "")
    assert in_a_shell(run, "--help", ">&-") == (0, "", "")


def test_letters_that_a_stream_lacks_are_written_by_their_numbers(run):
    status, said, _ = in_a_shell(run, "summary results results", PYTHONIOENCODING="ascii")
    assert status == 0 and said.splitlines()[0].endswith("\\xb1")
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    status, said, _ = in_a_shell(run, "summary é --log stage.log", **narrow)
    assert status == 1
    assert (run / "stage.log").read_text(encoding="utf-8").count("error: ") == 1


STOPPED = """
import os, signal, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
sys.argv = ["wsss", *{words!r}]
from wsss.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["wsss.cli", "tyro", "wsss.results.runs"])
def test_ctrl_c_during_imports_ends_without_a_word(run, module):
    """Of the command line, of a package of others, and of a command."""
    program = STOPPED.format(module=module, words=["summary"])
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=run,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
