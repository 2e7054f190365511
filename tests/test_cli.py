import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import commands_of_wsss
import numpy as np
import pytest
import torch
from options_of_stages import CONFIG, flags
from settings import SAID
from small_manifest import write_manifest
from voc_layout import layout, write_list, write_tags

from wsss import cli
from wsss.datasets import manifest
from wsss.datasets.pictures import write_mask
from wsss.labels import Classes
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.networks.file import About
from wsss.options.network import Features
from wsss.stores import store

ROOT = Path(__file__).parents[1]
CLASSES = Classes.of({"cat": 8, "dog": 12})


def wsss(*words: object, folder: Path, columns: int = 300) -> subprocess.CompletedProcess:
    """`python -m wsss` in a folder, on a terminal so wide."""
    command = [sys.executable, "-m", "wsss", *map(str, words)]
    environment = os.environ | {"COLUMNS": str(columns)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)


def test_help_lists_stages_and_commands_apart(tmp_path):
    ended = wsss("--help", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    titles = r"^Stages.*:$|^Commands for people:$|^Where to go next:$"
    before, stages, commands, after = re.split(titles, ended.stdout, flags=re.M)
    assert "usage: wsss COMMAND" in before
    assert "  wsss COMMAND --help  " in after and f"{cli.CRASHED} a bug" in after
    for text, table in ((stages, cli.STAGES), (commands, cli.COMMANDS)):
        assert re.findall(r"^  (\w+) +[A-Z].*\.$", text, flags=re.M) == list(table)
    assert wsss(folder=tmp_path).stdout == ended.stdout


def test_help_of_a_stage_has_a_title_for_each_group_of_options(tmp_path):
    shown = wsss("sec_segmenter", "--help", folder=tmp_path, columns=80).stdout  # a wide one has groups side by side
    titles = ["features options", "warped options", "losses options", "crf options", "schedule options", "job options"]
    places = [shown.index(f"─ {title} ─") for title in titles]
    assert places == sorted(places)
    assert places[-2] < shown.index("--learning_rate FLOAT") < places[-1] < shown.index("--gpus INT")


def test_help_names_what_is_given_without_a_name(tmp_path):
    usages = {"inspect": "FILE [IMAGE_ID]", "export": "[OPTIONS] STORE [OUT]", "summary": "[RESULTS ...]"}
    usages |= {"cams_import": "FOLDER", "cams_export": "STORE FOLDER", "pseudo_masks_import": "FOLDER"}
    usages |= {"seeds_import": "PICKLE LIST [SEEDS]", "seeds_export": "SEEDS PICKLE LIST"}
    for command, usage in usages.items():
        assert f"usage: wsss {command} [-h] {usage}" in wsss(command, "--help", folder=tmp_path).stdout


def test_version(tmp_path):
    said = wsss("--version", folder=tmp_path).stdout
    commit = r"( \(commit [0-9a-f]{7,}(-dirty)?\))?"
    assert re.fullmatch(rf"wsss \d+\.\d+\.\d+{commit}, torch \d\S+, Python 3\.\d+\.\d+\n", said)


@pytest.mark.parametrize(
    ("word", "hint"), [("cam", "did you mean 'cams'?"), ("sumary", "did you mean 'summary'?"), ("xyz", "lists them")]
)
def test_an_unknown_command_is_answered_with_the_nearest(tmp_path, word, hint):
    ended = wsss(word, folder=tmp_path)
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.startswith(f"error: there is no command {word!r}: ") and hint in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_help_fits_the_terminal(tmp_path, monkeypatch):
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, cli._help().splitlines())) <= columns


def crash(folder, *words, fault="{}['x']"):
    """`wsss summary`, with a fault in it."""
    program = f"import sys; from wsss import cli; cli.COMMANDS['summary'] = lambda: {fault}; "
    program += f"sys.argv = {['wsss', 'summary', *map(str, words)]!r}; cli.main()"
    return [sys.executable, "-c", program], folder


