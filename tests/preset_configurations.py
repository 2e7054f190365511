"""The presets, as `snakemake --configfile` reads them."""

import yaml
from projects import ROOT
from snakemake.utils import update_config

from wsss.options import configuration

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def merged(overlay: dict) -> dict:
    """The configuration with an overlay, as `snakemake --configfile` reads it."""
    config, defaults = (configuration.read(ROOT / "config.yaml") for _ in range(2))
    update_config(config, overlay)
    schema = configuration.read(ROOT / "workflow/config.schema.yaml")
    return configuration.completed(config, defaults=defaults, schema=schema)


def preset(name: str) -> dict:
    return merged(yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text()))
