"""The commands of docs/exchange.md, carried out in their order on small stores; the schema takes its configuration."""

import re
import shlex

import numpy as np
import pytest
import tyro
import yaml
from PIL import Image
from projects import ROOT
from settings import CLASSES

from wsss import cli
from wsss.commands.export import Format
from wsss.datasets import manifest
from wsss.options import configuration
from wsss.stores import store

PAGE = (ROOT / "docs/exchange.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^wsss .*$", PAGE, re.M)
SIZE, CELLS = (16, 20), (4, 5)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The results of a run on two training images and one that is held out, each a cat and a dog."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    splits = {"a": "train", "day 2/Föto (3)": "extra", "new/b": "val"}
    rows = []
    for image_id, split in splits.items():
        file = tmp_path / "photographs" / f"{image_id}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1]).save(file)
        rows.append(manifest.Row(image_id, split, file, None, ("cat", "dog"), "test"))
    results = tmp_path / "results"
    results.mkdir()
    manifest.write(results / "images.csv", rows)
    manifest.write_classes(results / "classes.csv", CLASSES)
    labels = rng.integers(0, 3, SIZE).astype(np.uint8)
    maps = rng.random((3, *CELLS)).astype(np.float16)
    content = {
        "pseudo_masks": ("pseudo_masks", {"plain": labels}),
        "psa_val_masks": ("masks", {"plain": labels, "refined": labels}),
        "psa_val_scores": ("scores", {"scores": maps}),
        "cams": ("cams", {"cam": maps[:2], "classes": np.array([1, 2], np.uint8)}),
        "seeds": ("seeds", {"labels": rng.integers(0, 3, (16, 16)).astype(np.uint8)}),
    }
    for name, (kind, arrays) in content.items():
        about = {"cells": 16} if kind == "seeds" else {"stride": 4}
        with store.create(results / f"{name}.h5", kind, classes=CLASSES, settings=about, inputs={}) as target:
            for image_id, split in splits.items():
                if ("val" in name) == (split == "val"):
                    target.add(image_id, SIZE, **arrays)
    return tmp_path


def test_each_command_runs(run):
    for line in COMMANDS:
        _, name, *words = shlex.split(line, comments=True)
        before = set(run.rglob("*"))
        tyro.cli(cli.COMMANDS[name], args=words, use_underscores=True)
        assert {path for path in set(run.rglob("*")) - before if path.is_file()}, line
    for name, kind in {"cams": "cams", "pseudo_masks": "pseudo_masks", "seeds": "seeds"}.items():
        with store.read(run / f"results/imported_{name}.h5", kind) as found:
            assert set(found) == {"a", "day 2/Föto (3)"}


def test_each_format_has_its_command():
    named = set(re.findall(r"export .* --as (\w+)", PAGE))
    assert named == {*Format.__args__, "psa", "irn"} - {"png"}


def test_the_configuration_is_one():
    defaults = configuration.read(ROOT / "config.yaml")
    schema = configuration.read(ROOT / "workflow/config.schema.yaml")
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    keys = yaml.safe_load(block)
    found = configuration.completed({**defaults, **keys}, defaults=defaults, schema=schema)
    assert len(keys) == 2 and keys.items() <= found.items()
