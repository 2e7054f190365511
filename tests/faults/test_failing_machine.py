"""The machine fails: full disks, limits, permissions, and what is no file. One line tells, and no half file is left."""

import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import disks
import numpy as np
import preloaded
import projects
import pytest
from commands_of_wsss import assert_told, ended, files_below
from PIL import Image
from settings import CLASSES

from wsss.commands.export import export
from wsss.results import figures
from wsss.runtime.errors import of_the_machine
from wsss.runtime.files import whole_or_absent
from wsss.stores import store

SIZE = (40, 60)


@pytest.fixture
def masks(tmp_path):
    """A store of label maps, 40 images."""
    path = tmp_path / "masks.h5"
    generator = np.random.default_rng(0)
    with store.create(path, "masks", classes=CLASSES, settings={}, inputs={}) as target:
        for number in range(40):
            target.add(f"image{number}", SIZE, plain=generator.integers(0, 3, SIZE, np.uint8))
    return path


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with disks.mounted(folder, 2**18):
        yield folder


WRITER = """
import sys
import numpy as np
from pathlib import Path
from wsss.labels import Classes
from wsss.runtime.errors import of_the_machine
from wsss.stores import store
generator = np.random.default_rng(0)
try:
    with store.create(Path(sys.argv[1]), "scores", classes=Classes.of({"cat": 8}), settings={}, inputs={}) as target:
        for number in range(1000):
            target.add(str(number), (40, 60), scores=generator.random((2, 40, int(sys.argv[2]))).astype(np.float16))
except OSError as error:
    sys.exit(of_the_machine(error))
"""


@pytest.mark.parametrize("width", [1, 7, 19, 40, 53, 64])
def test_a_store_on_a_full_disk(small_disk, width):
    path = small_disk / "x.h5"
    writing = subprocess.run([sys.executable, "-c", WRITER, path, str(width)], capture_output=True, text=True)
    assert writing.stderr == (
        f"[Errno 28] No space left on device: '{path}': free some space on that disk, and run the same command again\n"
    )
    assert writing.returncode == 1
    assert files_below(small_disk) == set()


@pytest.mark.parametrize("width", [7, 19, 40, 53, 64])
def test_a_store_beyond_the_limit_of_a_file(tmp_path, width):
    command = f'ulimit -f 200; exec "{sys.executable}" -B -c "$1" x.h5 {width}'
    writing = subprocess.run(["bash", "-c", command, "", WRITER], cwd=tmp_path, capture_output=True, text=True)
    assert writing.stderr == (
        "[Errno 27] File too large: 'x.h5': raise the limit of a file's size (ulimit -f), or write to another disk\n"
    )
    assert files_below(tmp_path) == set()


WRITER_OF_TENSORS = """
import sys
from pathlib import Path
import torch
from wsss.runtime import tensors
from wsss.runtime.errors import of_the_machine
try:
    tensors.save(Path(sys.argv[1]), {"a": torch.zeros(100_000)}, {})
except OSError as error:
    sys.exit(of_the_machine(error))
"""


def test_tensors_on_a_full_disk_or_beyond_the_limit_of_a_file(small_disk, tmp_path):
    path = small_disk / "x.safetensors"
    command = [preloaded.commands() / "python", "-c", WRITER_OF_TENSORS, path]
    writing = subprocess.run(command, capture_output=True, text=True)
    assert writing.stderr.startswith(f"[Errno 28] No space left on device: '{path}': free some space on that disk")
    path = tmp_path / "x.safetensors"
    limited = ["bash", "-c", 'ulimit -f 200; exec "$@"', "", sys.executable, "-B", "-c", WRITER_OF_TENSORS, path]
    writing = subprocess.run(limited, capture_output=True, text=True)
    assert writing.stderr.startswith(f"[Errno 27] File too large: '{path}': raise the limit of a file's size")
    assert files_below(small_disk) == files_below(tmp_path) == set()


WRITER_OF_PHOTOGRAPHS = """
from pathlib import Path
import numpy as np
from wsss.datasets import pictures
from wsss.runtime.errors import of_the_machine
try:
    pictures.write_photograph(Path("x.jpg"), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
except OSError as error:
    print(of_the_machine(error))
"""


def test_a_photograph_beyond_the_limit_of_a_file(tmp_path):
    """Its first kilobyte can be written, and the rest cannot; nor could what Python compiles, so it does not (-B)."""
    command = ["bash", "-c", 'ulimit -f 1; exec "$@"', "", sys.executable, "-B", "-c", WRITER_OF_PHOTOGRAPHS]
    writing = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert writing.stdout.startswith("[Errno 27] File too large: 'x.jpg': raise the limit"), writing.stderr
    assert files_below(tmp_path) == set()


def test_export_to_a_full_disk_leaves_whole_pictures_alone(masks, small_disk):
    (small_disk / "filler").write_bytes(bytes(200_000))
    assert_told(ended("export", masks, small_disk / "out", folder=small_disk), "No space left", "free some space")
    left = [path for path in (small_disk / "out").iterdir() if path.suffix != ".png" or path.stat().st_size == 0]
    assert left == []


