import functools
import inspect as signatures
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro
import yaml
from PIL import Image
from test_voc import layout, write_list, write_tags

from wsss import cli, manifest, networks, store
from wsss.labels import Classes
from wsss.options import Features
from wsss.pictures import read_photograph, write_mask

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
RULES = dict(
    re.findall(
        r"^rule (\w+):\n(.*?)(?=^rule |\Z)",
        "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk"))),
        flags=re.MULTILINE | re.DOTALL,
    )
)
SECTIONS = [
    name
    for name, section in CONFIG.items()
    if isinstance(section, dict) and not any(isinstance(value, dict) for value in section.values())
]
CLASSES = Classes.of({"cat": 8, "dog": 12})


def wsss(*words: object, folder: Path) -> subprocess.CompletedProcess:
    """`python -m wsss` in a folder."""
    command = [sys.executable, "-m", "wsss", *map(str, words)]
    environment = os.environ | {"COLUMNS": "300"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)


def numbers(stage: str) -> dict[str, object]:
    """The options that config.yaml fills in; the fit of a CRF begins with the numbers of masks."""
    return CONFIG[stage] | (CONFIG["masks"] if stage == "crf" else {})


def flags(stage: str) -> list[str]:
    """As workflow/rules/common.smk makes them."""
    words = []
    for name, value in numbers(stage).items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return words


def rule_options(stage: str) -> list[str]:
    """The options that the rule's shell command spells out, but for those of every command."""
    shell = RULES[stage].split("shell:")[1]
    assert re.search(rf'"(\{{resources.launch\}} )?wsss {stage} ', shell)
    return [name for name in re.findall(r"--([\w.]+)", shell) if name not in ("threads", "log")]


def with_value(names: list[str]) -> list[str]:
    return [word for name in names for word in (f"--{name}", "1")]


def parsed(stage: str, words: list[str]) -> dict[str, object]:
    """The arguments that the stage would be called with, by their names on the command line."""
    recorded = {}

    @functools.wraps(cli.STAGES[stage])
    def recorder(**arguments):
        recorded.update(arguments)

    table = cli.STAGES | {stage: recorder}
    tyro.extras.subcommand_cli_from_dict(table, args=[stage, *words], prog="wsss", use_underscores=True)
    return dict(_flat(recorded, cli.STAGES[stage]))


def _flat(arguments: dict[str, object], stage: Callable):
    for name, value in arguments.items():
        if not hasattr(value, "__dataclass_fields__"):
            yield name, value
            continue
        annotation = signatures.signature(stage).parameters[name].annotation
        prefix = "" if hasattr(annotation, "__metadata__") else f"{name}."
        for field, inner in vars(value).items():
            yield prefix + field, inner


def plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_each_section_belongs_to_a_stage():
    assert set(SECTIONS) <= set(cli.STAGES)
    assert all(function.__name__ == name for name, function in cli.STAGES.items())
    assert all(function.__module__ == f"wsss.stages.{name}" for name, function in cli.STAGES.items())


@pytest.mark.parametrize("stage", SECTIONS)
def test_a_stage_takes_the_options_of_its_section_and_files(stage):
    found = parsed(stage, [*with_value(rule_options(stage)), *flags(stage)])
    assert set(found) == {*rule_options(stage), *numbers(stage)}
    assert not set(rule_options(stage)) & set(numbers(stage))
    for name, value in numbers(stage).items():
        expected = Path(value) if isinstance(found[name], Path) else value
        assert plain(found[name]) == expected, name


@pytest.mark.parametrize("stage", [name for name in RULES if name in cli.STAGES and name not in SECTIONS])
def test_a_stage_without_section_takes_its_files(stage):
    assert set(parsed(stage, with_value(rule_options(stage)))) == set(rule_options(stage))


def test_stages_have_no_defaults():
    for stage in cli.STAGES.values():
        for parameter in signatures.signature(stage).parameters.values():
            assert parameter.default is parameter.empty
            assert parameter.kind is parameter.KEYWORD_ONLY


