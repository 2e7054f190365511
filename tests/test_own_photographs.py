"""In three acts, with real commands: photographs and a table become masks, and so do photographs never seen before."""

import shutil

import numpy as np
import preloaded
import projects
import pytest
from PIL import Image

from wsss.datasets import shapes

SMALL = """
classifier: {backbone: timm/test_efficientnet, stride: 8, weights: none, freeze: false, resize_px: [0, 0], crop_px: 64,
  epochs: 1, batch_size: 4}
cams: {stride: 4}
affinity_labels: {stride: 4, crf.steps: 2}
affinity_net: {backbone: timm/test_efficientnet, stride: 8, weights: none, freeze: false, crop_px: 64, epochs: 1,
  batch_size: 4}
pseudo_masks: {steps: 16, crf.steps: 2}
psa_segmenter: {backbone: timm/test_efficientnet, stride: 8, weights: none, freeze: false, resize_px: [0, 0],
  crop_px: 64, epochs: 1, batch_size: 4}
masks: {crf.steps: 2}
examples: {train_images: 1, val_images: 1}
"""
"""A network that trains in a second in place of a good one."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project; beside it photographs with odd names, a table of their tags, and new photographs."""
    folder = tmp_path_factory.mktemp("own")
    copy = projects.copied(folder / "project")
    shutil.copytree(projects.ROOT / "presets", copy / "presets")
    shapes.write(folder / "drawn", train=12, val=2, size=64, seed=0)
    lines = (folder / "drawn/image_labels.txt").read_text().splitlines()
    tags = {image_id: names for image_id, *names in map(str.split, lines)}
    table = ["file_name;tags"]
    for number, path in enumerate(sorted((folder / "drawn/JPEGImages").iterdir())):
        new = path.stem not in tags or path.stem.startswith("val")
        target = folder / ("new" if new else "photographs") / f"day {number % 3}" / f"Föto ({number}).JPG"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("RGB").save(target, format="JPEG")
        if not new:
            table.append(f"day {number % 3}\\{target.name};{', '.join('a ' + name for name in tags[path.stem])}")
    (folder / "tags.csv").write_bytes("\r\n".join(table).encode("utf-8-sig"))
    (copy / "small.yaml").write_text(SMALL)
    return copy


def wsss(project, *words) -> str:
    done = projects.ended(preloaded.commands() / "wsss", *words, folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pictures_in(folder) -> set[str]:
    return {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.[jJpP][pPnN][gG]")}


def test_from_photographs_and_a_table_to_masks_of_photographs_never_seen(project):
    home = project.parent
    # first act: look at the photographs
    printed = wsss(project, "init", home / "photographs", "--tags", home / "tags.csv", "--out", "mine.yaml")
    assert "12 photographs, 12 of them with tags; 12 are trained on" in printed
    assert "snakemake --cores 8 --configfile mine.yaml" in printed

    # second act: a run without any true masks ends in label maps
    run = projects.snakemake(project, "--cores", 2, "--configfile", "mine.yaml", "small.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    refused = projects.snakemake(
        project, "-n", "--configfile", "mine.yaml", "small.yaml", "--", "results/psa_train_miou.txt"
    )
    assert refused.returncode != 0
    assert "no true masks, so nothing can be scored" in refused.stdout + refused.stderr
    assert "results/psa_train_masks.h5" in wsss(project, "summary")
    wsss(project, "export", "results/psa_train_masks.h5", "exported")
    assert pictures_in(project / "exported") == pictures_in(home / "photographs")

    # third act: photographs that the run has not seen
    wsss(project, "predict", "results/psa_segmenter.safetensors", home / "new", "--out", "predicted")
    assert pictures_in(project / "predicted") == pictures_in(home / "new")
    for path in (project / "predicted").rglob("*.png"):
        assert np.array(Image.open(path)).shape == (64, 64)
