"""Every result of a finished run, damaged: the stage that reads it names the file and the way out, or is right."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import damage
import finished_run
import outcomes
import projects
import pytest

from wsss.datasets import manifest
from wsss.runtime.errors import WsssError


def tried(project: Path, names: list[str]) -> Iterator[tuple[str, str, str]]:
    """Of each damage the kind, the file and place, and what became of it; in a process of its own, as HDF5 may hang."""
    command = [sys.executable, damage.__file__, project, str(outcomes.SEED), *names]
    path = os.pathsep.join([str(projects.ROOT), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout[-300:], done.stderr[-2000:])
    for line in done.stdout.splitlines():
        kind, name, place, found = line.split("\t")
        yield kind, f"{name} at {place}", found


@pytest.mark.faults
def test_damaged_results_are_told(finished, tmp_path):
    names = list(damage.readers(finished))
    halves = [
        (finished_run.copied(finished, tmp_path / name / "project"), names[start::2])
        for start, name in enumerate(("even", "odd"))
    ]
    wrong = []
    with ThreadPoolExecutor(2) as pool:
        for kind, where, found in itertools.chain(*pool.map(lambda half: list(tried(*half)), halves)):
            outcomes.count(f"damage: {kind}", found)
            if found not in ("right", "told"):
                wrong.append(f"{kind}, {where}: {found}")
    assert wrong == []


@pytest.mark.parametrize(
    "content",
    [b"class,name,mask_value,colour\n0,background,0,#0000", b"class,name,mask_value,colour\n0,a\0,0,#000000\n"],
)
def test_a_table_that_is_cut_in_a_line_or_holds_zeros_is_told(tmp_path, content):
    (tmp_path / "classes.csv").write_bytes(content)
    with pytest.raises(WsssError, match=r"classes\.csv is damaged .*: remove it"):
        manifest.read_classes(tmp_path / "classes.csv")