def piped(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def on_a_terminal(command, folder):
    """Exit status, and what appears on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # which is how a terminal ends
            while part := os.read(ours, 4096):
                said += part
    os.close(ours)
    return process.returncode, said.decode().replace("\r\n", "\n")


PLEA = r"error: this is a bug in wsss .*: please report it with {} at the project's issue tracker"


def test_a_crash_leaves_its_traceback_in_the_log_alone_and_asks_for_a_report(tmp_path):
    log = tmp_path / "stage.log"
    ended = piped(*crash(tmp_path, "--log", log))
    assert ended.returncode == cli.CRASHED == 70
    first, *lines = log.read_text().splitlines()
    assert "$ wsss summary" in first
    assert "Traceback (most recent call last):" in lines and "KeyError: 'x'" in lines
    assert re.fullmatch(r"\d\d:\d\d:\d\d " + PLEA.format(log), lines[-1])
    said = ended.stderr.splitlines()
    assert said == [lines[-1]]
    status, said = on_a_terminal(*crash(tmp_path, "--log", log))
    assert status == cli.CRASHED and re.fullmatch(PLEA.format(log) + "\n", said)


def test_without_a_log_the_traceback_of_a_crash_is_shown_once(tmp_path):
    status, said = on_a_terminal(*crash(tmp_path))
    for text in (piped(*crash(tmp_path)).stderr, said):
        assert text.count("Traceback") == text.count("KeyError: 'x'") == text.count("this is a bug") == 1
        assert re.search(PLEA.format("the lines above") + "$", text.strip())
    assert status == cli.CRASHED


def test_an_error_of_the_user_is_shown_once_on_a_terminal(tmp_path):
    command = [sys.executable, "-m", "wsss", "summary"]
    line = "error: results holds no scores and no label maps yet: run snakemake first\n"
    assert on_a_terminal(command, tmp_path) == (1, line)
    assert on_a_terminal([*command, "--log", "x.log"], tmp_path) == (1, line)


def test_a_full_disk_is_no_bug(tmp_path):
    ended = piped(*crash(tmp_path, fault="(_ for _ in ()).throw(OSError(28, 'No space left on device', 'x.h5'))"))
    assert ended.returncode == 1
    assert "No space left on device: 'x.h5': free some space on that disk, and" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_command_line_is_quick_to_import(tmp_path):
    program = "import sys, wsss.cli; print(*{'torch', 'timm', 'torchvision', 'matplotlib', 'h5py'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout.split() == []


@pytest.mark.parametrize("threads", ["0", "-4"])
def test_no_cores_are_no_number_of_cores(tmp_path, threads):
    ended = wsss("summary", f"--threads={threads}", folder=tmp_path)
    assert ended.returncode == 2 and f"--threads is {threads}: give a number of cores, at least 1" in ended.stderr


def test_unknown_options_and_commands(tmp_path):
    for words in (["cams", "--gama", "1"], ["cmas"], ["summary", "--folder", "x"]):
        ended = wsss(*words, folder=tmp_path)
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
        assert words[-2] in ended.stderr if len(words) > 1 else words[0] in ended.stderr
    assert list(tmp_path.iterdir()) == []


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def refused(*words: object, folder: Path) -> str:
    """What a command that ends with an error says: plain lines in the log, the last of them the error."""
    before = files(folder)
    log = folder / "stage.log"
    ended = commands_of_wsss.ended(*words, "--log", log, "--threads", 1, folder=folder)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert files(folder) - before == {log}
    lines = log.read_text().splitlines()
    assert lines[0].endswith(f"--log {log} --threads 1")
    assert lines[0][9:].startswith(f"$ wsss {words[0]}")
    log.unlink()
    errors = [text for text in ended.stderr.splitlines() if "error: " in text]
    assert len(errors) == 1
    assert re.match(r"(\d\d:\d\d:\d\d )?error: ", errors[0])
    assert errors[0] in lines
    return ended.stderr[ended.stderr.index("error: ") :]


def images_words(folder: Path) -> list[str]:
    own = dict(dataset="voc", root=folder / "data", extra="more", train="train", val="val", tags="file")
    options = CONFIG["images"] | own | {"classes": ["cat=8", "dog=12"]}
    words = ["--training_images", folder / "training_images.csv"]
    for name, value in options.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return words


def truncate(root: Path) -> None:
    path = root / "JPEGImages/2007_000001.jpg"
    path.write_bytes(path.read_bytes()[:-60])


def resize_mask(root: Path) -> None:
    write_mask(root / "SegmentationClass/2007_000001.png", np.zeros((9, 8), np.uint8))


def misspell(root: Path) -> None:
    write_tags(root, {"2007_000001": "cat", "2007_000002": "dgo", "2008_000003": "dog", "2009_000004": "cat"})


def empty(root: Path) -> None:
    write_list(root, "val", "")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (truncate, "data/JPEGImages/2007_000001.jpg cannot be read as a picture"),
        (resize_mask, "data/SegmentationClass/2007_000001.png: the mask has 9 x 8 pixels"),
        (misspell, "2007_000002: unknown class dgo in image_labels.txt: add it to classes or remove it"),
        (empty, "the split val holds no image: is its list empty?"),
    ],
)
def test_a_data_set_that_cannot_be_used(tmp_path, spoil, words):
    spoil(layout(tmp_path / "data"))
    stage, own = "training_images", ["--classes_table", tmp_path / "classes.csv"]
    if spoil is resize_mask:  # masks are checked by the second stage
        assert commands_of_wsss.ended(stage, *images_words(tmp_path), *own, folder=tmp_path).returncode == 0
        stage, own = "images", ["--images", tmp_path / "images.csv"]
    title, problem = refused(stage, *images_words(tmp_path), *own, folder=tmp_path).splitlines()
    assert title == f"error: the data set in {tmp_path / 'data'} cannot be used (1 found):"
    assert words in problem


def test_images(tmp_path):
    layout(tmp_path / "data")
    first = wsss(
        "training_images", *images_words(tmp_path), "--classes_table", tmp_path / "classes.csv", folder=tmp_path
    )
    assert first.returncode == 0, first.stderr
    assert len(manifest.read(tmp_path / "training_images.csv")) == 3
    ended = wsss("images", *images_words(tmp_path), "--images", tmp_path / "images.csv", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(manifest.read(tmp_path / "images.csv")) == 4
    assert manifest.read_classes(tmp_path / "classes.csv") == CLASSES


def test_weights_of_another_backbone(tmp_path):
    weights = tmp_path / "other.safetensors"
    torch.manual_seed(0)
    network = Classifier.build(Features("timm/test_resnet", stride=8, weights="none", freeze=False), classes=3)
    file.save(weights, network, About(CLASSES, "tags"))
    words = ["--images", write_manifest(tmp_path), "--classes_table", "classes.csv", "--classifier", "out.safetensors"]
    words += ["--gpus", 1, "--nodes", 1, "--checkpoint", "checkpoint.pt", "--checkpoint_steps", 1]
    words += ["--curve", "curve.csv", "--tensorboard", *flags("classifier")]
    words[words.index("--weights") + 1] = weights
    error = refused("classifier", *words, folder=tmp_path)
    name = CONFIG["classifier"]["backbone"]
    assert error == f"error: {weights} holds weights of the backbone 'timm/test_resnet', not of '{name}'\n"


def masks_words(folder: Path) -> list:
    files = ["--images", write_manifest(folder), "--scores", "scores.h5", "--masks", "masks.h5", "--fitted"]
    return [*files, "--split", "train", "--shard", "1-of-1", *flags("masks")]


def test_a_missing_store(tmp_path):
    error = refused("masks", *masks_words(tmp_path), folder=tmp_path)
    assert error == "error: scores.h5 does not exist: run the stage that writes it first\n"


def test_a_store_that_fails_halfway_leaves_nothing(tmp_path):
    words = masks_words(tmp_path)
    write_manifest(tmp_path, ("a", "b"))
    scores = np.full((3, 3, 4), 1 / 3, np.float16)
    settings = {"scales": (1.0,), "stride": 4, "warped_px": 0, "supervision": "tags", "image_prior": 0, **SAID}
    with store.create(tmp_path / "scores.h5", "scores", classes=CLASSES, settings=settings, inputs={}) as target:
        target.add("a", (12, 16), scores=scores)
    error = refused("masks", *words, folder=tmp_path)
    assert error.startswith("error: scores.h5 holds no image 'b': was it made from another manifest")
    assert "\n" not in error.strip()


def test_a_manifest_that_is_missing(tmp_path):
    words = masks_words(tmp_path)
    (tmp_path / "images.csv").unlink()
    error = refused("masks", *words, folder=tmp_path)
    assert error == f"error: {tmp_path / 'images.csv'} does not exist: run the stage images first\n"