def test_a_page_of_pictures_is_whole_or_absent(tmp_path, monkeypatch):
    panels = {"training images": [figures.Panels("a", {"photograph": np.zeros((8, 8, 3), np.uint8)})]}
    figures.write(tmp_path / "page.png", panels, CLASSES)
    before = (tmp_path / "page.png").read_bytes()
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: file.write(b"half") // 0)
    with pytest.raises(ZeroDivisionError):
        figures.write(tmp_path / "page.png", panels, CLASSES)
    assert files_below(tmp_path) == {"page.png"}
    assert (tmp_path / "page.png").read_bytes() == before


def test_an_error_without_a_name_gets_that_of_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '.*/x\.png'"), whole_or_absent(tmp_path / "x.png"):
        raise OSError(28, "No space left on device")
    with pytest.raises(PermissionError, match="'other'"), whole_or_absent(tmp_path / "x.png"):
        raise PermissionError(13, "Permission denied", "other")


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        PermissionError(13, "Permission denied"),
        OSError(24, "Too many open files"),
        FileNotFoundError(2, "No such file or directory", "results/cams.h5"),
        OSError(9, "Bad file descriptor"),
        OSError("AF_UNIX path too long"),
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**12,), np.dtype(float)),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_what_is_of_the_machine(error):
    assert len(of_the_machine(error).splitlines()) == 1


def test_a_working_folder_that_was_removed(masks, tmp_path, monkeypatch):
    (folder := tmp_path / "folder").mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        export(masks, Path("png"))
    assert of_the_machine(caught.value).startswith("the working folder was removed: change into another one")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("shapes differ"), OSError("x")])
def test_what_is_a_bug(error):
    assert of_the_machine(error) is None


def test_results_that_may_not_be_written(masks, tmp_path):
    if os.geteuid() == 0 and shutil.which("unshare") is None:
        pytest.skip("root may write anywhere but on a read-only disk, which takes unshare to mount")
    readonly = tmp_path / "readonly"
    readonly.mkdir(mode=0o555)
    # root may write anywhere, unless the disk is read-only
    before = (
        f"mount --bind {readonly} {readonly} && mount -o remount,ro,bind {readonly} &&" if os.geteuid() == 0 else ""
    )
    command = ["export", masks, readonly / "out"]
    try:
        assert_told(ended(*command, folder=tmp_path, before=before), str(readonly / "out"))
        assert files_below(readonly) == set()
    finally:
        if before:
            subprocess.run(["umount", "--lazy", readonly], check=False)


def test_a_file_in_a_folders_place_and_a_folder_in_a_files(masks, tmp_path):
    (tmp_path / "out").write_text("")
    assert_told(ended("export", masks, "out", folder=tmp_path), "a file stands where a folder should")
    (tmp_path / "out").unlink()
    (tmp_path / "out/image0.png").mkdir(parents=True)
    assert_told(ended("export", masks, "out", folder=tmp_path), "image0.png", "a folder stands where a file should")


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
@pytest.mark.parametrize("command", ["export", "inspect", "predict", "seeds_export"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind, command):
    path = tmp_path / "x.h5"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    Image.new("RGB", (8, 8)).save(tmp_path / "photograph.jpg")
    more = {"predict": ["photograph.jpg"], "seeds_export": ["x.pickle", "x.txt"]}.get(command, [])
    assert_told(ended(command, path, *more, folder=tmp_path, seconds=60), str(path))


@pytest.mark.parametrize("kilobytes", [200_000, 800_000])
def test_little_memory(tmp_path, kilobytes):
    Image.new("RGB", (8, 8)).save(tmp_path / "photograph.jpg")
    command = ["predict", "network.safetensors", "photograph.jpg"]
    assert_told(ended(*command, folder=tmp_path, before=f"ulimit -v {kilobytes};"), "not enough memory")


def test_a_log_and_an_output_that_cannot_be_written(masks, tmp_path):
    (tmp_path / "log").mkdir()
    assert_told(ended("export", masks, "--log", "log", folder=tmp_path), "'log'", "a folder stands")
    assert_told(ended("inspect", masks, folder=tmp_path, before="exec > /dev/full;"), "No space left on device")


@pytest.mark.parametrize("module", ["cli", "commands/summary"])
def test_a_compiled_module_that_a_full_disk_cut_short(tmp_path, module):
    project = projects.copied(tmp_path / "project")
    compiled = Path(py_compile.compile(str(project / f"wsss/{module}.py")))
    os.truncate(compiled, 200)
    command = [sys.executable, "-P", "-m", "wsss", "summary"]
    assert_told(projects.ended(*command, folder=project), f"{compiled}, which Python compiled, is damaged", "delete it")
    compiled.unlink()
    assert "holds no scores and no label maps yet" in projects.ended(*command, folder=project).stderr
