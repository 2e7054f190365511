"""Each reader of files, over files damaged at random: one line that names the file, soon, or content as it was."""

import os
import subprocess
import sys
from pathlib import Path

import fuzz
import outcomes
import preloaded
import pytest
from settings import CLASSES

from wsss.datasets import manifest
from wsss.runtime.errors import WsssError


def assert_told_or_right(name: str, folder: Path, *, tries: int, seed: int) -> None:
    command = [preloaded.commands() / "python", fuzz.__file__, name, str(tries), str(seed), folder]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, check=False)
    found = [line for line in done.stdout.splitlines() if line.split(" ", 1)[0].isdigit()]
    for line in found:
        outcomes.count(f"fuzz: {name}", line.split()[1])
    assert done.returncode == 0, (f"after {len(found)} tries", done.returncode, done.stderr[-2000:])
    assert len(found) == tries
    assert [line for line in found if line.split()[1] not in ("right", "told")] == []


@pytest.mark.parametrize("name", fuzz.FORMATS)
def test_damage_is_told(tmp_path, name):
    assert_told_or_right(name, tmp_path, tries=40, seed=0)


@pytest.mark.faults
@pytest.mark.parametrize("name", fuzz.FORMATS)
def test_much_damage_is_told(tmp_path, name):
    assert_told_or_right(name, tmp_path, tries=2000, seed=outcomes.SEED + 1)


@pytest.mark.parametrize("line", ["1,dog", "1,dog,many,#000000", "1,d\xff,1,#000000"])
def test_a_damaged_table_of_classes_names_file_and_remedy(tmp_path, line):
    manifest.write_classes(tmp_path / "classes.csv", CLASSES)
    content = (tmp_path / "classes.csv").read_text().splitlines()[:2]
    (tmp_path / "classes.csv").write_text("\n".join([*content, line]), encoding="latin1")
    with pytest.raises(WsssError, match=r"classes\.csv is damaged .*: remove it and rerun the stage that writes it"):
        manifest.read_classes(tmp_path / "classes.csv")
