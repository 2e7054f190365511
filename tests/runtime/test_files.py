"""Files are whole or absent, whatever happens to their writer; stores show it."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from settings import CLASSES
from small_stores import arrays_like, write

from wsss.runtime import files
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent
from wsss.stores import store

FOREVER = """
import sys
from pathlib import Path

import numpy as np

from wsss.labels import Classes
from wsss.stores import store

rounds, classes = 0, Classes.of({f"class {number}": number for number in range(1, 251)})
print("ready", flush=True)
while True:
    rounds = rounds % 250 + 1
    with store.create(Path(sys.argv[1]), "masks", classes=classes, settings={}, inputs={}) as target:
        for number in range(40):
            target.add(f"image{number}", (200, 150), plain=np.full((200, 150), rounds, np.uint8))
"""
"""Writes stores of one constant each, until it is killed."""

DYING = """
import os
import signal
import sys
from pathlib import Path

import numpy as np

from wsss.labels import Classes
from wsss.runtime import files
from wsss.stores import store

if sys.argv[2] == "before the renaming":
    files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
with store.create(Path(sys.argv[1]), "masks", classes=Classes.of({"cat": 8}), settings={}, inputs={}) as target:
    target.add("a", (20, 30), plain=np.zeros((20, 30), np.uint8))
    if sys.argv[2] == "between images":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_absent_after_an_exception(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        store.create(tmp_path / "x.h5", "cams", classes=CLASSES, settings={}, inputs={}) as target,
    ):
        target.add("a", (12, 16), **arrays_like(1))
        assert not (tmp_path / "x.h5").exists()
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_the_old_store_stays_after_an_exception(tmp_path):
    path = write(tmp_path / "x.h5", {"a": 7})
    before = path.read_bytes()
    with (
        pytest.raises(KeyError),
        store.create(path, "cams", classes=CLASSES, settings={}, inputs={}) as target,
    ):
        target.add("a", (12, 16), **arrays_like(1))
        raise KeyError
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_input_leaves_nothing(tmp_path):
    with pytest.raises(WsssError, match=r"gone\.h5 does not exist"):
        write(tmp_path / "x.h5", inputs={"cams": tmp_path / "gone.h5"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["between images", "before the renaming"])
def test_killed_at_a_chosen_moment(tmp_path, moment):
    path = tmp_path / "x.h5"
    ended = subprocess.run([sys.executable, "-c", DYING, path, moment], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not path.exists()
    (leftover,) = tmp_path.iterdir()
    assert leftover.suffix == ".partial"
    write(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_cut_off_between_images_is_refused_under_any_name(tmp_path):
    subprocess.run([sys.executable, "-c", DYING, tmp_path / "x.h5", "between images"], check=False)
    (leftover,) = tmp_path.iterdir()
    leftover.rename(tmp_path / "x.h5")
    with pytest.raises(WsssError, match="x.h5"), store.read(tmp_path / "x.h5", "masks"):
        pass


def test_it_appears_by_renaming_alone(tmp_path):
    # a copy under the final name could be seen, or cut off, half way
    with store.create(tmp_path / "x.h5", "cams", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", (12, 16), **arrays_like(1))
        (partial,) = tmp_path.iterdir()
        assert partial.name.startswith(".x.h5.")
        written = partial.stat().st_ino
    assert (tmp_path / "x.h5").stat().st_ino == written


def test_killed_at_any_moment_the_store_is_whole_or_absent(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "x.h5"
    cut_off = 0
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", FOREVER, path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0, 0.3))
            writer.kill()
        if path.exists():
            with store.read(path, "masks") as reader:
                values = {int(value) for image_id in reader for value in np.unique(reader[image_id]["plain"])}
                assert len(reader) == reader.attributes["images"] == 40
                assert len(values) == 1  # all of one round
        leftovers = list(tmp_path.glob(".*.partial"))
        cut_off += len(leftovers)
        assert {*tmp_path.iterdir()} <= {path, *leftovers}
        assert len(leftovers) <= 1  # the one before was swept away
    assert cut_off > 0  # or no try has shown anything
    write(path)
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_other_files_and_hosts_stay(tmp_path):
    others = [tmp_path / ".y.h5.host.1.partial", tmp_path / ".x.h5.another-machine.1.partial"]
    for other in others:
        other.touch()
    write(tmp_path / "x.h5")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "x.h5", *others])


@pytest.mark.parametrize("name", ["a**.json", "a[1].json", "**"])
def test_a_name_may_be_a_pattern(tmp_path, name):
    with files.whole_or_absent(tmp_path / name) as partial:
        partial.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WsssError, match="pipe is a pipe or device"), files.whole_or_absent(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_of_another_kind_is_not_replaced(tmp_path):
    write(tmp_path / "x.h5")
    before = (tmp_path / "x.h5").read_bytes()
    with pytest.raises(WsssError, match=r"x\.h5 is a store, and would be written over"):
        files.write_json(tmp_path / "x.h5", {"a": 1})
    assert (tmp_path / "x.h5").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    write(tmp_path / "x.h5")  # one of its own kind


def test_what_is_of_no_known_kind_is_replaced(tmp_path):
    (tmp_path / "x.json").write_bytes(bytes(512))  # a sector of zeros
    files.write_json(tmp_path / "x.json", {"a": 1})
    assert files.read_json(tmp_path / "x.json") == {"a": 1}


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path):
    for name in ("é" * 127, "é" * 126 + "aa"):  # 254 bytes each, and the same beginning
        left = subprocess.Popen(["true"])  # noqa: S607
        left.wait()
        with files.whole_or_absent(tmp_path / name) as partial:
            partial.write_text("whole")
            assert len(os.fsencode(partial.name)) <= 143
            killed = partial.with_name(partial.name.replace(f".{os.getpid()}.", f".{left.pid}."))
            killed.touch()
        with files.whole_or_absent(tmp_path / name) as partial:
            assert not killed.exists()
            partial.write_text("whole again")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "é" * 127: "whole again",
        "é" * 126 + "aa": "whole again",
    }


def test_unfinished_files_of_long_names_differ(tmp_path):
    with (
        files.whole_or_absent(tmp_path / ("a" * 200 + "1")) as one,
        files.whole_or_absent(tmp_path / ("a" * 200 + "2")) as other,
    ):
        one.touch()
        other.touch()
        assert one != other


def test_a_twin_that_still_writes_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as twin:
        theirs = tmp_path / f".x.txt.{socket.gethostname()}.{twin.pid}.partial"
        theirs.touch()
        with whole_or_absent(tmp_path / "x.txt") as partial:
            partial.write_text("mine")
        assert theirs.exists()
        twin.kill()
    with whole_or_absent(tmp_path / "x.txt") as partial:  # the twin is dead now
        partial.write_text("mine again")
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "mine again"


@pytest.mark.parametrize("name", ["", ".", "..", "a/.."])
def test_a_path_without_a_name_is_refused(name):
    words = r"the output '[a./]+' has no name of a file: give one"
    with pytest.raises(WsssError, match=words), whole_or_absent(Path(name)):
        raise AssertionError("never reached")


@pytest.mark.parametrize("read", [files.read_bytes, files.read_text, files.read_json])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "link"):
        with pytest.raises(WsssError, match=f"{name} is a pipe or device, no file: put the file there"):
            read(tmp_path / name)
    with pytest.raises(WsssError, match="is a folder, no file: put the file there"):
        read(tmp_path)


@pytest.mark.parametrize("read", [files.read_bytes, files.read_json, store.kind_of])
def test_a_file_of_another_user_is_not_taken_for_damaged(tmp_path, monkeypatch, read):
    (tmp_path / "a").write_text("{}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(WsssError, match="a may not be read by this user: allow it to, or name another file"):
        read(tmp_path / "a")


def test_any_flipped_byte_of_a_table_is_told(tmp_path):
    path = tmp_path / "a.json"
    content = {"miou": 0.5, "iou": {"cat": None, "a dog": 1e-17}, "images": 3, "names": ["é", "b"]}
    files.write_json(path, content)
    assert files.read_json(path) == content
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert files.read_json(path).items() >= content.items()  # the word digest, or white space
        except WsssError as error:
            assert "a.json" in str(error) and "remove it and rerun the stage that writes it" in str(error)