@pytest.mark.parametrize("stage", ["cams", "masks"])
def test_an_option_that_is_left_out_is_asked_for(stage, capsys):
    words = [*with_value(rule_options(stage)), *flags(stage)]
    names = [*rule_options(stage), *CONFIG[stage]]
    for name in names:
        place = words.index(f"--{name}")
        after = next((i for i in range(place + 1, len(words)) if words[i].startswith("--")), len(words))
        with pytest.raises(SystemExit) as ended:
            parsed(stage, words[:place] + words[after:])
        assert ended.value.code == 2
        assert f"--{name}" in capsys.readouterr().err


def test_help_lists_the_commands(tmp_path):
    ended = wsss("--help", folder=tmp_path)
    assert ended.returncode == 0
    for name in (*cli.STAGES, *cli.FOR_PEOPLE):
        assert re.search(rf"• {name} +\w", ended.stdout), name
    assert ended.stderr == ""


def test_the_command_line_is_quick_to_import(tmp_path):
    program = "import sys, wsss.cli; print(*{'torch', 'timm', 'torchvision', 'matplotlib', 'h5py'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout.split() == []


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
    ended = wsss(*words, "--log", log, "--threads", 1, folder=folder)
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
    words = ["--images", folder / "images.csv", "--classes_table", folder / "classes.csv"]
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
        (misspell, "2007_000002: unknown class dgo in image_labels.txt: add it to classes or leave it out"),
        (empty, "the split val holds no image: is its list empty?"),
    ],
)
def test_a_data_set_that_cannot_be_used(tmp_path, spoil, words):
    spoil(layout(tmp_path / "data"))
    title, problem = refused("images", *images_words(tmp_path), folder=tmp_path).splitlines()
    assert title == f"error: the data set in {tmp_path / 'data'} cannot be used (1 found):"
    assert words in problem


def test_images(tmp_path):
    layout(tmp_path / "data")
    ended = wsss("images", *images_words(tmp_path), folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(manifest.read(tmp_path / "images.csv")) == 4
    assert manifest.read_classes(tmp_path / "classes.csv") == CLASSES


def write_manifest(folder: Path, ids: tuple[str, ...] = ("a",)) -> Path:
    """A manifest of grey images, 12 x 16 pixels, and the classes beside it."""
    rows = []
    for image_id in ids:
        Image.new("RGB", (16, 12), "grey").save(folder / f"{image_id}.png")
        rows.append(manifest.Row(image_id, "train", folder / f"{image_id}.png", None, ("dog",), "test"))
    manifest.write(folder / "images.csv", rows)
    manifest.write_classes(folder / "classes.csv", CLASSES)
    return folder / "images.csv"


def test_weights_of_another_backbone(tmp_path):
    weights = tmp_path / "other.pt"
    torch.manual_seed(0)
    network = networks.classifier(Features("timm/test_resnet", stride=8, weights="none", freeze=False), classes=3)
    networks.save(weights, network, classes=CLASSES, settings={})
    words = ["--images", write_manifest(tmp_path), "--classes_table", "classes.csv", "--classifier", "out.pt"]
    words += ["--gpus", 1, "--nodes", 1, "--checkpoint", "checkpoint.pt", "--checkpoint_steps", 1]
    words += ["--curve", "curve.csv", *flags("classifier")]
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
    settings = {"scales": (1.0,), "stride": 4, "warped_px": 0, "warm_share": 0}
    with store.create(tmp_path / "scores.h5", "scores", classes=CLASSES, settings=settings, inputs={}) as target:
        target.add("a", (12, 16), scores=scores)
    error = refused("masks", *words, folder=tmp_path)
    assert error.startswith("error: scores.h5 holds no 'b': was it made from another manifest")
    assert "\n" not in error.strip()


def test_a_manifest_that_is_missing(tmp_path):
    words = masks_words(tmp_path)
    (tmp_path / "images.csv").unlink()
    error = refused("masks", *words, folder=tmp_path)
    assert error == f"error: {tmp_path / 'images.csv'} does not exist: run the stage images first\n"


@pytest.fixture
def cams(tmp_path) -> Path:
    write_manifest(tmp_path, tuple("abcdefg"))
    maps = np.linspace(0, 1, 12, dtype=np.float16).reshape(1, 3, 4)
    settings = {"scales": (0.5, 1.0), "stride": 4}
    with store.create(tmp_path / "cams.h5", "cams", classes=CLASSES, settings=settings, inputs={}) as target:
        for image_id in "abcdefg":
            target.add(image_id, (12, 16), cam=maps, classes=np.array([2], np.uint8))
    return tmp_path / "cams.h5"


def test_inspect_a_store(cams):
    ended = wsss("inspect", cams, folder=cams.parent)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == f"{cams}: 7 images of kind cams"
    assert lines[-1] == "ids: a b c d e …"
    assert "setting.scales: 0.5 1.0" in lines
    assert "classes: ['background' 'cat' 'dog']" in lines


def colours(path: Path) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.unique(read_photograph(path).reshape(-1, 3), axis=0).tolist()}


