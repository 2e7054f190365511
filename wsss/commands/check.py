"""A look at a data set before a run."""

import tempfile
from collections import Counter
from pathlib import Path

from wsss.commands.terminal import say
from wsss.runtime import pipeline
from wsss.runtime.errors import WsssError


def check(*, configfile: tuple[Path, ...] = ()) -> None:
    """Check the data set of a configuration, every file of it, and write nothing.

    What is wrong is listed at once, a line for each kind with a count and examples, and the exit status is 1 then. What
    is odd (classes that no training image shows, the same photograph in train and val, very large photographs) is a
    warning.

    Args:
        configfile: overlays of config.yaml, as Snakemake takes them; the later ones win.
    """
    from wsss.datasets import checks, manifest, source
    from wsss.options.data_set import DataSet
    from wsss.runtime.errors import refuse
    from wsss.runtime.progress import track

    options = _configured(configfile)
    if options["dataset"] == "shapes":
        raise WsssError(
            "the data set shapes is drawn by the run itself: give the configuration of another by --configfile"
        )
    data_set = DataSet.of(options)
    root = data_set.root
    with tempfile.TemporaryDirectory() as folder:
        found = source.read(data_set, drawn=Path(folder, "true_masks"))
        findings, splits = checks.Findings(found.problems), Counter[str]()
        for checked in track(checks.checked(found.rows, found.classes), "check", total=len(found.splits)):
            findings.add(checked, copied=data_set.longest_px > 0)
            splits[checked.row.split] += 1
        refuse(findings.problems(root / data_set.masks), f"the data set in {root} cannot be used")
    for split in (split for split in manifest.SPLITS if splits[split]):
        say(f"{split}: {splits[split]} images")
    say(f"masks: {findings.mask_summary(splits)}")
    counts = findings.tags()
    say("tags of the training images: " + ", ".join(f"{name} {counts[name]}" for name in found.classes.foreground))
    for warning in findings.warnings(found.classes):
        say(f"warning: {warning}")


def _configured(overlays: tuple[Path, ...]) -> dict:
    """The section images of config.yaml with overlays, checked as a run checks it."""
    from wsss.options import configuration

    root = pipeline.root()
    defaults = configuration.read(root / "config.yaml")
    config = dict(defaults)
    for path in overlays:
        for name, value in configuration.read(path).items():
            merged = (
                {**config[name], **value} if isinstance(value, dict) and isinstance(config.get(name), dict) else value
            )
            config[name] = merged
    schema = configuration.read(root / "workflow/config.schema.yaml")
    return configuration.completed(config, defaults=defaults, schema=schema)["images"]
