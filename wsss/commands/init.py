"""From a folder of photographs to a configuration that runs on them."""

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from wsss.commands.positional import positional
from wsss.commands.terminal import say
from wsss.labels import Classes
from wsss.runtime import pipeline
from wsss.runtime.errors import WsssError, refuse

if TYPE_CHECKING:
    from wsss.datasets.folder import Photographs

Root = positional(Path, "PHOTOGRAPHS")

PRESET = pipeline.root() / "presets/voc12_animals.yaml"
"""Whose numbers are taken for photographs."""

STEPS = {"classifier": 200, "affinity_net": 100, "psa_segmenter": 300, "sec_segmenter": 300, "lcrf_segmenter": 300}
"""Steps that each training takes at least: an epoch of few photographs has few."""

MOST_LOOKED_AT = 500
"""Photographs and masks that are opened; `wsss check` opens all of them."""

LONGEST_PX = 500
"""Of the working copies of larger photographs: the size for which the methods' published numbers are."""


def init(
    photographs: Root,
    /,
    *,
    tags: str = "",
    masks: str = "",
    val_share: float = 0.0,
    out: Path = Path("mine.yaml"),
) -> None:
    """Look at a folder of photographs and their tags, and write a configuration for them.

    Args:
        photographs: the folder; folders in it are searched, too.
        tags: table of the tags, CSV or TSV with the columns file_name and tags, in the folder or anywhere; without one
            there is a folder for each class.
        masks: folder of true masks, for scores; without one the run ends in label maps.
        val_share: share of the photographs that is held out of training, to be labelled at the end.
        out: configuration to write, for snakemake --configfile.
    """
    import yaml

    from wsss.datasets import folder
    from wsss.options import configuration
    from wsss.runtime.files import whole_or_absent

    if out.exists():
        raise WsssError(f"{out} exists already: remove it, or give another name by --out")
    if not 0 <= val_share < 1:
        raise WsssError(f"--val_share is {val_share}: give a share from 0 to below 1, such as 0.2")
    table = str(Path(tags).absolute()) if tags and Path(tags).is_file() else tags
    masks = str(Path(masks).absolute()) if masks and Path(masks).is_dir() else masks
    found = folder.read(photographs, table=table, masks=masks)
    splits, problems = folder.splits(found, train="", extra="", val="", test="", val_share=val_share, masks=masks)
    problems += folder.mask_problems(found, masks) if masks else []
    refuse([*found.problems, *problems], f"the photographs in {photographs} cannot be used as they are")
    if not found.tags:
        raise WsssError(f"no photograph in {photographs} has a tag: give a table by --tags, or make a folder a class")
    if "background" in {name.casefold() for name in found.classes}:
        raise WsssError("a tag is called background: leave it out, for background is what no class covers")
    classes = Classes.of({name: value for value, name in enumerate(found.classes, 1)})
    trained = sum(split == "train" for split in splits.values())
    if not trained:
        raise WsssError(f"--val_share {val_share} leaves no photograph to train on: give a smaller one")
    if val_share and "val" not in splits.values():
        raise WsssError(f"--val_share {val_share} holds no photograph out: give a larger one, or leave it out")
    sides = _sides(found, splits)
    config = configuration.read(PRESET)
    config["methods"] = ["psa"]
    config["images"] = {
        "dataset": "folder",
        "root": str(photographs.absolute()),
        "classes": [f"{name}={value}" for name, value in zip(found.classes, classes.mask_values[1:], strict=True)],
        "table": table,
        "train": "",
        "extra": "",
        "val": "",
        "val_share": val_share,
        "masks": masks,
        "longest_px": LONGEST_PX if max(sides) > LONGEST_PX else 0,
    }
    for section, steps in STEPS.items():
        config[section]["epochs"] = _epochs(config[section], steps=steps, images=trained)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
    with whole_or_absent(out) as partial:
        partial.write_text(f"# Made by `wsss init`: every number may be changed.\n\n{text}", encoding="utf-8")
    _report(found, sides, config, trained=trained, out=out)
    if masks:
        values = ", ".join(config["images"]["classes"])
        say(f"The masks' values must be those of images: classes in {out} ({values}): correct them there.\n")
        for warning in [*folder.strange_masks(found, masks), *_of_masks(found, splits, classes, masks)]:
            say(f"warning: {warning}")


def _sides(found: "Photographs", splits: dict[str, str]) -> list[int]:
    """The longer sides of the photographs that are used, of up to 500 of them, evenly spaced."""
    from wsss.datasets.manifest import evenly
    from wsss.datasets.pictures import photograph_size

    sides, problems = [], []
    for image_id in evenly(list(splits), MOST_LOOKED_AT):
        try:
            sides.append(max(photograph_size(found.root / found.files[image_id])))
        except WsssError as error:
            problems.append(str(error))
    refuse(problems, f"photographs in {found.root} cannot be used")
    return sides


def _of_masks(found: "Photographs", splits: dict[str, str], classes: Classes, masks: str) -> list[str]:
    """Whether the masks show what the tags say: a warning if many do not."""
    from wsss.datasets import checks, folder
    from wsss.datasets.manifest import evenly

    rows = [row for row in folder.rows(found, splits, classes=classes, masks=masks) if row[0].mask]
    findings = checks.Findings([])
    for checked in checks.checked(evenly(rows, MOST_LOOKED_AT), classes):
        findings.add(checked)
    return findings.strange_masks()


def _epochs(section: dict, *, steps: int, images: int) -> int:
    """The epochs of a preset, or more where they would be too few steps."""
    each = max(1, images // min(section["batch_size"], images))
    return max(section["epochs"], -(-steps // each))


def _report(found: "Photographs", sides: list[int], config: dict, *, trained: int, out: Path) -> None:
    """What was found, what was chosen, and what to type."""
    from wsss.datasets import checks

    counts = Counter(tag for tags in found.tags.values() for tag in tags)
    say(f"{len(found.files)} photographs, {len(found.tags)} of them with tags; {trained} are trained on")
    copies = f": copies of {LONGEST_PX} px are used, in results/photographs" if config["images"]["longest_px"] else ""
    say(f"longer sides from {min(sides)} to {max(sides)} px{copies}")
    say("classes: " + ", ".join(f"{name} ({counts[name]})" for name in found.classes))
    if len(found.classes) == 1 and len(found.tags) == len(found.files):
        say("warning: every photograph shows the only class: a classifier needs others, too, of another class")
    for warning in checks.alike(counts):
        say(f"warning: {warning}")
    few = [name for name in found.classes if counts[name] < checks.FEW]
    if few:
        say(f"warning: fewer than {checks.FEW} photographs show {', '.join(few)}: expect little of these classes")
    epochs = ", ".join(f"{name} {config[name]['epochs']}" for name in ("classifier", "affinity_net", "psa_segmenter"))
    say(f"network: {config['classifier']['backbone']}; epochs: {epochs}")
    command = "snakemake" if Path("Snakefile").exists() else "wsss run"
    say(f"\n{out} is written. Now type:\n\n    {command} --cores 8 --configfile {shlex.quote(str(out))}\n")