def test_inspect_an_image(cams):
    before = cams.stat().st_mtime_ns
    ended = wsss("inspect", cams, "b", "--images", "images.csv", "--picture", "x.png", folder=cams.parent)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "b: size (12, 16), cam float16[1, 3, 4]; drawn in x.png\n"
    with Image.open(cams.parent / "x.png") as picture:
        assert min(picture.size) > 100
    assert len(colours(cams.parent / "x.png")) > 50
    assert cams.stat().st_mtime_ns == before


def test_inspect_masks(tmp_path):
    write_manifest(tmp_path)
    mask = np.zeros((12, 16), np.uint8)
    mask[:, :5], mask[:, 5] = 2, 255
    path = tmp_path / "masks.h5"
    with store.create(path, "masks", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", (12, 16), plain=mask, refined=mask)
    ended = wsss("inspect", path, "a", "--images", "images.csv", "--picture", "deep/x.png", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert {CLASSES.colours[2], (224, 224, 192), (128, 128, 128)} <= colours(tmp_path / "deep/x.png")


def test_inspect_what_is_not_there(cams):
    folder = cams.parent
    assert "cams.h5 holds no 'z'" in refused("inspect", cams, "z", "--images", "images.csv", folder=folder)
    assert "does not exist: run the stage images first" in refused("inspect", cams, "a", folder=folder)
    assert "no readable HDF5 file" in refused("inspect", folder / "images.csv", folder=folder)


def miou_json(path: Path, **miou: float) -> None:
    masks = {name: {"miou": value, "iou": {}} for name, value in miou.items()}
    path.write_text(json.dumps({"miou": 0, "masks": masks, "evaluated": {"images": 80}}))


def test_summary(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    assert "results holds no scores yet: run snakemake first" in refused("summary", folder=tmp_path)
    miou_json(results / "psa_val_miou.json", plain=0.5, refined=0.6123)
    scores = {
        "images": 240,
        "cam": {"background": 0.2, "miou": 0.4},
        "cam_oracle": {"background": 0.15, "miou": 0.45},
        "pseudo_masks": {"plain": {"miou": 0.55}, "refined": {"miou": 0.58}},
    }
    (results / "cue_scores.json").write_text(json.dumps(scores))
    ended = wsss("summary", results, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    title, *lines = ended.stdout.splitlines()
    assert title.split() == ["mIoU"]
    assert [re.split(r"  +", line) for line in lines] == [
        ["CAM, background 0.2", "240 train images", "40.0"],
        ["CAM, background 0.15 (oracle)", "240 train images", "45.0"],
        ["random walk", "240 train images", "55.0"],
        ["random walk and CRF", "240 train images", "58.0"],
        ["psa segmenter", "80 val images", "50.0"],
        ["psa segmenter and CRF", "80 val images", "61.2"],
    ]
